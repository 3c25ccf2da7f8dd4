// The backward pass.
//
// At each stage of a step, the last one first, a block makes the gradients of its gates, and
// multiplies them with its columns of U: a part of the gradient by all that the stage multiplied,
// the state before or what was made of it. It sends each block that block's units of it, which adds
// up the parts of all.
#pragma once

#include "cells.h"
#include "layer.h"

namespace zoo {

struct Backward : Layer {
  const float *cells, *before;  // the state before each step [B, T, H]
  const float* by_y;            // [B, T, H]
  const float *by_last_h, *by_last_c;
  float* planes;  // [B, T, PLANES, H]: the gates, then the gradients of p and q
  float *by_h, *by_c, *by_initial_h, *by_initial_c;  // the latter may be null

  template <class Cell>
  __device__ void choose(int layer) {
    Layer::choose<Cell>(layer);
    const size_t states = size_t(layer) * B * H, tokens = states * T;
    shift(cells, tokens), shift(before, tokens), shift(by_y, tokens);
    shift(by_last_h, states), shift(by_last_c, states), shift(planes, tokens * Cell::PLANES);
    shift(by_h, states), shift(by_c, states);
    shift(by_initial_h, states), shift(by_initial_c, states);
  }
};

template <class Cell, class Operand, int Rows, int Kept>
struct BackwardPlan {
  static constexpr int BEGIN = Arrivals::BYTES + Range::BYTES;
  static constexpr int KEPT = Kept / STAGES<Cell>;  // of a stage
  int tiles;
  int at_slots, at_sent, at_first, at_second, bytes;

  __host__ __device__ BackwardPlan(int units, int cluster) {
    const int blocks = units / BLOCK;  // of a gate
    tiles = blocks * cluster;
    const int most = (tiles + WARPS - 1) / WARPS;
    at_slots = BEGIN + 2 * Rows * Cell::GATES * units * int(sizeof(typename Operand::Element));
    at_sent = at_slots + 2 * cluster * units * Rows * 4;
    at_first = at_sent + (tiles < WARPS ? tiles : WARPS) * BLOCK * Rows * 4;
    at_second = at_first + Fragments<Operand, KEPT>::bytes(most * Cell::FIRST * blocks);
    bytes =
        at_second + Fragments<Operand, KEPT>::bytes(most * (Cell::GATES - Cell::FIRST) * blocks);
  }

  __host__ __device__ bool possible(int units) const { return Rows * units <= THREADS; }
};

// What a warp has of the product of a stage: every sixteenth tile.
template <class Cell, class Operand, int Kept, int Number>
struct BackwardProduct {
  using Gates = Stage<Cell, Number>;
  const int blocks;  // of the gates
  const Fragments<Operand, Kept> weights;

  __device__ BackwardProduct(const Layer& in, int tiles, int first_unit, void* rest)
      : blocks(Gates::GATES * in.units / BLOCK),
        weights((warp() < tiles ? (tiles - warp() - 1) / WARPS + 1 : 0) * blocks, rest,
                [&](int i, int r, int k) -> float {
                  const int tile = warp() + i / blocks * WARPS, to = tile * BLOCK + r;
                  const int of = i % blocks * BLOCK + k, gate = Gates::BEGIN + of / in.units,
                            from = first_unit + of % in.units;
                  if (from >= in.H || to >= in.H) return 0;
                  return in.U[size_t(to) * Cell::GATES * in.H + gate * in.H + from];
                }) {}

