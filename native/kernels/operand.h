// What products multiply: floats, or pairs of bfloat16.
//
// A word has PER numbers that follow each other in the direction of a sum, and a product
// takes them at once. What is summed, and all that is not multiplied, are floats.
#pragma once

#include <algorithm>
#include <vector>

#include "memory.h"
#include "vector.h"

namespace zoo {

struct Single {
  using Word = float;
  static constexpr long PER = 1;
  // Put one word of each lane together.
  static void put(Word* to, const Vector (&numbers)[PER]) { store(to, numbers[0]); }
};

struct Half {
  using Word = int;
  static constexpr long PER = 2;
  static void put(Word* to, const Vector (&numbers)[PER]) {
    const Bits low = bfloat16(numbers[0]), high = bfloat16(numbers[1]);
    store(to, high << 16 | low);
  }
};

// So many words are `size` numbers.
template <class Operand>
constexpr long words(long size) {
  return (size + Operand::PER - 1) / Operand::PER;
}

// Rows of floats as rows of words.
template <class Operand>
class Rows {
  using Word = typename Operand::Word;

 public:
  // At most so many rows, of at most so many numbers.
  Rows(long rows, long size)
      : width_(round_up(size, LANES)),
        words_(Operand::PER > 1 ? rows * width_ : 0),
        rows_(Operand::PER > 1 ? rows : 0) {}

  // Whose words are numbers of the same row. What is behind the last number counts as zero.
  const Word* const* along(const float* const* rows, long count, long size) {
    if constexpr (Operand::PER == 1) {
      return rows;
    } else {
      for (long r = 0; r < count; ++r) {
        Word* to = words_ + r * words<Operand>(width_);
        rows_[r] = to;
        for (long i = 0; i < size; i += LANES)
          store_halves(to + words<Operand>(i), load(rows[r] + i, size - i));
      }
      return rows_.data();
    }
  }

  // Whose words are numbers of rows that follow each other.
  const Word* const* across(const float* const* rows, long count, long size) {
    if constexpr (Operand::PER == 1) {
      return rows;
    } else {
      for (long r = 0; r < count; r += Operand::PER) {
        Word* to = words_ + r / Operand::PER * width_;
        rows_[r / Operand::PER] = to;
        for (long i = 0; i < size; i += LANES) {
          Vector numbers[Operand::PER] = {};
          for (long j = 0; j < std::min(Operand::PER, count - r); ++j)
            numbers[j] = load(rows[r + j] + i, size - i);
          Operand::put(to + i, numbers);
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
