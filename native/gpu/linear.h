// Linear recurrences h_t = a_t h_(t-1) + b_t, for independent lanes.
//
// A block computes all steps of 32 lanes, one tile of steps after the other. Each of its warps
// composes consecutive steps of the tile into a single step of the same form. From these and the
// state before the tile, every warp computes the state before its own steps.
//
// The gradient of constant factors is the sum over time of the states of the transposed recurrence
// times other states. It is accumulated in the same pass.
#pragma once

#include "cluster.h"

namespace zoo {

struct Linear {
  int sequences, T, N;  // of h and b; N complex lanes have 2 N numbers in a step
  int shared;           // number of sequences that share their factors
  bool reverse;         // from the last step to the first
  bool adjoint;         // a step has the conjugate of the factor of the step before it in the loop
  const float* a;       // [sequences / shared, T or 1, N]
  const float* b;       // [sequences, T, N]
  const float* h;       // before the first step of the loop [sequences, N]
  float* states;        // [sequences, T, N]
  // weighted_sum [sequences, N], or null: the sum over all steps of the state times the conjugate
  // of `weights` [sequences, T, N] at the following step of the loop, or of `last_weight`
  // [sequences, N] at the last step.
  const float *weights, *last_weight;
  float* weighted_sum;
};

struct Real {
  static constexpr int PARTS = 1;
  float re;

  __device__ static Real real(float value) { return {value}; }
  __device__ static Real read(const float* from, int) { return {*from}; }
  __device__ void write(float* to, int) const { *to = re; }
  __device__ Real conjugate() const { return *this; }
  __device__ friend Real operator*(Real a, Real b) { return {a.re * b.re}; }
  __device__ friend Real operator+(Real a, Real b) { return {a.re + b.re}; }
  // Return a b + c.
  __device__ friend Real fused(Real a, Real b, Real c) { return {a.re * b.re + c.re}; }
};

// The real parts of all lanes come before the imaginary ones.
struct Complex {
  static constexpr int PARTS = 2;
  float re, im;

