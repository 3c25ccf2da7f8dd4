// What both passes share: what a layer is given, and who does what.
//
// A cluster runs all steps of some rows of the batch; rows do not wait for each other. Each of its
// blocks has some units with all their gates: that part of U stays in its registers and its shared
// memory. A thread has one unit of one row, whose state stays in registers.
#pragma once

#include <type_traits>

#include "product.h"

namespace zoo {

// There may be several layers, whose arrays stand one after the other: both directions of one.
struct Layer {
  int layers, B, T, H;
  int units;  // of a block, a multiple of 16
  bool reverse;
  const float* U;                 // [H, GATES * H]
  const uint8_t *mask, *restart;  // bool [B, T], or null

  // Go on to a layer.
  template <class Cell>
  __device__ void choose(int layer) {
    const size_t tokens = size_t(layer) * B * T;
    shift(U, size_t(layer) * H * Cell::GATES * H);
    shift(mask, tokens), shift(restart, tokens);
  }

  template <class T>
  __device__ static void shift(T*& array, size_t by) {
    if (array) array += by;
  }
};

// The steps, by number in the order in which they are taken, that any of these rows takes.
struct Range {
  static constexpr int BYTES = 16;  // of shared memory, to find it
  int first, end;
};

__device__ inline int token(const Layer& in, int step) {
  return in.reverse ? in.T - 1 - step : step;
}

// All threads of a block call this.
__device__ inline Range range(const Layer& in, int row, int rows, void* memory) {
  int* const shared = static_cast<int*>(memory);
  if (!in.mask) return {0, in.T};
  if (thread_index() == 0) shared[0] = in.T, shared[1] = 0;
  synchronise_block();
  for (int step = thread_index(); step < in.T; step += THREADS)
    for (int b = row; b < min(row + rows, in.B); ++b)
      if (in.mask[size_t(b) * in.T + token(in, step)]) {
        lower(shared, step);
        raise(shared + 1, step + 1);
        break;
      }
  synchronise_block();
  return {min(shared[0], shared[1]), shared[1]};
}

// The gates of a stage of a step.
template <class Cell, int Number>
struct Stage {
  static constexpr int BEGIN = Number ? Cell::FIRST : 0;
  static constexpr int GATES = Number ? Cell::GATES - Cell::FIRST : Cell::FIRST;
};

template <class Cell>
constexpr int STAGES = Cell::FIRST < Cell::GATES ? 2 : 1;

// In place of what belongs to a second stage.
struct Nothing {
  template <class... Given>
  __device__ explicit Nothing(const Given&...) {}
};

// One unit of one row.
struct Place {
  bool there;  // it is one of the layer, and not there to fill up
  int row, unit;
  size_t state;  // where it stands in [B, H]
  size_t first;  // where token 0 of its row stands in [B, T]

  __device__ Place(const Layer& in, int row, int unit)
      : there(row < in.B && unit < in.H),
        row(row),
        unit(unit),
        state(size_t(row) * in.H + unit),
        first(size_t(row) * in.T) {}

  // Where its plane stands in [B, T, planes, H].
  __device__ size_t at(const Layer& in, int token, int planes, int plane) const {
    return ((first + token) * planes + plane) * in.H + unit;
  }
};

__device__ inline float read(bool there, const float* from, size_t at) {
  return there && from ? from[at] : 0.0f;
}

}  // namespace zoo
