// What both passes share: the inputs of a layer, and how the work is divided.
//
// A cluster runs all steps of some rows of the batch; rows of different clusters do not wait for
// each other. Each block of the cluster owns some units with all their gates, and keeps that part
// of U in its registers and its shared memory. A thread owns one unit of one row, and keeps its
// state in registers.
#pragma once

#include <type_traits>

#include "product.h"

namespace zoo {

// Several layers may be computed in parallel, such as both directions of one. Their arrays are
// contiguous.
struct Layer {
  int layers, B, T, H;
  int units;  // of a block, a multiple of BLOCK
  bool reverse;
  const float* U;               // [H, GATES * H]
  const uint8_t *mask, *reset;  // [B, T], or null

  // Move the pointers to a layer.
  template <class Cell>
  __device__ void select_layer(int layer) {
    const size_t tokens = size_t(layer) * B * T;
    advance(U, size_t(layer) * H * Cell::GATES * H);
    advance(mask, tokens), advance(reset, tokens);
  }

  template <class T>
  __device__ static void advance(T*& array, size_t by) {
    if (array) array += by;
  }
};

// The range of steps in which some rows have tokens, in the order of the loop.
struct StepRange {
  static constexpr int BYTES = 16;  // shared memory for `active_steps`
  int first, end;
};

__device__ inline int token(const Layer& in, int step) {
  return in.reverse ? in.T - 1 - step : step;
}

// Return the range for some rows. All threads of a block call this.
__device__ inline StepRange active_steps(const Layer& in, int row, int rows, void* memory) {
  int* const shared = static_cast<int*>(memory);
  if (!in.mask) return {0, in.T};
  if (thread_index() == 0) shared[0] = in.T, shared[1] = 0;
  synchronise_block();
  for (int step = thread_index(); step < in.T; step += THREADS)
    for (int b = row; b < min(row + rows, in.B); ++b)
      if (in.mask[size_t(b) * in.T + token(in, step)]) {
        atomic_min(shared, step);
        atomic_max(shared + 1, step + 1);
        break;
      }
  synchronise_block();
  return {min(shared[0], shared[1]), shared[1]};
}

// The gates that a stage of a step computes.
template <class Cell, int Number>
struct Stage {
  static constexpr int BEGIN = Number ? Cell::STATE_GATES : 0;
  static constexpr int GATES = Number ? Cell::GATES - Cell::STATE_GATES : Cell::STATE_GATES;
};

template <class Cell>
constexpr int STAGES = Cell::STATE_GATES < Cell::GATES ? 2 : 1;

// In place of the product of a second stage.
struct NoProduct {
  template <class... Arguments>
  __device__ explicit NoProduct(const Arguments&...) {}
};

// A unit of a row.
struct Position {
  bool exists;  // whether it is in the layer, and not padding
  int row, unit;
  size_t state;        // its index in [B, H]
  size_t first_token;  // the index of token 0 of its row in [B, T]

  __device__ Position(const Layer& in, int row, int unit)
      : exists(row < in.B && unit < in.H),
        row(row),
        unit(unit),
        state(size_t(row) * in.H + unit),
        first_token(size_t(row) * in.T) {}

  // Return the index of its plane in [B, T, planes, H].
  __device__ size_t plane_index(const Layer& in, int token, int planes, int plane) const {
    return ((first_token + token) * planes + plane) * in.H + unit;
  }
};

__device__ inline float load_if(bool exists, const float* from, size_t at) {
  return exists && from ? from[at] : 0.0f;
}

}  // namespace zoo
