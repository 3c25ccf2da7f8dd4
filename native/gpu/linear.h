// Linear recurrences, h_t = a_t h_(t-1) + b_t, of as many lanes as there are.
//
// A warp has 32 lanes, a block all steps of them, a tile at a time: each of its warps takes some
// steps in a row and makes one step of the same form of them. Of these, and of the state before
// the tile, every warp makes the state that its steps begin with.
#pragma once

#include "cluster.h"

namespace zoo {

struct Complex {
  float re, im;

  __device__ friend Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  __device__ friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
};

template <class Number>
struct Linear {
  int layers, T, N;     // layers stand one after the other
  bool reverse;         // from the last step to the first
  const Number *a, *b;  // [T, N]
  const Number* h;      // before the step that is met first [N]
  Number* states;       // [T, N]
};

constexpr int LANES = 32;

template <class Number>
struct LinearPlan {
  static constexpr int STEPS = 32 / sizeof(Number);  // of a warp in a tile
  static constexpr int TILE = STEPS * WARPS;
  static constexpr int BYTES = 2 * WARPS * LANES * 2 * sizeof(Number);
};

template <class Number>
__global__ void __launch_bounds__(THREADS, 1) linear(Linear<Number> in) {
  using Plan = LinearPlan<Number>;
  constexpr int STEPS = Plan::STEPS;
  struct Step {
    Number a, b;
  };
  Step* const steps = reinterpret_cast<Step*>(shared_memory());  // [2][WARPS][LANES]
  const int warp = thread_index() / LANES, lane = thread_index() % LANES;
  const int n = block_index() * LANES + lane;
  const size_t first = size_t(layer_index()) * in.T * in.N + n;
  const bool there = n < in.N;
  auto at = [&](int step) { return first + size_t(in.reverse ? in.T - 1 - step : step) * in.N; };
  const Number one{1}, none{0};
  Number h = there ? in.h[size_t(layer_index()) * in.N + n] : none;

  Number a[STEPS], b[STEPS];  // of the next tile
  auto fetch = [&](int tile) {
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const int step = tile + warp * STEPS + i;
      const bool real = there && step < in.T;
      a[i] = real ? in.a[at(step)] : one;
      b[i] = real ? in.b[at(step)] : none;
    }
  };
  fetch(0);
  for (int tile = 0, now = 0; tile < in.T; tile += Plan::TILE, now ^= 1) {
    Step own[STEPS], whole{one, none};
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      own[i] = {a[i], b[i]};
      whole = {a[i] * whole.a, a[i] * whole.b + b[i]};
    }
    steps[(now * WARPS + warp) * LANES + lane] = whole;
    fetch(tile + Plan::TILE);
    synchronise_block();
    Number begin = h;
#pragma unroll
    for (int k = 0; k < WARPS; ++k) {
      if (k == warp) begin = h;
      const Step step = steps[(now * WARPS + k) * LANES + lane];
      h = step.a * h + step.b;
    }
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const int step = tile + warp * STEPS + i;
      begin = own[i].a * begin + own[i].b;
      if (there && step < in.T) in.states[at(step)] = begin;
    }
  }
}

}  // namespace zoo