  __device__ static int warp() { return thread_index() / 32; }
};

template <class Cell, class Operand, int Rows, int Kept>
__global__ void __launch_bounds__(THREADS, 1) backward(Backward in) {
  in.choose<Cell>(layer_index());
  constexpr int GATES = Cell::GATES, PLANES = Cell::PLANES, GROUPS = Rows / 8;
  constexpr bool STAGED = STAGES<Cell> > 1;
  using Element = typename Operand::Element;
  char* const shared = shared_memory();
  const int rank = cluster_rank(), cluster = cluster_size();
  using Plan = BackwardPlan<Cell, Operand, Rows, Kept>;
  const Plan plan(in.units, cluster);
  const int warp = thread_index() / 32, lane = thread_index() % 32;
  const int row = block_index() / cluster * Rows, unit = rank * in.units;
  const int rows = min(Rows, in.B - row);
  Element* const vectors =
      reinterpret_cast<Element*>(shared + Plan::BEGIN);  // [2][GATES * units, Rows]
  float* const slots =
      reinterpret_cast<float*>(shared + plan.at_slots);  // [2][cluster][units, Rows]
  float* const sent = reinterpret_cast<float*>(shared + plan.at_sent) + warp * BLOCK * Rows;

  const BackwardProduct<Cell, Operand, Plan::KEPT, 0> first(in, plan.tiles, unit,
                                                            shared + plan.at_first);
  using Second = BackwardProduct<Cell, Operand, Plan::KEPT, 1>;
  const std::conditional_t<STAGED, Second, Nothing> second(in, plan.tiles, unit,
                                                           shared + plan.at_second);

  const Range steps = range(in, row, Rows, shared + Arrivals::BYTES);
  const bool updates = thread_index() < Rows * in.units;  // the same for all of a warp
  const int own_row = thread_index() / in.units, own_unit = thread_index() % in.units;
  const Place place(in, row + own_row, unit + own_unit);
  const bool there = updates && place.there;
  float direct = read(there, in.by_last_h, place.state);
  float by_c = read(there && Cell::CELL_STATE, in.by_last_c, place.state);
  float by_initial_h = 0, by_initial_c = 0;
  if (there)
    for (int step = 0; step < in.T; ++step) {
      if (step == steps.first) step = steps.end;
      if (step >= in.T) break;
#pragma unroll
      for (int k = 0; k < PLANES; ++k) in.planes[place.at(in, token(in, step), PLANES, k)] = 0;
    }

  const uint32_t bytes = rows * cluster * in.units * 4;
  const Arrivals arrivals(shared, bytes);

  // What comes from outside is asked for a step ahead.
  struct Given {
    float plane[PLANES], h, c, by_y;
    uint8_t real, begins;  // not looked at before they are needed
  } next = {};
  const ptrdiff_t on = in.reverse ? 1 : -1;
  size_t at = place.first + token(in, steps.end - 1), at_next = at;
  auto fetch = [&](int step) {
    if (!there || step < steps.first) return;
    const size_t of_unit = at_next * in.H + place.unit;
#pragma unroll
    for (int k = 0; k < PLANES; ++k)
      next.plane[k] = in.planes[(at_next * PLANES + k) * in.H + place.unit];
    next.h = in.before[of_unit];
    if (Cell::CELL_STATE) next.c = in.cells[of_unit];
    next.by_y = in.by_y[of_unit];
    next.real = in.mask ? in.mask[at_next] : 1;
    next.begins = in.restart ? in.restart[at_next] : 0;
    at_next += on;
  };
  uint8_t begins = 0;  // whether the step after began anew
  // Add up what all blocks have sent.
  const float* const own_slots = slots + entry_at(Rows, own_row, own_unit);
  const int other_slots = cluster * in.units * Rows;
  auto receive = [&](float& sum, int number) {
    arrivals.wait(number);
    const float* const from = own_slots + (number & 1) * other_slots;
#pragma unroll
    for (int k = 0; k < MOST_BLOCKS; ++k)
      if (k < cluster) sum += from[k * in.units * Rows];
  };
  // The gradient by the state after a step, or before the first.
  auto by_state = [&](int number) {
    float by_h = direct;
    if (number) receive(by_h, number);
    if (begins) {
      by_initial_h += by_h, by_initial_c += by_c;
      by_h = by_c = 0;
    }
    return by_h;
  };

  const Element* const own_vectors = vectors + entry_at(Rows, lane / 4, lane % 4 * 4);
  Element* const to_vectors = vectors + entry_at(Rows, own_row, own_unit);
  float* const to_sent = sent + entry_at(Rows, lane % 4 * 2, lane / 4);
  // Show the gradient of a gate's q to the block.
  auto show = [&](int gate, float by_q, int number) {
    to_vectors[((number & 1) * GATES + gate) * Rows * in.units] = Operand::round(by_q);
  };
  // Multiply the gates of a stage, and send what came of it.
  auto multiply = [&](const auto& product, int begin, int number) {
    const int now = number & 1;
    float sum[GROUPS][2][4] = {};
    int tile = warp, block = 0;
    const Element* const from = own_vectors + (now * GATES + begin) * Rows * in.units;
    product.weights.each([&](int, const uint32_t* words) {
#pragma unroll
      for (int n = 0; n < GROUPS; ++n)
        Operand::multiply(sum[n], words, from + (block * Rows + 8 * n) * BLOCK);
      if (++block < product.blocks) return;
      if (lane == 0) wait_for_copies();  // of what stood here before
      synchronise_warp();
#pragma unroll
      for (int n = 0; n < GROUPS; ++n)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          to_sent[(8 * n + k % 2) * BLOCK + k / 2 * 8] = sum[n][0][k] + sum[n][1][k];
          sum[n][0][k] = sum[n][1][k] = 0;
        }
      show_to_copies();
      synchronise_warp();
      if (lane == 0) {
        const int to = tile * BLOCK / in.units, unit = tile * BLOCK % in.units;
        const uint32_t at = shared_address(slots + ((now ^ 1) * cluster + rank) * in.units * Rows +
                                           entry_at(Rows, 0, unit));
        send(address_in(to, at), shared_address(sent), rows * BLOCK * 4,
             address_in(to, arrivals.of(number + 1)));
      }
      block = 0;
      tile += WARPS;
    });
  };

