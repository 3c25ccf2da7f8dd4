// Vectors of floats as wide as the machine's, and the two functions that gates need.
#pragma once

#include <cstring>
#include <utility>

#if defined(__AVX__)
#include <immintrin.h>
#endif

// Loops over a few vectors are written out, so that what they work on stays in registers.
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

namespace zoo {

// LANES floats make a vector. A tile of a product has at most ROWS rows of 4 vectors: as
// many as there are registers for.
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

typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));
typedef int Bits __attribute__((vector_size(LANES * sizeof(int))));

// All vectors of an aligned row can be loaded whole.
inline Vector load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline void store(float* to, Vector v) { std::memcpy(to, &v, sizeof v); }
inline void store(int* to, Bits v) { std::memcpy(to, &v, sizeof v); }

// The first `count` floats, and zeros.
inline Vector load(const float* from, long count) {
  if (count >= LANES) return load(from);
  float whole[LANES] = {};
  std::memcpy(whole, from, count * sizeof(float));
  return load(whole);
}

inline void store(float* to, Vector v, long count) {
  if (count >= LANES) return store(to, v);
  float whole[LANES];
  store(whole, v);
  std::memcpy(to, whole, count * sizeof(float));
}

// The nearest bfloat16, of two the even one, in the lower half of each lane.
inline Bits bfloat16(Vector v) {
  const Bits bits = (Bits)v, odd = bits >> 16 & 1;
  const Bits rounded = bits + 0x7fff + odd;
  // Rounded up, NaN could become a number.
  return (v == v ? rounded : bits | 0x400000) >> 16 & 0xffff;
}

// The same of all lanes, side by side.
inline void store_halves(int* to, Vector v) {
  typedef short Halves __attribute__((vector_size(LANES * sizeof(short))));
  const Halves halves = __builtin_convertvector(bfloat16(v), Halves);
  std::memcpy(to, &halves, sizeof halves);
}

// Exchange the lanes of a with the bit S for those of b without it.
template <int S, int... I>
inline void exchange(Vector& a, Vector& b, std::integer_sequence<int, I...>) {
  const Vector x = a, y = b;
  a = __builtin_shufflevector(x, y, (I & S ? int(LANES) + I - S : I)...);
  b = __builtin_shufflevector(x, y, (I & S ? int(LANES) + I : I + S)...);
}

// The i-th lane of the j-th vector, and the j-th of the i-th, change places: those whose i and
// j differ in the bit S, then in each lower bit.
template <int S = LANES / 2>
inline void transpose(Vector (&v)[LANES]) {
  UNROLL for (int i = 0; i < LANES; ++i) {
    if (!(i & S)) exchange<S>(v[i], v[i + S], std::make_integer_sequence<int, LANES>());
  }
  if constexpr (S > 1) transpose<S / 2>(v);
}

// The nearest of x in [low, high]; NaN stays NaN.
inline Vector clip(Vector x, float low, float high) {
#if defined(__AVX512F__)
  // If one of both is NaN, these take the second. GCC makes a comparison and a blend of `?`.
  return _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), x));
#elif defined(__AVX__)
  return _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), x));
#else
  x = x < low ? Vector{} + low : x;
  return x > high ? Vector{} + high : x;
#endif
}

// x P(x²) / Q(x²), fitted by least squares of the relative error, weighted until the
// largest was least. Beyond 9.6 that is more than one, and the result exactly one, so that a
// unit that is full passes no gradient, however large.
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

// The logistic function, 1 / (1 + e⁻ˣ). The power is 2ⁿ times a polynomial in what is left,
// |r| <= log(2) / 2; it is infinity from x = -88.7 on, and no less than e to the -87.
inline Vector sigmoid(Vector x) {
  x = clip(x, -89.0f, 87.0f);
  // Added to 1.5 · 2²³, a number is rounded to a whole one, in the last bits.
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
