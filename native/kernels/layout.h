// Which tokens are processed in which order, and where their numbers are in memory.
//
// Padding costs nothing and is never read: a row is the list of its real tokens, and step k
// processes token k of every row that has one. Rows are independent, so groups of rows run in
// parallel.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "cells.h"
#include "memory.h"
#include "product.h"
#include "threads.h"

namespace zoo {

// The inputs of a layer. Arrays are row-major; B rows, T steps, D inputs, H units, G gates.
struct Input {
  long B, T, D, H;
  bool reverse;
  const float* x;          // [B, T, D]
  const float* W;          // [D, G H]
  const float* U;          // [H, G H]
  const float* b;          // [PLANES H]: a bias for each plane, see `bias_block`
  const bool* mask;        // [B, T]: whether a token is real; or null
  const bool* reset;       // [B, T]: whether the state is reset before a token; or null
  const float* h;          // [B, H]: the state before the first step
  const float* c;          // [B, H], or null
  const float* initial_h;  // [B, H]: the state after a reset, or null
  const float* initial_c;  // [B, H], or null
};

// What precedes the first token of a row, in place of the index of a token.
enum Previous : long { STATE_OF_CALL = -1, RESET_STATE = -2 };

struct Token {
  long index;     // b T + t
  long previous;  // the index of the token processed before it in this row, or a `Previous`
  float* gates;   // its planes, once they are allocated
};

// A range of columns of a matrix.
struct Columns {
  long first, count;
};

// A range of tiles of a product.
struct TileRange {
  long begin, end;
};

// Some units of all blocks of a product: vector n is vector n % per_block of the units of block
// n / per_block.
struct Tile {
  long unit;                       // the first one
  int per_block, vectors;          // the number of vectors, of each block and in all
  long offsets[PANEL_VECTORS];     // of each vector in the planes of a token
  Columns columns[PANEL_VECTORS];  // of each vector in a matrix [., G H]
};

// Return the block of b that is the bias of a plane: first the blocks of W in its order, then the
// planes that the inputs do not enter.
template <class InputProduct>
constexpr long bias_block(int plane) {
  for (int block = 0; block < InputProduct::COUNT; ++block)
    if (InputProduct::PLANE[block] == plane) return block;
  return plane;
}

class Layout {
 public:
  // A token has `planes` numbers for each unit.
  Layout(const Input& in, Pool& pool, long planes)
      : in_(in),
        pool_(pool),
        padded_H_(round_up(in.H, LANES)),
        token_size_(planes * padded_H_),
        rows_(in.B) {
    for (long b = 0; b < in.B; ++b) {
      long previous = STATE_OF_CALL;
      for (long k = 0; k < in.T; ++k) {
        const long t = in.reverse ? in.T - 1 - k : k, index = b * in.T + t;
        if (in.mask && !in.mask[index]) continue;
        const bool reset = in.reset && in.reset[index];
        rows_[b].push_back(
            {.index = index, .previous = reset ? RESET_STATE : previous, .gates = nullptr});
        previous = index;
      }
    }
    // The longest rows first, so that the active rows of a group are always its first ones. Dealt
    // forth and back, so that the groups have about the same work.
    std::vector<long> order(in.B);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](long a, long b) { return rows_[a].size() > rows_[b].size(); });
    // Groups of at least two rows: with one row, reading the matrix would dominate.
    const long count = std::clamp(pool.threads(), 1L, std::max(1L, in.B / 2));
    groups_.resize(count);
    followers_ = pool.threads() / count - 1;
    for (long i = 0; i < in.B; ++i) {
      const long turn = i % (2 * count);
      groups_[turn < count ? turn : 2 * count - 1 - turn].push_back(order[i]);
    }
  }

 protected:
  template <class Product>
  long tile_count() const {
    return (padded_H_ + Product::VECTORS * LANES - 1) / (Product::VECTORS * LANES);
  }

  // Return tile j of a product. Only the last one may have fewer than Product::VECTORS vectors of
  // each block.
  template <class Product>
  Tile tile(long j) const {
    Tile tile;
    tile.unit = j * Product::VECTORS * LANES;
    tile.per_block = std::min<long>(Product::VECTORS, (padded_H_ - tile.unit) / LANES);
    tile.vectors = Product::COUNT * tile.per_block;
    for (int block = 0, n = 0; block < Product::COUNT; ++block)
      for (int v = 0; v < tile.per_block; ++v, ++n) {
        const long unit = tile.unit + v * LANES;
        tile.offsets[n] = Product::PLANE[block] * padded_H_ + unit;
        tile.columns[n] = {.first = (Product::FIRST + block) * in_.H + unit,
                           .count = std::clamp(in_.H - unit, 0L, LANES)};
      }
    return tile;
  }

  // Return the tiles of split i.
  template <class Product>
  TileRange tiles_of_split(long i, long splits) const {
    const long count = tile_count<Product>();
    return {.begin = count * i / splits, .end = count * (i + 1) / splits};
  }

  void clear_padding(float* rows, long width) const {
    if (!in_.mask) return;
    for (long index = 0; index < in_.B * in_.T; ++index)
      if (!in_.mask[index]) std::memset(rows + index * width, 0, width * sizeof(float));
  }

  // Copy row b of states [B, H].
  void copy_state(float* to, const float* states, long b) const {
    std::memcpy(to, states + b * in_.H, in_.H * sizeof(float));
  }

  const Input in_;
  Pool& pool_;
  const long padded_H_;                    // H, rounded up to whole vectors
  const long token_size_;                  // floats of all planes of a token
  std::vector<std::vector<Token>> rows_;   // the tokens of each row, in the order of the loop
  std::vector<std::vector<long>> groups_;  // the rows of each group
  long followers_;                         // additional threads for each group
};

}  // namespace zoo
