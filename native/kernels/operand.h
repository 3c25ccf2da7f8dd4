// The operands of matrix products: float32, or pairs of bfloat16.
//
// A word holds PER_WORD numbers that are neighbours along the summed axis, which one instruction
// multiplies and adds. Sums, and everything that is not multiplied, are float32.
#pragma once

#include <algorithm>
#include <vector>

#include "memory.h"
#include "vector.h"

namespace zoo {

struct Float32 {
  using Word = float;
  static constexpr long PER_WORD = 1;
  // Store one word per lane.
  static void pack(Word* to, const Vector (&numbers)[PER_WORD]) { store(to, numbers[0]); }
};

struct Bfloat16 {
  using Word = int;
  static constexpr long PER_WORD = 2;
  static void pack(Word* to, const Vector (&numbers)[PER_WORD]) {
    const Bits low = round_to_bfloat16(numbers[0]), high = round_to_bfloat16(numbers[1]);
    store(to, high << 16 | low);
  }
};

static_assert(LANES % Bfloat16::PER_WORD == 0, "a vector must hold whole words");

// Return how many words hold `size` numbers.
template <class Operand>
constexpr long words(long size) {
  return (size + Operand::PER_WORD - 1) / Operand::PER_WORD;
}

// Converts rows of floats to rows of words. For float32 nothing is copied.
template <class Operand>
class RowConverter {
  using Word = typename Operand::Word;

 public:
  // Room for `rows` rows of `size` numbers.
  RowConverter(long rows, long size)
      : width_(round_up(size, LANES)),
        words_(Operand::PER_WORD > 1 ? rows * width_ : 0),
        rows_(Operand::PER_WORD > 1 ? rows : 0) {}

  // Pack neighbouring numbers of a row into a word. Numbers after the last count as zero.
  const Word* const* along_rows(const float* const* rows, long count, long size) {
    if constexpr (Operand::PER_WORD == 1) {
      return rows;
    } else {
      for (long r = 0; r < count; ++r) {
        Word* to = words_ + r * words<Operand>(width_);
        rows_[r] = to;
        for (long i = 0; i < size; i += LANES)
          store_bfloat16(to + words<Operand>(i), load(rows[r] + i, size - i));
      }
      return rows_.data();
    }
  }

  // Pack the numbers of neighbouring rows into a word.
  const Word* const* across_rows(const float* const* rows, long count, long size) {
    if constexpr (Operand::PER_WORD == 1) {
      return rows;
    } else {
      for (long r = 0; r < count; r += Operand::PER_WORD) {
        Word* to = words_ + r / Operand::PER_WORD * width_;
        rows_[r / Operand::PER_WORD] = to;
        for (long i = 0; i < size; i += LANES) {
          Vector numbers[Operand::PER_WORD] = {};
          for (long j = 0; j < std::min(Operand::PER_WORD, count - r); ++j)
            numbers[j] = load(rows[r + j] + i, size - i);
          Operand::pack(to + i, numbers);
        }
      }
      return rows_.data();
    }
  }

 private:
  const long width_;
  Array<Word> words_;
  std::vector<const Word*> rows_;
};

}  // namespace zoo
