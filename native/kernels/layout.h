// Which tokens a layer takes in which order, and where their numbers stand.
//
// Padding costs nothing and is never looked at: each row is the list of its real tokens,
// and the k-th step takes the k-th token of every row that has one. Rows never mix, so that
// groups of them run at the same time.
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

// All arrays are row-major. B rows of T steps; D inputs, H units. Flags are null if absent.
struct Input {
  long B, T, D, H;
  bool reverse;
  const float* x;                      // [B, T, D]
  const float *W, *U;                  // [D, G H], [H, G H], G = gates
  const float* b;                      // [PLANES H]: a bias of each plane, see bias_block
  const bool* mask;                    // [B, T]: a real token
  const bool* reset;                   // [B, T]: restart from `initial` before this token
  const float *h, *c;                  // [B, H]: the state before
  const float *initial_h, *initial_c;  // [B, H]
};

// How one token of a row stands in memory, and the one before it that the loop has met.
struct Token {
  long at;       // b T + t
  long before;   // the same of the token before; -1: the state before; -2: a restart
  float* gates;  // its planes, once they have a place
};

template <class Cell>
class Layout {
 public:
  Layout(const Input& in, Pool& pool)
      : in_(in), pool_(pool), Hp_(round_up(in.H, LANES)), G_(Cell::PLANES * Hp_), rows_(in.B) {
    for (long b = 0; b < in.B; ++b) {
      long before = -1;
      for (long k = 0; k < in.T; ++k) {
        const long t = in.reverse ? in.T - 1 - k : k, at = b * in.T + t;
        if (in.mask && !in.mask[at]) continue;
        rows_[b].push_back({at, in.reset && in.reset[at] ? -2 : before, nullptr});
        before = at;
      }
    }
    // The longest first: rows that have ended leave the others together. Dealt out there
    // and back, the groups have about the same work.
    std::vector<long> order(in.B);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](long a, long b) { return rows_[a].size() > rows_[b].size(); });
    // Below two rows a step is bound by reading the matrix.
    const long count = std::clamp(pool.threads(), 1L, std::max(1L, in.B / 2));
    groups_.resize(count);
    followers_ = pool.threads() / count - 1;
    for (long i = 0; i < in.B; ++i) {
      const long turn = i % (2 * count);
      groups_[turn < count ? turn : 2 * count - 1 - turn].push_back(order[i]);
    }
  }

 protected:
  // Blocks of H columns in W and in U.
  static constexpr long GATES = Cell::X::COUNT;

  template <class P>
  long tiles() const {
    return (Hp_ + P::VECTORS * LANES - 1) / (P::VECTORS * LANES);
  }

  // body<V>(unit) for the j-th tile of a product: V vectors of units from `unit` on. Only
  // the last tile may have fewer than P::VECTORS.
  template <class P, class Body>
  void tile(long j, const Body& body) const {
    const long unit = j * P::VECTORS * LANES;
    fixed<P::VECTORS>(std::min<long>(P::VECTORS, (Hp_ - unit) / LANES),
                      [&]<int V>() { body.template operator()<V>(unit); });
  }

  // The n-th vector of a tile is the (n % V)-th vector of units of the (n / V)-th block.
  // Where it stands in the planes of a token:
  template <class P, int V>
  long place(long unit, int n) const {
    return P::AT[n / V] * Hp_ + unit + n % V * LANES;
  }
  // And in which columns of a matrix [., G H]: the first, and how many.
  template <class P, int V>
  std::array<long, 2> columns(long unit, int n) const {
    unit += n % V * LANES;
    return {(P::FIRST + n / V) * in_.H + unit, std::clamp(in_.H - unit, 0L, LANES)};
  }

  // Which block of b is the bias of a plane: those of the inputs come in the order of W.
  static constexpr long bias_block(int plane) {
    for (int block = 0; block < Cell::X::COUNT; ++block)
      if (Cell::X::AT[block] == plane) return block;
    return plane;
  }

  // The i-th of some shares of the tiles of a product: the first, and that after the last.
  template <class P>
  std::array<long, 2> share(long i, long shares) const {
    return {tiles<P>() * i / shares, tiles<P>() * (i + 1) / shares};
  }

  void clear_padding(float* rows, long width) const {
    if (!in_.mask) return;
    for (long at = 0; at < in_.B * in_.T; ++at)
      if (!in_.mask[at]) std::memset(rows + at * width, 0, width * sizeof(float));
  }

  void copy(float* to, const float* states, long b) const {
    std::memcpy(to, states + b * in_.H, in_.H * sizeof(float));
  }

  const Input in_;
  Pool& pool_;
  const long Hp_;                         // units with those that fill a vector
  const long G_;                          // numbers of a token
  std::vector<std::vector<Token>> rows_;  // in the order of the loop
  std::vector<std::vector<long>> groups_;
  long followers_;  // threads that are left for each group
};

}  // namespace zoo