  fetch(steps.end - 1);
  for (int step = steps.end - 1; step >= steps.first; --step) {
    int number = (steps.end - 1 - step) * STAGES<Cell>;
    float plane[PLANES];
    if (updates) {
      float by_h = by_state(number);
#pragma unroll
      for (int k = 0; k < PLANES; ++k) plane[k] = next.plane[k];
      if (next.real) {
        by_h += next.by_y;
        Cell::back(next.h, next.c, by_h, by_c, plane);
      } else {
#pragma unroll
        for (int k = 0; k < PLANES; ++k) plane[k] = 0;
      }
      direct = by_h;
      begins = next.begins;
#pragma unroll
      for (int g = STAGED ? Cell::FIRST : 0; g < GATES; ++g) show(g, plane[Cell::of_q(g)], number);
      if (!STAGED) fetch(step - 1);
    }
    synchronise_block();
    if constexpr (STAGED) {
      multiply(second, Cell::FIRST, number++);
      if (updates) {
        float by_made = 0;
        receive(by_made, number);
        if (next.real) Cell::back_between(next.h, by_made, direct, by_c, plane);
#pragma unroll
        for (int g = 0; g < Cell::FIRST; ++g) show(g, plane[Cell::of_q(g)], number);
        fetch(step - 1);
      }
      synchronise_block();
    }
    multiply(first, 0, number);
    if (there) {
#pragma unroll
      for (int k = 0; k < PLANES; ++k) in.planes[(at * PLANES + k) * in.H + place.unit] = plane[k];
      at += on;
    }
  }
  if (updates) {
    const float by_h = by_state((steps.end - steps.first) * STAGES<Cell>);
    if (there) {
      in.by_h[place.state] = by_h;
      if (Cell::CELL_STATE) in.by_c[place.state] = by_c;
      if (in.by_initial_h) in.by_initial_h[place.state] = by_initial_h;
      if (Cell::CELL_STATE && in.by_initial_c) in.by_initial_c[place.state] = by_initial_c;
    }
  }
  synchronise_cluster();
}

}  // namespace zoo
