// The forward pass.
//
// At each stage of a step a block multiplies the whole state of its rows, or what the stage before
// made of it, with its columns of U, and sends what it has made of its units to all blocks.
#pragma once

#include "cells.h"
#include "layer.h"

namespace zoo {

struct Forward : Layer {
  const float *h, *c;                  // before the first step [B, H]
  const float *initial_h, *initial_c;  // that a restart begins with [B, H], or null
  const float* p;                      // [B, T, GATES, H]
  const float* bias;                   // [H] of q, or null
  float* y;                            // [B, T, H]
  float *last_h, *last_c;
  // What the backward pass needs, or null: [B, T, PLANES, H], and the state before each step.
  float *gates, *cells, *before;

  template <class Cell>
  __device__ void choose(int layer) {
    Layer::choose<Cell>(layer);
    const size_t states = size_t(layer) * B * H, tokens = states * T;
    shift(h, states), shift(c, states), shift(initial_h, states), shift(initial_c, states);
    shift(p, tokens * Cell::GATES), shift(bias, size_t(layer) * H), shift(y, tokens);
    shift(last_h, states), shift(last_c, states);
    shift(gates, tokens * Cell::PLANES), shift(cells, tokens), shift(before, tokens);
  }
};

// How the product of some gates is shared among the warps of a block: each has some of the columns
// of one tile.
struct Shares {
  int tiles, splits, most, sums;  // most: blocks of columns; sums: from one row to the next

  __host__ __device__ Shares(int gates, int units, int blocks) {
    tiles = gates * units / BLOCK;
    splits = WARPS / tiles < blocks ? WARPS / tiles : blocks;
    most = splits ? (blocks + splits - 1) / splits : 0;
    sums = BLOCK * tiles + 4;
  }
};

// The shared memory of a block.
template <class Cell, class Operand, int Rows, int Kept>
struct ForwardPlan {
  static constexpr int BEGIN = Arrivals::BYTES + Range::BYTES;
  static constexpr int KEPT = Kept / STAGES<Cell>;  // of a stage
  int width, blocks;
  Shares first, last;  // of the first stage and of the last
  int at_sent, at_sums, at_first, at_last, bytes;

  __host__ __device__ ForwardPlan(int units, int cluster)
      : width(units * cluster),
        blocks(width / BLOCK),
        first(Stage<Cell, 0>::GATES, units, blocks),
        last(Stage<Cell, STAGES<Cell> - 1>::GATES, units, blocks) {
    at_sent = BEGIN + 2 * Rows * width * int(sizeof(typename Operand::Element));
    at_sums = at_sent + 2 * Rows * units * int(sizeof(typename Operand::Element));
    const int of_first = first.splits * first.sums, of_last = last.splits * last.sums;
    at_first = at_sums + (of_first > of_last ? of_first : of_last) * Rows * 4;
    at_last = at_first + Fragments<Operand, KEPT>::bytes(first.most);
    bytes = at_last + (STAGES<Cell> > 1 ? Fragments<Operand, KEPT>::bytes(last.most) : 0);
  }

  // Whether every tile has a warp, and every unit of every row a thread.
  __host__ __device__ bool possible(int units) const {
    return first.splits && last.splits && Rows * units <= THREADS;
  }
};

// What a warp has of the product of a stage.
template <class Cell, class Operand, int Rows, int Kept, int Number>
class ForwardProduct {
  using Gates = Stage<Cell, Number>;
  using Element = typename Operand::Element;
  static constexpr int GROUPS = Rows / 8;

 public:
  // states [2][units of all blocks, Rows]
  __device__ ForwardProduct(const Layer& in, const Shares& shares, int unit, int width,
                            const Element* states, float* sums, void* rest)
      : multiplies_(warp() / shares.tiles < shares.splits),
        begin_(multiplies_ ? width / BLOCK * split(shares) / shares.splits : 0),
        weights_((multiplies_ ? width / BLOCK * (split(shares) + 1) / shares.splits : 0) - begin_,
                 rest,
                 [&](int i, int r, int k) -> float {
                   const int of = warp() % shares.tiles * BLOCK + r,
                             gate = Gates::BEGIN + of / in.units, to = unit + of % in.units;
                   const int from = (begin_ + i) * BLOCK + k;
                   if (from >= in.H || to >= in.H) return 0;
                   return in.U[size_t(from) * Cell::GATES * in.H + gate * in.H + to];
                 }),
        copy_(Rows * width),
        sums_(shares.sums) {
    const int lane = thread_index() % 32;
    vectors_ = states + entry_at(Rows, lane / 4, begin_ * BLOCK + lane % 4 * 4);
    to_sums_ = sums + (split(shares) * Rows + lane % 4 * 2) * sums_ +
               warp() % shares.tiles * BLOCK + lane / 4;
  }

