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

// The k-th word of the r-th of a few rows.
template <int R, class Word>
inline auto few(const Word* const* rows) {
  std::array<const Word*, R> all;
  for (int r = 0; r < R; ++r) all[r] = rows[r];
  return [all](int r, long k) { return all[r][k]; };
}

// The same of a transposed matrix, R of whose columns stand together in the block.
template <int R, class Word>
inline auto few_columns(const Word* block) {
  return [block](int r, long k) { return block[k * R + r]; };
}

// tile[r] = start(r) + Σ_k row(r, k) · panel[k], a panel of N vectors of words for each k, K in
// all: R rows of N vectors, which end in finish(r, n, vector).
//
// These are functions of their own: inlined into more, GCC does not always keep the tile in
// registers.
template <int R, int N, class Row, class Start, class Finish>
[[gnu::noinline]] void multiply(const Row& row, const float* panel, long K, const Start& start,
                                const Finish& finish) {
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

// Whether this machine multiplies pairs of bfloat16.
inline bool multiplies_halves() {
#if defined(__AVX512F__)
  static const bool found = (__builtin_cpu_init(), __builtin_cpu_supports("avx512bf16"));
  return found;
#else
  return false;
#endif
}

#if defined(__AVX512F__)
// The same of pairs of bfloat16, where `multiplies_halves`: written out once more, since the
// target of a function cannot depend on its template.
template <int R, int N, class Row, class Start, class Finish>
[[gnu::noinline, gnu::target("avx512bf16")]] void multiply(const Row& row, const int* panel, long K,
                                                           const Start& start,
                                                           const Finish& finish) {
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
