// The forward pass.
//
// In each stage of a step, a block multiplies all units of the state, or of what the first stage
// computed, with its columns of U. It computes its own units from the product and sends them to all
// blocks of the cluster.
#pragma once

#include "cells.h"
#include "layer.h"

namespace zoo {

struct Forward : Layer {
  // The state before the first step, and the state after a reset, or null: [B, H].
  const float *h = nullptr, *c = nullptr, *initial_h = nullptr, *initial_c = nullptr;
  const float* p = nullptr;     // [B, T, GATES, H]
  const float* bias = nullptr;  // of q [H], or null
  float* y = nullptr;           // [B, T, H]
  float *last_h = nullptr, *last_c = nullptr;
  // For the backward pass, or null: the planes [B, T, PLANES, H] and the state before each step.
  float *gates = nullptr, *cells = nullptr, *states = nullptr;

  template <class Cell>
  __device__ void select_layer(int layer) {
    Layer::select_layer<Cell>(layer);
    const size_t state = size_t(layer) * B * H, tokens = state * T;
    advance(h, state), advance(c, state), advance(initial_h, state), advance(initial_c, state);
    advance(p, tokens * Cell::GATES), advance(bias, size_t(layer) * H), advance(y, tokens);
    advance(last_h, state), advance(last_c, state);
    advance(gates, tokens * Cell::PLANES), advance(cells, tokens), advance(states, tokens);
  }
};

// How the product of some gates is divided among the warps of a block. Each warp has one tile, and
// one of `splits` parts of the summed axis.
struct Split {
  int tiles, splits;
  int max_blocks;  // the most blocks of the summed axis that a warp has
  int row_stride;  // of the partial sums, padded to avoid bank conflicts

  __host__ __device__ Split(int gates, int units, int blocks) {
    tiles = gates * units / BLOCK;
    splits = WARPS / tiles < blocks ? WARPS / tiles : blocks;
    max_blocks = splits ? (blocks + splits - 1) / splits : 0;
    row_stride = BLOCK * tiles + 4;
  }
};

// The layout of the shared memory of a block.
template <class Cell, class Operand, int Rows, int Kept>
struct ForwardPlan {
  static constexpr int BEGIN = Arrivals::BYTES + StepRange::BYTES;
  static constexpr int KEPT = Kept / STAGES<Cell>;  // of a stage
  int width, blocks;
  Split first, last;  // of the first stage and of the last
  int sent_offset, sums_offset, first_offset, last_offset, bytes;

  __host__ __device__ ForwardPlan(int units, int cluster)
      : width(units * cluster),
        blocks(width / BLOCK),
        first(Stage<Cell, 0>::GATES, units, blocks),
        last(Stage<Cell, STAGES<Cell> - 1>::GATES, units, blocks) {
    sent_offset = BEGIN + 2 * Rows * width * int(sizeof(typename Operand::Element));
    sums_offset = sent_offset + 2 * Rows * units * int(sizeof(typename Operand::Element));
    const int first_sums = first.splits * first.row_stride,
              last_sums = last.splits * last.row_stride;
    first_offset = sums_offset + (first_sums > last_sums ? first_sums : last_sums) * Rows * 4;
    last_offset = first_offset + Fragments<Operand, KEPT>::bytes(first.max_blocks);
    bytes = last_offset + (STAGES<Cell> > 1 ? Fragments<Operand, KEPT>::bytes(last.max_blocks) : 0);
  }

  // Whether every tile has a warp, and every unit of every row a thread.
  __host__ __device__ bool fits(int units) const {
    return first.splits && last.splits && Rows * units <= THREADS;
  }
};

// The part of a product of a stage that a warp computes.
template <class Cell, class Operand, int Rows, int Kept, int Number>
class ForwardProduct {
  using Gates = Stage<Cell, Number>;
  using Element = typename Operand::Element;
  static_assert(Rows % 8 == 0, "an instruction multiplies 8 vectors");
  static constexpr int GROUPS = Rows / 8;

 public:
  // states [2][units of all blocks, Rows]
  __device__ ForwardProduct(const Layer& in, const Split& split, int unit, int width,
                            const Element* states, float* sums, void* rest)
      : multiplies_(warp() / split.tiles < split.splits),
        begin_(multiplies_ ? width / BLOCK * split_index(split) / split.splits : 0),
        weights_(
            (multiplies_ ? width / BLOCK * (split_index(split) + 1) / split.splits : 0) - begin_,
            rest,
            [&](int i, int r, int k) -> float {
              const int of = warp() % split.tiles * BLOCK + r, gate = Gates::BEGIN + of / in.units,
                        to = unit + of % in.units;
              const int from = (begin_ + i) * BLOCK + k;
              if (from >= in.H || to >= in.H) return 0;
              return in.U[size_t(from) * Cell::GATES * in.H + gate * in.H + to];
            }),
        buffer_size_(Rows * width),
        row_stride_(split.row_stride) {
    const int lane = thread_index() % 32;
    vectors_ = states + entry_offset(Rows, lane / 4, begin_ * BLOCK + lane % 4 * 4);
    to_sums_ = sums + (split_index(split) * Rows + lane % 4 * 2) * row_stride_ +
               warp() % split.tiles * BLOCK + lane / 4;
  }

