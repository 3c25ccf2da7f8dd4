// Matrix products, one tile at a time: a few rows by a few vectors of columns.
//
// The sizes of a tile are template arguments of the innermost loop alone, which depends on no cell.
// So it is compiled once for each size.
#pragma once

#include <iterator>

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

// Where a tile is in memory: vector n of row r is at rows[r] + offsets[n].
struct Places {
  float* const* rows;
  const long* offsets;
};

// The offsets of vectors that follow each other.
inline constexpr long CONSECUTIVE[] = {0, LANES, 2 * LANES, 3 * LANES};
static_assert(std::size(CONSECUTIVE) == PANEL_VECTORS, "a tile has one offset for each vector");

// The memory of one tile.
class TileBuffer {
 public:
  TileBuffer() {
    for (int r = 0; r < ROWS; ++r) rows_[r] = numbers_ + r * PANEL_VECTORS * LANES;
  }
  TileBuffer(const TileBuffer&) = delete;
  TileBuffer& operator=(const TileBuffer&) = delete;

  void clear() { std::memset(numbers_, 0, sizeof numbers_); }
  float* vector(int r, int n) { return rows_[r] + n * LANES; }
  Places places() const { return {rows_, CONSECUTIVE}; }

 private:
  alignas(64) float numbers_[ROWS * PANEL_VECTORS * LANES];
  float* rows_[ROWS];
};

// Word k of row r of the left matrix is rows[r][k * stride].
template <class Word>
struct Left {
  const Word* const* rows;
  long stride = 1;
};

// Compute to = from + Σ_k left[., k] · panel[k] for R rows, where panel[k] is N vectors of words
// and k runs to K.
//
// Not inlined: GCC does not always keep the tile in registers when this is part of a larger
// function.
template <int R, int N>
[[gnu::noinline]] void multiply_tile(Left<float> left, const float* panel, long K, Places from,
                                     Places to) {
  const float* rows[R];
  Vector tile[R][N];
  UNROLL for (int r = 0; r < R; ++r) {
    rows[r] = left.rows[r];
    UNROLL for (int n = 0; n < N; ++n) tile[r][n] = load(from.rows[r] + from.offsets[n]);
  }
  for (long k = 0, i = 0; k < K; ++k, i += left.stride, panel += N * LANES) {
    Vector b[N];
    UNROLL for (int n = 0; n < N; ++n) b[n] = load(panel + n * LANES);
    UNROLL for (int r = 0; r < R; ++r) {
      const float a = rows[r][i];
      UNROLL for (int n = 0; n < N; ++n) tile[r][n] += b[n] * a;
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) store(to.rows[r] + to.offsets[n], tile[r][n]);
  }
}

#if defined(__AVX512F__)
// The same for words that are pairs of bfloat16; requires `supports_bfloat16`. A separate function,
// because the target attribute cannot depend on a template argument.
template <int R, int N>
[[gnu::noinline, gnu::target("avx512bf16")]] void multiply_tile(Left<int> left, const int* panel,
                                                                long K, Places from, Places to) {
  const int* rows[R];
  __m512 tile[R][N];
  UNROLL for (int r = 0; r < R; ++r) {
    rows[r] = left.rows[r];
    UNROLL for (int n = 0; n < N; ++n) tile[r][n] = load(from.rows[r] + from.offsets[n]);
  }
  for (long k = 0, i = 0; k < K; ++k, i += left.stride, panel += N * LANES) {
    __m512bh b[N];
    UNROLL for (int n = 0; n < N; ++n) std::memcpy(&b[n], panel + n * LANES, sizeof b[n]);
    UNROLL for (int r = 0; r < R; ++r) {
      const __m512bh a = (__m512bh)_mm512_set1_epi32(rows[r][i]);
      UNROLL for (int n = 0; n < N; ++n) tile[r][n] = _mm512_dpbf16_ps(tile[r][n], b[n], a);
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int n = 0; n < N; ++n) store(to.rows[r] + to.offsets[n], tile[r][n]);
  }
}
#endif

// The same for a tile of R rows by N vectors.
template <class Word>
void multiply(long R, long N, Left<Word> left, const Word* panel, long K, Places from, Places to) {
  dispatch<ROWS>(R, [&]<int Rows>() {
    dispatch<PANEL_VECTORS>(
        N, [&]<int Vectors>() { multiply_tile<Rows, Vectors>(left, panel, K, from, to); });
  });
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

}  // namespace zoo
