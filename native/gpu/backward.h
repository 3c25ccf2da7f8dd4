// The backward pass.
//
// In each stage of a step, the last one first, a block computes the gradients of its gates and
// multiplies them with its columns of U. The product is one part of the gradient of all units of
// what the stage multiplied: the state, or what the first stage computed. The block sends each
// block the units that this one owns, which adds up the parts of all blocks.
#pragma once

#include "cells.h"
#include "layer.h"

namespace zoo {

struct Backward : Layer {
  const float *cells = nullptr, *states = nullptr;  // the state before each step [B, T, H]
  const float* d_y = nullptr;                       // [B, T, H]
  const float *d_last_h = nullptr, *d_last_c = nullptr;
  float* planes = nullptr;  // [B, T, PLANES, H]: the gates, then the gradients of p and q
  float *d_h = nullptr, *d_c = nullptr;
  float *d_initial_h = nullptr, *d_initial_c = nullptr;  // null without resets

  template <class Cell>
  __device__ void select_layer(int layer) {
    Layer::select_layer<Cell>(layer);
    const size_t state = size_t(layer) * B * H, tokens = state * T;
    advance(cells, tokens), advance(states, tokens), advance(d_y, tokens);
    advance(d_last_h, state), advance(d_last_c, state), advance(planes, tokens * Cell::PLANES);
    advance(d_h, state), advance(d_c, state);
    advance(d_initial_h, state), advance(d_initial_c, state);
  }
};

template <class Cell, class Operand, int Rows, int Kept>
struct BackwardPlan {
  static constexpr int BEGIN = Arrivals::BYTES + StepRange::BYTES;
  static constexpr int KEPT = Kept / STAGES<Cell>;  // of a stage
  int tiles;
  int slots_offset, sent_offset, first_offset, second_offset, bytes;

  __host__ __device__ BackwardPlan(int units, int cluster) {
    const int blocks = units / BLOCK;  // of a gate
    tiles = blocks * cluster;
    const int max_tiles = (tiles + WARPS - 1) / WARPS;
    slots_offset = BEGIN + 2 * Rows * Cell::GATES * units * int(sizeof(typename Operand::Element));
    sent_offset = slots_offset + 2 * cluster * units * Rows * 4;
    first_offset = sent_offset + (tiles < WARPS ? tiles : WARPS) * BLOCK * Rows * 4;
    second_offset =
        first_offset + Fragments<Operand, KEPT>::bytes(max_tiles * Cell::STATE_GATES * blocks);
    bytes = second_offset +
            Fragments<Operand, KEPT>::bytes(max_tiles * (Cell::GATES - Cell::STATE_GATES) * blocks);
  }

  __host__ __device__ bool fits(int units) const { return Rows * units <= THREADS; }
};

// The tiles of the product of a stage that a warp computes: every WARPS-th one.
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
  in.select_layer<Cell>(layer_index());
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
      reinterpret_cast<float*>(shared + plan.slots_offset);  // [2][cluster][units, Rows]
  float* const sent = reinterpret_cast<float*>(shared + plan.sent_offset) + warp * BLOCK * Rows;

  const BackwardProduct<Cell, Operand, Plan::KEPT, 0> first(in, plan.tiles, unit,
                                                            shared + plan.first_offset);
  using Second = BackwardProduct<Cell, Operand, Plan::KEPT, 1>;
  const std::conditional_t<STAGED, Second, NoProduct> second(in, plan.tiles, unit,
                                                             shared + plan.second_offset);

  const StepRange steps = active_steps(in, row, Rows, shared + Arrivals::BYTES);
  const bool updates = thread_index() < Rows * in.units;  // uniform in a warp
  const int own_row = thread_index() / in.units, own_unit = thread_index() % in.units;
  const Position position(in, row + own_row, unit + own_unit);
  const bool active = updates && position.exists;
  float direct = load_if(active, in.d_last_h, position.state);
  float d_c = load_if(active && Cell::CELL_STATE, in.d_last_c, position.state);
  float d_initial_h = 0, d_initial_c = 0;
  if (active)
    for (int step = 0; step < in.T; ++step) {
      if (step == steps.first) step = steps.end;
      if (step >= in.T) break;
#pragma unroll
      for (int k = 0; k < PLANES; ++k)
        in.planes[position.plane_index(in, token(in, step), PLANES, k)] = 0;
    }

  const uint32_t bytes = rows * cluster * in.units * 4;
  const Arrivals arrivals(shared, bytes);

