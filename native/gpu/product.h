// Products of tiles of a matrix, which stays where it is for all steps, with a few vectors.
//
// A tile is 16 rows of the matrix, a fragment 16 rows by 16 columns of it, as 32 threads hold it
// for the instruction that multiplies it with 16 entries of 8 vectors. In which order a fragment
// has its columns is free, as long as the vectors have the same: four neighbours of a vector are
// read at once. Vectors stand in blocks of 16 entries of all of them, of which no two threads read
// the same bank of shared memory at the same time.
#pragma once

#include "cluster.h"

namespace zoo {

constexpr int BLOCK = 16;  // entries of a vector

// Where an entry of a vector stands, of so many.
__host__ __device__ constexpr int entry_at(int vectors, int vector, int entry) {
  return (entry / BLOCK * vectors + vector) * BLOCK + entry % BLOCK;
}

// Multiplied with 10 bits, added in float32.
struct Tf32 {
  using Element = float;
  static constexpr int WORDS = 8;  // of a fragment in one thread

  __device__ static Element round(float v) { return round_to_tf32(v); }

  // The words of a thread, of the rows g and g + 8, of four columns.
  __device__ static void pack(uint32_t (&words)[WORDS], const float (&low)[4],
                              const float (&high)[4]) {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      words[2 * k] = bits(round(low[k]));
      words[2 * k + 1] = bits(round(high[k]));
    }
  }

  // Add to two sums, which do not wait for each other.
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

// Numbers of 16 bits, two a word.
template <uint32_t (*Round)(float, float),
          void (*Multiply)(float (&)[4], const uint32_t*, uint32_t, uint32_t)>
struct Sixteen {
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

// As many bits as TF32 in half the memory and time, but from 6e-5 to 65504 only: what is smaller
// is known to 3e-8, what is larger is taken for 65504.
using Half = Sixteen<round_to_half, multiply_half>;
using Bfloat16 = Sixteen<round_to_bfloat16, multiply_bfloat16>;

// The fragments of a warp: the first, of Kept words in a thread, in registers, the rest in shared
// memory.
template <class Operand, int Kept>
class Fragments {
  static constexpr int WORDS = Operand::WORDS, OWN = Kept / WORDS;

 public:
  // Bytes of shared memory if a warp has at most so many.
  __host__ __device__ static constexpr int bytes(int most) {
    return most > OWN ? (most - OWN) * THREADS * WORDS * 4 : 0;
  }

  // entry(i, row, column) is that of the i-th fragment of this warp.
  template <class Entry>
  __device__ Fragments(int count, void* shared, const Entry& entry)
      : count_(count), rest_(static_cast<uint4*>(shared) + thread_index()) {
#pragma unroll
    for (int i = 0; i < OWN; ++i) {
      uint32_t words[WORDS] = {};
      if (i < count_) read(words, i, entry);
#pragma unroll
      for (int k = 0; k < WORDS; ++k) own_[i][k] = words[k];
    }
    for (int i = OWN; i < count_; ++i) {
      uint32_t words[WORDS];
      read(words, i, entry);
#pragma unroll
      for (int k = 0; k < WORDS / 4; ++k)
        at(i, k) = {words[4 * k], words[4 * k + 1], words[4 * k + 2], words[4 * k + 3]};
    }
  }

  // body(i, words) of one after the other.
  template <class Body>
  __device__ void each(const Body& body) const {
#pragma unroll
    for (int i = 0; i < OWN; ++i)
      if (i < count_) body(i, own_[i]);
    for (int i = OWN; i < count_; ++i) {
      uint32_t words[WORDS];
#pragma unroll
      for (int k = 0; k < WORDS / 4; ++k) {
        const uint4 four = at(i, k);
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

  __device__ uint4& at(int i, int k) const { return rest_[((i - OWN) * WORDS / 4 + k) * THREADS]; }

  int count_;
  uint4* rest_;
  uint32_t own_[OWN][WORDS];
};

}  // namespace zoo