  // Multiply one of the two copies of what is received.
  __device__ void multiply(int copy) const {
    if (!multiplies_) return;
    float sum[GROUPS][2][4] = {};
    const Element* const from = vectors_ + copy * copy_;
    weights_.each([&](int i, const uint32_t* words) {
#pragma unroll
      for (int n = 0; n < GROUPS; ++n)
        Operand::multiply(sum[n], words, from + (i * Rows + 8 * n) * BLOCK);
    });
#pragma unroll
    for (int n = 0; n < GROUPS; ++n)
#pragma unroll
      for (int k = 0; k < 4; ++k)
        to_sums_[(8 * n + k % 2) * sums_ + k / 2 * 8] = sum[n][0][k] + sum[n][1][k];
  }

 private:
  __device__ static int warp() { return thread_index() / 32; }
  __device__ static int split(const Shares& shares) { return warp() / shares.tiles; }

  bool multiplies_;
  int begin_;
  Fragments<Operand, Kept> weights_;
  int copy_, sums_;
  const Element* vectors_;
  float* to_sums_;
};

// Add up what all warps have made for one unit of one row, of so many.
template <class Gates, int Rows, int Count>
__device__ void collect(float (&q)[Count], const float* sums, const Shares& shares, int row,
                        int unit, int units) {
  const float* const from = sums + row * shares.sums + unit;
#pragma unroll
  for (int s = 0; s < WARPS / Gates::GATES; ++s)
    if (s < shares.splits)
#pragma unroll
      for (int g = 0; g < Gates::GATES; ++g)
        q[Gates::BEGIN + g] += from[s * Rows * shares.sums + g * units];
}

template <class Cell, class Operand, int Rows, int Kept>
__global__ void __launch_bounds__(THREADS, 1) forward(Forward in) {
  in.choose<Cell>(layer_index());
  constexpr int GATES = Cell::GATES, PLANES = Cell::PLANES;
  constexpr bool STAGED = STAGES<Cell> > 1;
  using Element = typename Operand::Element;
  char* const shared = shared_memory();
  const int rank = cluster_rank(), cluster = cluster_size();
  using Plan = ForwardPlan<Cell, Operand, Rows, Kept>;
  const Plan plan(in.units, cluster);
  const int row = block_index() / cluster * Rows, unit = rank * in.units;
  const int rows = min(Rows, in.B - row);
  Element* const states = reinterpret_cast<Element*>(shared + Plan::BEGIN);  // [2][width, Rows]
  Element* const sent = reinterpret_cast<Element*>(shared + plan.at_sent);   // [2][units, Rows]
  float* const sums = reinterpret_cast<float*>(shared + plan.at_sums);

  const ForwardProduct<Cell, Operand, Rows, Plan::KEPT, 0> first(
      in, plan.first, unit, plan.width, states, sums, shared + plan.at_first);
  using Second = ForwardProduct<Cell, Operand, Rows, Plan::KEPT, 1>;
  const std::conditional_t<STAGED, Second, Nothing> second(in, plan.last, unit, plan.width, states,
                                                           sums, shared + plan.at_last);

  const Range steps = range(in, row, Rows, shared + Arrivals::BYTES);
  auto begins = [&](int b, int step) {
    return in.restart && in.restart[size_t(b) * in.T + token(in, step)];
  };
  auto first_state = [&](const float* h, const float* initial, int b, int j) {
    if (b >= in.B || j >= in.H) return 0.0f;
    const bool anew = steps.first < steps.end && begins(b, steps.first);
    return (anew ? initial : h)[size_t(b) * in.H + j];
  };
  for (int k = thread_index(); k < Rows * plan.width; k += THREADS) {
    const int r = k / plan.width, j = k % plan.width, at = entry_at(Rows, r, j);
    states[at] = Operand::round(first_state(in.h, in.initial_h, row + r, j));
    states[Rows * plan.width + at] = Operand::round(0);
  }

  // A thread has one unit of one row.
  const bool updates = thread_index() < Rows * in.units;  // the same for all of a warp
  const int own_row = thread_index() / in.units, own_unit = thread_index() % in.units;
  const Place place(in, row + own_row, unit + own_unit);
  const bool there = updates && place.there;
  const float initial_h = read(there, in.initial_h, place.state);
  const float initial_c = read(there && Cell::CELL_STATE, in.initial_c, place.state);
  const float bias = read(there, in.bias, place.unit);
  float h = 0, c = 0;
  if (there) {
    h = first_state(in.h, in.initial_h, place.row, place.unit);
    if (Cell::CELL_STATE) c = first_state(in.c, in.initial_c, place.row, place.unit);
    for (int step = 0; step < in.T; ++step) {
      if (step == steps.first) step = steps.end;
      if (step >= in.T) break;
      const size_t at = place.at(in, token(in, step), 1, 0);
      in.y[at] = 0;
      if (in.before) in.before[at] = 0;
    }
  }

  const uint32_t bytes = rows * plan.width * sizeof(Element);
  const Arrivals arrivals(shared, bytes);
  synchronise_block();

  // What comes from outside is asked for a step ahead.
  const ptrdiff_t on = in.reverse ? -1 : 1;
  const float* p_at = in.p + place.at(in, token(in, steps.first), GATES, 0);
  size_t at = place.first + token(in, steps.first);
  float p[GATES] = {};
  uint8_t real = 0, begins_next = 0;  // not looked at before they are needed
  auto fetch = [&](int step) {
    if (!there || step >= steps.end) return;
#pragma unroll
    for (int g = 0; g < GATES; ++g) p[g] = p_at[g * in.H];
    p_at += on * GATES * in.H;
    real = in.mask ? in.mask[place.first + token(in, step)] : 1;
    const bool restarts = in.restart && step + 1 < steps.end;
    begins_next = restarts ? in.restart[place.first + token(in, step + 1)] : 0;
  };
  fetch(steps.first);

  Element* const own_sent = sent + entry_at(Rows, own_row, own_unit);
  // A thread sends a block of units, of all rows that there are, to another block of threads.
  const int pieces = in.units / BLOCK, to = thread_index() / pieces,
            piece = thread_index() % pieces;
  const uint32_t piece_from = shared_address(sent + piece * Rows * BLOCK);
  const uint32_t piece_to = shared_address(states + entry_at(Rows, 0, unit + piece * BLOCK));
  const uint32_t piece_bytes = rows * BLOCK * sizeof(Element);
  // Send what a block of threads has made at a stage, for the one after it.
  auto publish = [&](float made, int number) {
    const int now = number & 1;
    own_sent[now * Rows * in.units] = Operand::round(made);
    show_to_copies();
    synchronise(Rows * in.units);
    if (to < cluster) {
      const uint32_t from = piece_from + now * Rows * in.units * sizeof(Element);
      const uint32_t at = piece_to + (now ^ 1) * Rows * plan.width * sizeof(Element);
      send(address_in(to, at), from, piece_bytes, address_in(to, arrivals.of(number + 1)));
    }
  };

  for (int step = steps.first; step < steps.end; ++step) {
    int number = (step - steps.first) * STAGES<Cell>;
    float q[GATES] = {}, kept[PLANES];
    if (number) arrivals.wait(number);
    first.multiply(number & 1);
    synchronise_block();
    if constexpr (STAGED) {
      if (updates) {
        collect<Stage<Cell, 0>, Rows>(q, sums, plan.first, own_row, own_unit, in.units);
        publish(Cell::between(p, q, h, kept), number);
      }
      arrivals.wait(++number);
      second.multiply(number & 1);
      synchronise_block();
    }
    if (!updates) continue;

    collect<Stage<Cell, STAGES<Cell> - 1>, Rows>(q, sums, plan.last, own_row, own_unit, in.units);
    const float h_before = h, c_before = c;
    Cell::step(p, q, bias, h, c, kept);
    if (!real) h = h_before, c = c_before;
    const float y = real ? h : 0;

    if (step + 1 < steps.end) {
      if (begins_next) h = initial_h, c = initial_c;
      publish(h, number);
    }
    fetch(step + 1);
    if (there) {
      const size_t of_unit = at * in.H + place.unit;
      in.y[of_unit] = y;
      if (in.before) {
        in.before[of_unit] = h_before;
        if (Cell::CELL_STATE) in.cells[of_unit] = c_before;
#pragma unroll
        for (int k = 0; k < PLANES; ++k) in.gates[(at * PLANES + k) * in.H + place.unit] = kept[k];
      }
      at += on;
    }
  }
  if (there) {
    in.last_h[place.state] = h;
    if (Cell::CELL_STATE) in.last_c[place.state] = c;
  }
  synchronise_cluster();
}

}  // namespace zoo