  // Global memory is read a step ahead.
  struct Prefetched {
    float plane[PLANES], h, c, d_y;
    uint8_t real, reset;  // loaded as they are, so that nothing waits for them here
  } next = {};
  const ptrdiff_t direction = in.reverse ? 1 : -1;
  size_t this_token = position.first_token + token(in, steps.end - 1), next_token = this_token;
  auto fetch = [&](int step) {
    if (!active || step < steps.first) return;
    const size_t index = next_token * in.H + position.unit;
#pragma unroll
    for (int k = 0; k < PLANES; ++k)
      next.plane[k] = in.planes[(next_token * PLANES + k) * in.H + position.unit];
    next.h = in.states[index];
    if (Cell::CELL_STATE) next.c = in.cells[index];
    next.d_y = in.d_y[index];
    next.real = in.mask ? in.mask[next_token] : 1;
    next.reset = in.reset ? in.reset[next_token] : 0;
    next_token += direction;
  };
  uint8_t reset = 0;  // whether the state was reset before the following step
  // Add what all blocks have sent.
  const float* const own_slots = slots + entry_offset(Rows, own_row, own_unit);
  const int other_slots = cluster * in.units * Rows;
  auto receive = [&](float& sum, int exchange) {
    arrivals.wait(exchange);
    const float* const from = own_slots + (exchange & 1) * other_slots;
#pragma unroll
    for (int k = 0; k < MAX_BLOCKS; ++k)
      if (k < cluster) sum += from[k * in.units * Rows];
  };
  // Return the gradient of the state after a step, or before the first one.
  auto state_gradient = [&](int exchange) {
    float d_h = direct;
    if (exchange) receive(d_h, exchange);
    if (reset) {
      d_initial_h += d_h, d_initial_c += d_c;
      d_h = d_c = 0;
    }
    return d_h;
  };

  const Element* const own_vectors = vectors + entry_offset(Rows, lane / 4, lane % 4 * 4);
  Element* const to_vectors = vectors + entry_offset(Rows, own_row, own_unit);
  float* const to_sent = sent + entry_offset(Rows, lane % 4 * 2, lane / 4);
  // Store the gradient of a gate's q for the product.
  auto publish = [&](int gate, float d_q, int exchange) {
    to_vectors[((exchange & 1) * GATES + gate) * Rows * in.units] = Operand::round(d_q);
  };
  // Multiply the gradients of the gates of a stage and send the products.
  auto multiply = [&](const auto& product, int begin, int exchange) {
    const int parity = exchange & 1;
    float sum[GROUPS][2][4] = {};
    int tile = warp, block = 0;
    const Element* const from = own_vectors + (parity * GATES + begin) * Rows * in.units;
    product.weights.each([&](int, const uint32_t* words) {
#pragma unroll
      for (int n = 0; n < GROUPS; ++n)
        Operand::multiply(sum[n], words, from + (block * Rows + 8 * n) * BLOCK);
      if (++block < product.blocks) return;
      if (lane == 0) wait_for_sends();  // the buffer may still be read by the former copy
      synchronise_warp();
#pragma unroll
      for (int n = 0; n < GROUPS; ++n)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          to_sent[(8 * n + k % 2) * BLOCK + k / 2 * 8] = sum[n][0][k] + sum[n][1][k];
          sum[n][0][k] = sum[n][1][k] = 0;
        }
      fence_for_copies();
      synchronise_warp();
      if (lane == 0) {
        const int to = tile * BLOCK / in.units, unit = tile * BLOCK % in.units;
        const uint32_t at =
            shared_address(slots + ((parity ^ 1) * cluster + rank) * in.units * Rows +
                           entry_offset(Rows, 0, unit));
        send(address_in(to, at), shared_address(sent), rows * BLOCK * 4,
             address_in(to, arrivals.barrier(exchange + 1)));
      }
      block = 0;
      tile += WARPS;
    });
  };

  fetch(steps.end - 1);
  for (int step = steps.end - 1; step >= steps.first; --step) {
    int exchange = (steps.end - 1 - step) * STAGES<Cell>;
    float plane[PLANES];
    if (updates) {
      float d_h = state_gradient(exchange);
#pragma unroll
      for (int k = 0; k < PLANES; ++k) plane[k] = next.plane[k];
      if (next.real) {
        d_h += next.d_y;
        Cell::backward(next.h, next.c, d_h, d_c, plane);
      } else {
#pragma unroll
        for (int k = 0; k < PLANES; ++k) plane[k] = 0;
      }
      direct = d_h;
      reset = next.reset;
#pragma unroll
      for (int g = STAGED ? Cell::STATE_GATES : 0; g < GATES; ++g)
        publish(g, plane[Cell::plane_of_q(g)], exchange);
      if (!STAGED) fetch(step - 1);
    }
    synchronise_block();
    if constexpr (STAGED) {
      multiply(second, Cell::STATE_GATES, exchange++);
      if (updates) {
        float d_operand = 0;
        receive(d_operand, exchange);
        if (next.real) Cell::first_stage_backward(next.h, d_operand, direct, d_c, plane);
#pragma unroll
        for (int g = 0; g < Cell::STATE_GATES; ++g)
          publish(g, plane[Cell::plane_of_q(g)], exchange);
        fetch(step - 1);
      }
      synchronise_block();
    }
    multiply(first, 0, exchange);
    if (active) {
#pragma unroll
      for (int k = 0; k < PLANES; ++k)
        in.planes[(this_token * PLANES + k) * in.H + position.unit] = plane[k];
      this_token += direction;
    }
  }
  if (updates) {
    const float d_h = state_gradient((steps.end - steps.first) * STAGES<Cell>);
    if (active) {
      in.d_h[position.state] = d_h;
      if (Cell::CELL_STATE) in.d_c[position.state] = d_c;
      if (in.d_initial_h) in.d_initial_h[position.state] = d_initial_h;
      if (Cell::CELL_STATE && in.d_initial_c) in.d_initial_c[position.state] = d_initial_c;
    }
  }
  synchronise_cluster();
}

}  // namespace zoo
