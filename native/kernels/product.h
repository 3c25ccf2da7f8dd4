// Matrix products, one tile at a time: a few rows by a few vectors of columns.
#pragma once

#include <array>

#include "vector.h"

namespace zoo {

// Call body<count>(): turn a count between 1 and Max into a template argument.
template <int Max, class Body>
inline void dispatch(long count, const Body& body) {
  if constexpr (Max > 1) {
    if (count < Max) return dispatch<Max - 1>(count, body);
  }
  body.template operator()<Max>();
}

// Return (r, k) -> word k of row r, of R rows.
template <int R, class Word>
inline auto row_reader(const Word* const* rows) {
  std::array<const Word*, R> pointers;
  for (int r = 0; r < R; ++r) pointers[r] = rows[r];
  return [pointers](int r, long k) { return pointers[r][k]; };
}

// Return (r, k) -> word k of column r, of a block in which R columns are interleaved.
template <int R, class Word>
inline auto column_reader(const Word* block) {
  return [block](int r, long k) { return block[k * R + r]; };
}

// Compute tile[r] = start(r) + Σ_k row(r, k) · panel[k], where panel[k] is N vectors of words and k
// runs to K, and hand each vector of the R x N tile to finish(r, n, vector).
//
// Not inlined: GCC does not always keep the tile in registers when this is part of a larger
// function.
template <int R, int N, class Row, class Start, class Finish>
[[gnu::noinline]] void multiply(const Row& row, const float* panel, long K, const Start& start,
                                const Finish& finish) {
  static_assert(R <= ROWS && N <= PANEL_VECTORS, "a tile must fit the registers");
  Vector tile[R][N];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) tile[r][n] = start(r, n);
  }
  for (long k = 0; k < K; ++k, panel += N * LANES) {
    Vector b[N];
    UNROLL for (int n = 0; n < N; ++n) b[n] = load(panel + n * LANES);
    UNROLL for (int r = 0; r < R; ++r) {
      const float a = row(r, k);
      UNROLL for (int n = 0; n < N; ++n) tile[r][n] += b[n] * a;
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) finish(r, n, tile[r][n]);
  }
}

// Whether this library and this CPU multiply pairs of bfloat16.
inline bool supports_bfloat16() {
#if defined(__AVX512F__)
  static const bool supported = (__builtin_cpu_init(), __builtin_cpu_supports("avx512bf16"));
  return supported;
#else
  return false;
#endif
}

#if defined(__AVX512F__)
// The same for words that are pairs of bfloat16; requires `supports_bfloat16`. A separate function,
// because the target attribute cannot depend on a template argument.
template <int R, int N, class Row, class Start, class Finish>
[[gnu::noinline, gnu::target("avx512bf16")]] void multiply(const Row& row, const int* panel, long K,
                                                           const Start& start,
                                                           const Finish& finish) {
  static_assert(R <= ROWS && N <= PANEL_VECTORS, "a tile must fit the registers");
  __m512 tile[R][N];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) tile[r][n] = start(r, n);
  }
  for (long k = 0; k < K; ++k, panel += N * LANES) {
    __m512bh b[N];
    UNROLL for (int n = 0; n < N; ++n) std::memcpy(&b[n], panel + n * LANES, sizeof b[n]);
    UNROLL for (int r = 0; r < R; ++r) {
      const __m512bh a = (__m512bh)_mm512_set1_epi32(row(r, k));
      UNROLL for (int n = 0; n < N; ++n) tile[r][n] = _mm512_dpbf16_ps(tile[r][n], b[n], a);
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) finish(r, n, tile[r][n]);
  }
}
#endif

}  // namespace zoo
