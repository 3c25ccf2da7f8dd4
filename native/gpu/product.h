// Products of a matrix, which stays in place for all steps, and a few vectors.
//
// A tile is 16 rows of the matrix. A fragment is 16 rows by 16 columns, distributed over 32 threads
// as the tensor core instruction requires, which multiplies it with 16 entries of 8 vectors. The
// columns of a fragment may be in any order, as long as the vectors have the same one: this one
// lets a thread read four neighbouring entries of a vector at a time. Vectors are stored in blocks
// of 16 entries of each, so that no two threads access the same bank of shared memory at the same
// time.
#pragma once

#include "cluster.h"

namespace zoo {

constexpr int BLOCK = 16;  // entries of a vector in a block
static_assert(BLOCK == 16, "a fragment of the instructions has 16 rows and columns");

// Return the offset of an entry of one of `vectors` vectors.
__host__ __device__ constexpr int entry_offset(int vectors, int vector, int entry) {
  return (entry / BLOCK * vectors + vector) * BLOCK + entry % BLOCK;
}

// Operands have a mantissa of 10 bits; sums are float32.
struct Tf32 {
  using Element = float;
  static constexpr int WORDS = 8;  // of a fragment, in one thread

  __device__ static Element round(float v) { return round_to_tf32(v); }

  // Pack the words of a thread: of four columns of the rows g (low) and g + 8 (high).
  __device__ static void pack(uint32_t (&words)[WORDS], const float (&low)[4],
                              const float (&high)[4]) {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      words[2 * k] = bits(round(low[k]));
      words[2 * k + 1] = bits(round(high[k]));
    }
  }

  // Add to two sums, which are independent so that the instructions overlap.
  __device__ static void multiply(float (&sums)[2][4], const uint32_t* a, const Element* vector) {
    const uint4 b = *reinterpret_cast<const uint4*>(vector);
    multiply_tf32(sums[0], a, b.x, b.y);
    multiply_tf32(sums[1], a + 4, b.z, b.w);
  }

 private:
  __device__ static uint32_t bits(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
  }
};

// Numbers of 16 bits, two in a word.
template <uint32_t (*Round)(float, float),
          void (*Multiply)(float (&)[4], const uint32_t*, uint32_t, uint32_t)>
struct SixteenBits {
  using Element = uint16_t;
  static constexpr int WORDS = 4;

  __device__ static Element round(float v) { return Round(v, v); }

  __device__ static void pack(uint32_t (&words)[WORDS], const float (&low)[4],
                              const float (&high)[4]) {
    words[0] = Round(low[0], low[1]);
    words[1] = Round(high[0], high[1]);
    words[2] = Round(low[2], low[3]);
    words[3] = Round(high[2], high[3]);
  }

  __device__ static void multiply(float (&sums)[2][4], const uint32_t* a, const Element* vector) {
    const uint2 b = *reinterpret_cast<const uint2*>(vector);
    Multiply(sums[0], a, b.x, b.y);
  }
};

// The same mantissa as TF32 in half the memory and time, but less range: numbers below 6e-5 have an
// absolute precision of 3e-8, and numbers above 65504 become 65504.
using Float16 = SixteenBits<round_to_float16, multiply_float16>;
using Bfloat16 = SixteenBits<round_to_bfloat16, multiply_bfloat16>;

// The fragments of a warp. The first ones, up to Kept words of a thread, stay in registers, the
// others in shared memory.
template <class Operand, int Kept>
class Fragments {
  static constexpr int WORDS = Operand::WORDS, IN_REGISTERS = Kept / WORDS;
  static_assert(WORDS % 4 == 0, "a fragment is stored as uint4");
  static_assert(IN_REGISTERS > 0, "a warp keeps a fragment in registers");

 public:
  // Return the bytes of shared memory if a warp has at most `max_count` fragments.
  __host__ __device__ static constexpr int bytes(int max_count) {
    return max_count > IN_REGISTERS ? (max_count - IN_REGISTERS) * THREADS * WORDS * 4 : 0;
  }

  // entry(i, row, column) returns an entry of fragment i of this warp.
  template <class Entry>
  __device__ Fragments(int count, void* shared, const Entry& entry)
      : count_(count), shared_(static_cast<uint4*>(shared) + thread_index()) {
#pragma unroll
    for (int i = 0; i < IN_REGISTERS; ++i) {
      uint32_t words[WORDS] = {};
      if (i < count_) read(words, i, entry);
#pragma unroll
      for (int k = 0; k < WORDS; ++k) registers_[i][k] = words[k];
    }
    for (int i = IN_REGISTERS; i < count_; ++i) {
      uint32_t words[WORDS];
      read(words, i, entry);
#pragma unroll
      for (int k = 0; k < WORDS / 4; ++k)
        shared_fragment(i, k) = {words[4 * k], words[4 * k + 1], words[4 * k + 2],
                                 words[4 * k + 3]};
    }
  }

  // Call body(i, words) for each fragment.
  template <class Body>
  __device__ void each(const Body& body) const {
#pragma unroll
    for (int i = 0; i < IN_REGISTERS; ++i)
      if (i < count_) body(i, registers_[i]);
    for (int i = IN_REGISTERS; i < count_; ++i) {
      uint32_t words[WORDS];
#pragma unroll
      for (int k = 0; k < WORDS / 4; ++k) {
        const uint4 four = shared_fragment(i, k);
        words[4 * k] = four.x;
        words[4 * k + 1] = four.y;
        words[4 * k + 2] = four.z;
        words[4 * k + 3] = four.w;
      }
      body(i, words);
    }
  }

 private:
  template <class Entry>
  __device__ void read(uint32_t (&words)[WORDS], int i, const Entry& entry) const {
    const int lane = thread_index() % 32, row = lane / 4, column = lane % 4 * 4;
    float low[4], high[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      low[k] = entry(i, row, column + k);
      high[k] = entry(i, row + 8, column + k);
    }
    Operand::pack(words, low, high);
  }

  __device__ uint4& shared_fragment(int i, int k) const {
    return shared_[((i - IN_REGISTERS) * WORDS / 4 + k) * THREADS];
  }

  int count_;
  uint4* shared_;
  uint32_t registers_[IN_REGISTERS][WORDS];
};

}  // namespace zoo