  __device__ static Complex real(float value) { return {value, 0}; }
  __device__ static Complex read(const float* from, int lanes) { return {from[0], from[lanes]}; }
  __device__ void write(float* to, int lanes) const { to[0] = re, to[lanes] = im; }
  __device__ Complex conjugate() const { return {re, -im}; }
  __device__ friend Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  __device__ friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  __device__ friend Complex fused(Complex a, Complex b, Complex c) {
    // In this order each part takes two instructions.
    return {a.re * b.re + (c.re - a.im * b.im), a.re * b.im + (c.im + a.im * b.re)};
  }
};

constexpr int LANES = 32;

template <class Number, bool Constant, bool Weighted>
struct LinearPlan {
  // Half the warps of other kernels, with twice as many steps each: combining the warps then takes
  // a fourth of the instructions.
  static constexpr int WARPS = 8, THREADS = WARPS * LANES;
  // Steps of a warp in a tile. Prefetching them takes 32 registers.
  static constexpr int STEPS = (Constant && !Weighted ? 32 : 16) / Number::PARTS;
  static constexpr int TILE = STEPS * WARPS;
  // The composed steps of all warps, for two tiles. Without the product of factors if these are
  // constant, since every warp knows it.
  static constexpr int BYTES = 2 * WARPS * LANES * (Constant ? 1 : 2) * sizeof(Number);
};

// Constant: the factors are the same at all steps. Weighted: compute the weighted sum.
template <class Number, bool Constant, bool Weighted>
__global__ void __launch_bounds__(LinearPlan<Number, Constant, Weighted>::THREADS, 2)
    linear(Linear in) {
  using Plan = LinearPlan<Number, Constant, Weighted>;
  constexpr int WARPS = Plan::WARPS, STEPS = Plan::STEPS;
  // The composed steps of each warp: the state they reach from zero, and the product of factors.
  Number* const sums = reinterpret_cast<Number*>(shared_memory());  // [2][WARPS][LANES]
  Number* const products = sums + 2 * WARPS * LANES;                // [2][WARPS][LANES]
  const int warp = thread_index() / LANES, lane = thread_index() % LANES;
  const int blocks = (in.N + LANES - 1) / LANES;
  const int sequence = block_index() / blocks, n = block_index() % blocks * LANES + lane;
  const size_t width = size_t(in.N) * Number::PARTS, sequence_size = width * in.T;
  const ptrdiff_t direction = in.reverse ? -ptrdiff_t(width) : width;
  // From the last step of a warp in a tile to its first one in the next tile.
  const ptrdiff_t skip = (Plan::TILE - STEPS) * direction;
  const int first = warp * STEPS;
  const size_t start = (in.reverse ? sequence_size - width : 0) + first * direction + n;
  const float* b_at = in.b + sequence * sequence_size + start;
  float* to = in.states + sequence * sequence_size + start;
  const float* a_at = in.a + sequence / in.shared * (Constant ? width : sequence_size);
  a_at += Constant ? n : start - in.adjoint * direction;
  int remaining = n < in.N ? in.T - first : 0;  // steps from the next one of this warp on
  auto factor = [&](const float* at) {
    const Number a = Number::read(at, in.N);
    return in.adjoint ? a.conjugate() : a;
  };
  const Number one = Number::real(1), none = Number::real(0);
  Number h = none, constant = one, power = one;
  if (n < in.N) {
    h = Number::read(in.h + sequence * width + n, in.N);
    if (Constant) constant = factor(a_at);
  }
  if (Constant)
    for (int i = 0; i < STEPS; ++i) power = power * constant;

  const float* weight_at = in.weights + sequence * sequence_size + start + direction;
  Number last_weight = none, weighted_sum = none;
  if (Weighted && n < in.N) last_weight = Number::read(in.last_weight + sequence * width + n, in.N);

  Number a[STEPS], b[STEPS], next_weights[STEPS];  // of the next tile
  auto fetch = [&](int begin) {
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      a[i] = constant, b[i] = none;
      if (i < remaining) b[i] = Number::read(b_at, in.N);
      if (!Constant && begin <= i && i < remaining) a[i] = factor(a_at);
      if (Weighted)
        next_weights[i] = i + 1 < remaining ? Number::read(weight_at, in.N) : last_weight;
      b_at += direction, a_at += direction, weight_at += direction;
    }
    b_at += skip, a_at += skip, weight_at += skip;
  };
  fetch(in.adjoint && !warp);  // the first step of the loop has none before it
  for (int tile = 0, parity = 0; tile < in.T; tile += Plan::TILE, parity ^= 1) {
    Number factors[STEPS], added[STEPS], weights[STEPS], sum = none, product = one;
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      factors[i] = a[i], added[i] = b[i];
      if (Weighted) weights[i] = next_weights[i].conjugate();
      sum = fused(a[i], sum, b[i]);
      if (!Constant) product = a[i] * product;
    }
    const int own = (parity * WARPS + warp) * LANES + lane;
    sums[own] = sum;
    if (!Constant) products[own] = product;
    const int count = remaining;
    remaining -= Plan::TILE;
    fetch(0);
    synchronise_block();
    Number begin = h;
#pragma unroll
    for (int k = 0; k < WARPS; ++k) {
      if (k == warp) begin = h;
      const int at = (parity * WARPS + k) * LANES + lane;
      h = fused(Constant ? power : products[at], h, sums[at]);
    }
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      begin = fused(factors[i], begin, added[i]);
      if (i < count) begin.write(to, in.N);
      if (Weighted && i < count) weighted_sum = fused(weights[i], begin, weighted_sum);
      to += direction;
    }
    to += skip;
  }
  if constexpr (Weighted) {
    synchronise_block();
    sums[warp * LANES + lane] = weighted_sum;
    synchronise_block();
    if (warp || n >= in.N) return;
    for (int k = 1; k < WARPS; ++k) weighted_sum = weighted_sum + sums[k * LANES + lane];
    weighted_sum.write(in.weighted_sum + sequence * width + n, in.N);
  }
}

}  // namespace zoo
