// Products of matrices, a tile at a time: a few rows by a few vectors of columns.
#pragma once

#include <array>

#include "vector.h"

namespace zoo {

// Call body<count>(), for a count from 1 to Most.
template <int Most, class Body>
inline void fixed(long count, const Body& body) {
  if constexpr (Most > 1) {
    if (count < Most) return fixed<Most - 1>(count, body);
  }
  body.template operator()<Most>();
}

// A tile of R rows of N vectors begins as start(r, n) and ends in finish(r, n, vector).
//
// These are functions of their own: inlined into more, GCC does not always keep the tile in
// registers.

// tile[r] += rows[r][0 .. K) · panel[0 .. K), a panel of N vectors for each k.
template <int R, int N, class Start, class Finish>
[[gnu::noinline]] void multiply(const std::array<const float*, R>& rows, const float* panel, long K,
                                const Start& start, const Finish& finish) {
  Vector tile[R][N];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) tile[r][n] = start(r, n);
  }
  for (long k = 0; k < K; ++k, panel += N * LANES) {
    Vector b[N];
    UNROLL for (int n = 0; n < N; ++n) b[n] = load(panel + n * LANES);
    UNROLL for (int r = 0; r < R; ++r) {
      const float a = rows[r][k];
      UNROLL for (int n = 0; n < N; ++n) tile[r][n] += b[n] * a;
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) finish(r, n, tile[r][n]);
  }
}

// tile[r] += Σ_k block[k][r] · panel[k]: the product of a transposed matrix, R of whose
// columns stand together in the block.
template <int R, int N, class Start, class Finish>
[[gnu::noinline]] void multiply_transposed(const float* block, const float* panel, long K,
                                           const Start& start, const Finish& finish) {
  Vector tile[R][N];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) tile[r][n] = start(r, n);
  }
  for (long k = 0; k < K; ++k, block += R, panel += N * LANES) {
    Vector b[N];
    UNROLL for (int n = 0; n < N; ++n) b[n] = load(panel + n * LANES);
    UNROLL for (int r = 0; r < R; ++r) {
      UNROLL for (int n = 0; n < N; ++n) tile[r][n] += b[n] * block[r];
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) finish(r, n, tile[r][n]);
  }
}

}  // namespace zoo