  // Multiply one of the two receive buffers.
  __device__ void multiply(int buffer) const {
    if (!multiplies_) return;
    float sum[GROUPS][2][4] = {};
    const Element* const from = vectors_ + buffer * buffer_size_;
    weights_.each([&](int i, const uint32_t* words) {
#pragma unroll
      for (int n = 0; n < GROUPS; ++n)
        Operand::multiply(sum[n], words, from + (i * Rows + 8 * n) * BLOCK);
    });
#pragma unroll
    for (int n = 0; n < GROUPS; ++n)
#pragma unroll
      for (int k = 0; k < 4; ++k)
        to_sums_[(8 * n + k % 2) * row_stride_ + k / 2 * 8] = sum[n][0][k] + sum[n][1][k];
  }

 private:
  __device__ static int warp() { return thread_index() / 32; }
  __device__ static int split_index(const Split& split) { return warp() / split.tiles; }

  bool multiplies_;
  int begin_;
  Fragments<Operand, Kept> weights_;
  int buffer_size_, row_stride_;
  const Element* vectors_;
  float* to_sums_;
};

// Add the partial sums of all warps, for a unit of a row, to q.
template <class Gates, int Rows, int Count>
__device__ void add_partial_sums(float (&q)[Count], const float* sums, const Split& split, int row,
                                 int unit, int units) {
  const float* const from = sums + row * split.row_stride + unit;
#pragma unroll
  for (int s = 0; s < WARPS / Gates::GATES; ++s)
    if (s < split.splits)
#pragma unroll
      for (int g = 0; g < Gates::GATES; ++g)
        q[Gates::BEGIN + g] += from[s * Rows * split.row_stride + g * units];
}

template <class Cell, class Operand, int Rows, int Kept>
__global__ void __launch_bounds__(THREADS, 1) forward(Forward in) {
  in.select_layer<Cell>(layer_index());
  constexpr int GATES = Cell::GATES, PLANES = Cell::PLANES;
  constexpr bool STAGED = STAGES<Cell> > 1;
  using Element = typename Operand::Element;
  char* const shared = shared_memory();
  const int rank = cluster_rank(), cluster = cluster_size();
  using Plan = ForwardPlan<Cell, Operand, Rows, Kept>;
  const Plan plan(in.units, cluster);
  const int row = block_index() / cluster * Rows, unit = rank * in.units;
  const int rows = min(Rows, in.B - row);
  Element* const states = reinterpret_cast<Element*>(shared + Plan::BEGIN);     // [2][width, Rows]
  Element* const sent = reinterpret_cast<Element*>(shared + plan.sent_offset);  // [2][units, Rows]
  float* const sums = reinterpret_cast<float*>(shared + plan.sums_offset);

  const ForwardProduct<Cell, Operand, Rows, Plan::KEPT, 0> first(
      in, plan.first, unit, plan.width, states, sums, shared + plan.first_offset);
  using Second = ForwardProduct<Cell, Operand, Rows, Plan::KEPT, 1>;
  const std::conditional_t<STAGED, Second, NoProduct> second(
      in, plan.last, unit, plan.width, states, sums, shared + plan.last_offset);

  const StepRange steps = active_steps(in, row, Rows, shared + Arrivals::BYTES);
  auto resets = [&](int b, int step) {
    return in.reset && in.reset[size_t(b) * in.T + token(in, step)];
  };
  auto first_state = [&](const float* h, const float* initial, int b, int j) {
    if (b >= in.B || j >= in.H) return 0.0f;
    const bool reset = steps.first < steps.end && resets(b, steps.first);
    return (reset ? initial : h)[size_t(b) * in.H + j];
  };
  for (int k = thread_index(); k < Rows * plan.width; k += THREADS) {
    const int r = k / plan.width, j = k % plan.width, offset = entry_offset(Rows, r, j);
    states[offset] = Operand::round(first_state(in.h, in.initial_h, row + r, j));
    states[Rows * plan.width + offset] = Operand::round(0);
  }

  // A thread owns one unit of one row.
  const bool updates = thread_index() < Rows * in.units;  // uniform in a warp
  const int own_row = thread_index() / in.units, own_unit = thread_index() % in.units;
  const Position position(in, row + own_row, unit + own_unit);
  const bool active = updates && position.exists;
  const float initial_h = load_if(active, in.initial_h, position.state);
  const float initial_c = load_if(active && Cell::CELL_STATE, in.initial_c, position.state);
  const float bias = load_if(active, in.bias, position.unit);
  float h = 0, c = 0;
  if (active) {
    h = first_state(in.h, in.initial_h, position.row, position.unit);
    if (Cell::CELL_STATE) c = first_state(in.c, in.initial_c, position.row, position.unit);
    for (int step = 0; step < in.T; ++step) {
      if (step == steps.first) step = steps.end;
      if (step >= in.T) break;
      const size_t index = position.plane_index(in, token(in, step), 1, 0);
      in.y[index] = 0;
      if (in.states) in.states[index] = 0;
    }
  }

  const uint32_t bytes = rows * plan.width * sizeof(Element);
  const Arrivals arrivals(shared, bytes);
  synchronise_block();

  // Global memory is read a step ahead.
  const ptrdiff_t direction = in.reverse ? -1 : 1;
  const float* next_p = in.p + position.plane_index(in, token(in, steps.first), GATES, 0);
  size_t this_token = position.first_token + token(in, steps.first);
  float p[GATES] = {};
  uint8_t real = 0, next_reset = 0;  // loaded as they are, so that nothing waits for them here
  auto fetch = [&](int step) {
    if (!active || step >= steps.end) return;
#pragma unroll
    for (int g = 0; g < GATES; ++g) p[g] = next_p[g * in.H];
    next_p += direction * GATES * in.H;
    real = in.mask ? in.mask[position.first_token + token(in, step)] : 1;
    const bool has_next = in.reset && step + 1 < steps.end;
    next_reset = has_next ? in.reset[position.first_token + token(in, step + 1)] : 0;
  };
  fetch(steps.first);

  Element* const own_sent = sent + entry_offset(Rows, own_row, own_unit);
  // A thread sends BLOCK units of all rows to one block of the cluster.
  const int pieces = in.units / BLOCK, to = thread_index() / pieces,
            piece = thread_index() % pieces;
  const uint32_t piece_from = shared_address(sent + piece * Rows * BLOCK);
  const uint32_t piece_to = shared_address(states + entry_offset(Rows, 0, unit + piece * BLOCK));
  const uint32_t piece_bytes = rows * BLOCK * sizeof(Element);
  // Send the results of a stage to all blocks, for the next exchange.
  auto publish = [&](float value, int exchange) {
    const int parity = exchange & 1;
    own_sent[parity * Rows * in.units] = Operand::round(value);
    fence_for_copies();
    synchronise_threads(Rows * in.units);
    if (to < cluster) {
      const uint32_t from = piece_from + parity * Rows * in.units * sizeof(Element);
      const uint32_t at = piece_to + (parity ^ 1) * Rows * plan.width * sizeof(Element);
      send(address_in(to, at), from, piece_bytes, address_in(to, arrivals.barrier(exchange + 1)));
    }
  };

  for (int step = steps.first; step < steps.end; ++step) {
    int exchange = (step - steps.first) * STAGES<Cell>;
    float q[GATES] = {}, kept[PLANES];
    if (exchange) arrivals.wait(exchange);
    first.multiply(exchange & 1);
    synchronise_block();
    if constexpr (STAGED) {
      if (updates) {
        add_partial_sums<Stage<Cell, 0>, Rows>(q, sums, plan.first, own_row, own_unit, in.units);
        publish(Cell::first_stage(p, q, h, kept), exchange);
      }
      arrivals.wait(++exchange);
      second.multiply(exchange & 1);
      synchronise_block();
    }
    if (!updates) continue;

    add_partial_sums<Stage<Cell, STAGES<Cell> - 1>, Rows>(q, sums, plan.last, own_row, own_unit,
                                                          in.units);
    const float h_before = h, c_before = c;
    Cell::step(p, q, bias, h, c, kept);
    if (!real) h = h_before, c = c_before;
    const float y = real ? h : 0;

    if (step + 1 < steps.end) {
      if (next_reset) h = initial_h, c = initial_c;
      publish(h, exchange);
    }
    fetch(step + 1);
    if (active) {
      const size_t index = this_token * in.H + position.unit;
      in.y[index] = y;
      if (in.states) {
        in.states[index] = h_before;
        if (Cell::CELL_STATE) in.cells[index] = c_before;
#pragma unroll
        for (int k = 0; k < PLANES; ++k)
          in.gates[(this_token * PLANES + k) * in.H + position.unit] = kept[k];
      }
      this_token += direction;
    }
  }
  if (active) {
    in.last_h[position.state] = h;
    if (Cell::CELL_STATE) in.last_c[position.state] = c;
  }
  synchronise_cluster();
}

}  // namespace zoo
