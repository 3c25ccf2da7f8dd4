// Which tokens a layer takes in which order, and where their numbers stand.
//
// Padding costs nothing and is never looked at: each row is the list of its real tokens,
// and the k-th step takes the k-th token of every row that has one. Rows never mix, so that
// groups of them run at the same time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "cells.h"
#include "threads.h"

namespace zoo {

inline long round_up(long n, long to) { return (n + to - 1) / to * to; }

// Memory that begins where a cache line does.
class Floats {
 public:
  explicit Floats(long count, bool zero = false)
      : data_(static_cast<float*>(std::aligned_alloc(64, round_up(count * sizeof(float) + 64, 64))),
              std::free) {
    if (!data_) throw std::bad_alloc();
    if (zero) std::memset(data_.get(), 0, count * sizeof(float));
  }
  float* get() const { return data_.get(); }
  float* operator+(long i) const { return data_.get() + i; }

 private:
  std::unique_ptr<float, decltype(&std::free)> data_;
};

// All arrays are row-major. B rows of T steps; D inputs, H units. Flags are null if absent.
struct Input {
  long B, T, D, H;
  bool reverse;
  const float* x;                      // [B, T, D]
  const float *W, *U;                  // [D, G H], [H, G H], G = gates
  const bool* mask;                    // [B, T]: a real token
  const bool* reset;                   // [B, T]: restart from `initial` before this token
  const float *h, *c;                  // [B, H]: the state before
  const float *initial_h, *initial_c;  // [B, H]
};

// How one token of a row stands in memory, and the one before it that the loop has met.
struct Token {
  long at;      // b T + t
  long before;  // the same of the token before; -1: the state before; -2: a restart
};

template <class Cell>
class Layout {
 public:
  Layout(const Input& in, Pool& pool)
      : in_(in), pool_(pool), Hp_(padded(in.H)), G_(kept(in.H)), rows_(in.B) {
    for (long b = 0; b < in.B; ++b) {
      long before = -1;
      for (long k = 0; k < in.T; ++k) {
        const long t = in.reverse ? in.T - 1 - k : k, at = b * in.T + t;
        if (in.mask && !in.mask[at]) continue;
        rows_[b].push_back({at, in.reset && in.reset[at] ? -2 : before});
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
  // Vectors in a tile of the products with x and with h.
  static constexpr int NX = std::size(Cell::X), NU = std::size(Cell::U);
  static constexpr bool GATED = Cell::PLANES > 1;
  // Columns of W and U, by units.
  static constexpr long GATES = GATED ? NX : 1;
  // Units whose gates stand in one tile.
  static constexpr long UNITS = GATED ? LANES : 4 * LANES;

  // Units with those that fill the last tile: how far apart planes are.
  static long padded(long H) { return round_up(H, UNITS); }
  // Numbers of a token.
  static long kept(long H) { return Cell::PLANES * padded(H); }
  long tiles() const { return Hp_ / UNITS; }

  // Where the n-th vector of the j-th tile stands in the planes of a token.
  long place(long j, int n, const int* planes) const {
    return GATED ? planes[n] * Hp_ + j * UNITS : j * UNITS + n * LANES;
  }
  // And in which columns of a matrix [., G H]: the first, and how many.
  std::array<long, 2> columns(long j, int n) const {
    const long unit = GATED ? j * UNITS : j * UNITS + n * LANES;
    const long count = std::clamp(in_.H - unit, 0L, LANES);
    return {(GATED ? n * in_.H : 0) + unit, count};
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
  const long Hp_, G_;                     // padded(H), kept(H)
  std::vector<std::vector<Token>> rows_;  // in the order of the loop
  std::vector<std::vector<long>> groups_;
  long followers_;  // threads that are left for each group
};

}  // namespace zoo
