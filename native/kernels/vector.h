// SIMD vectors of floats, and the activation functions of the gates.
#pragma once

#include <cstring>
#include <utility>

#if defined(__AVX__)
// GCC 12 warns about its own _mm512_undefined_ps() where intrinsics are inlined (bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

// Unrolled completely, so that the vectors a short loop works on stay in registers.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

namespace zoo {

// LANES: floats in a vector. A tile of a matrix product has at most ROWS rows of PANEL_VECTORS
// vectors: as many accumulators as the registers hold.
#if defined(__AVX512F__)
constexpr long LANES = 16;
constexpr int ROWS = 6;
#elif defined(__AVX__)
constexpr long LANES = 8;
constexpr int ROWS = 3;
#elif defined(__aarch64__)
constexpr long LANES = 4;
constexpr int ROWS = 6;
#else
constexpr long LANES = 4;
constexpr int ROWS = 3;
#endif
constexpr long PANEL_VECTORS = 4;

static_assert((LANES & (LANES - 1)) == 0, "transpose() halves LANES down to one");
static_assert(ROWS * PANEL_VECTORS <= 24, "the accumulators of a tile must fit the registers");

typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));
typedef int Bits __attribute__((vector_size(LANES * sizeof(int))));

inline Vector load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline void store(float* to, Vector v) { std::memcpy(to, &v, sizeof v); }
inline void store(int* to, Bits v) { std::memcpy(to, &v, sizeof v); }

// Load the first `count` floats; the other lanes are zero.
inline Vector load(const float* from, long count) {
  if (count >= LANES) return load(from);
  float lanes[LANES] = {};
  std::memcpy(lanes, from, count * sizeof(float));
  return load(lanes);
}

// Store the first `count` lanes.
inline void store(float* to, Vector v, long count) {
  if (count >= LANES) return store(to, v);
  float lanes[LANES];
  store(lanes, v);
  std::memcpy(to, lanes, count * sizeof(float));
}

// Round to the nearest bfloat16, ties to even, in the lower 16 bits of each lane.
inline Bits round_to_bfloat16(Vector v) {
  const Bits bits = (Bits)v, odd = bits >> 16 & 1;
  const Bits rounded = bits + 0x7fff + odd;
  // Rounding up could turn a NaN into a number: set its quiet bit instead.
  return (v == v ? rounded : bits | 0x400000) >> 16 & 0xffff;
}

// Store all lanes as consecutive bfloat16.
inline void store_bfloat16(int* to, Vector v) {
  typedef short Shorts __attribute__((vector_size(LANES * sizeof(short))));
  const Shorts shorts = __builtin_convertvector(round_to_bfloat16(v), Shorts);
  std::memcpy(to, &shorts, sizeof shorts);
}

// Swap the lanes of a whose index has the bit S with the lanes of b whose index has not.
template <int S, int... I>
inline void exchange(Vector& a, Vector& b, std::integer_sequence<int, I...>) {
  const Vector x = a, y = b;
  a = __builtin_shufflevector(x, y, (I & S ? int(LANES) + I - S : I)...);
  b = __builtin_shufflevector(x, y, (I & S ? int(LANES) + I : I + S)...);
}

// Transpose a square of LANES vectors in place. Each recursion swaps the pairs (i, j) that differ
// in the bit S.
template <int S = LANES / 2>
inline void transpose(Vector (&v)[LANES]) {
  UNROLL for (int i = 0; i < LANES; ++i) {
    if (!(i & S)) exchange<S>(v[i], v[i + S], std::make_integer_sequence<int, LANES>());
  }
  if constexpr (S > 1) transpose<S / 2>(v);
}

// Clip x to [low, high]; NaN stays NaN.
inline Vector clip(Vector x, float low, float high) {
#if defined(__AVX512F__)
  // min and max return their second operand if either is NaN. Intrinsics, because GCC compiles
  // `?:` to a comparison and a blend.
  return _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), x));
#elif defined(__AVX__)
  return _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), x));
#else
  x = x < low ? Vector{} + low : x;
  return x > high ? Vector{} + high : x;
#endif
}

// tanh(x) as x P(x²) / Q(x²), a minimax fit of the relative error. The fit exceeds one beyond 9.6
// and is clipped to exactly one, so that a saturated unit passes no gradient at all.
inline Vector tanh(Vector x) {
  x = clip(x, -9.8f, 9.8f);
  const Vector s = x * x;
  Vector p = s * 1.3354916971e-8f + 2.06093062607e-5f;
  p = p * s + 3.49560355974e-3f;
  p = p * s + 0.133810392762f;
  p = p * s + 0.999999979494f;
  Vector q = s * 7.77667438068e-7f + 3.28565875065e-4f;
  q = q * s + 2.58770428862e-2f;
  q = q * s + 0.467143548982f;
  q = q * s + 1.0f;
  return clip(x * p / q, -1.0f, 1.0f);
}

// The logistic function 1 / (1 + e⁻ˣ). e⁻ˣ is 2ⁿ times a polynomial in the remainder r with
// |r| <= log(2) / 2; it is infinite below x = -88.7, and at least e⁻⁸⁷.
inline Vector sigmoid(Vector x) {
  x = clip(x, -89.0f, 87.0f);
  // Adding 1.5 · 2²³ rounds to an integer, which is left in the lowest bits.
  const Vector shifted = 12582912.0f - x * 1.44269504089f;
  const Vector n = shifted - 12582912.0f;
  const Vector r = n * 2.12194440055e-4f - (n * 0.693359375f + x);
  Vector p = r * 1.38144627052e-3f + 8.36878082088e-3f;
  p = p * r + 4.16683943021e-2f;
  p = p * r + 0.166665201034f;
  p = p * r + 0.49999993412f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Bits power = ((Bits)shifted << 23) + 0x3f800000;
  return 1.0f / (p * (Vector)power + 1.0f);
}

}  // namespace zoo
