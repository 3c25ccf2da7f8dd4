// The transposed matrices W and U, packed for the backward pass.
#pragma once

#include "layout.h"
#include "operand.h"
#include "product.h"

namespace zoo {

// Pack the transpose of a block of `rows` rows of `columns` numbers, which are `width` apart.
template <class Operand>
void pack_transposed(typename Operand::Word* to, const float* block, long width, long rows,
                     long columns) {
  const long panel = round_up(rows, LANES);
  // The inner loop walks along a few rows of the matrix, which the hardware prefetches.
  for (long r = 0; r < panel; r += LANES)
    for (long c = 0; c < columns; c += LANES) {
      Vector square[LANES] = {};
      for (long i = 0; i < std::min(LANES, rows - r); ++i)
        square[i] = load(block + (r + i) * width + c, columns - c);
      transpose(square);
      for (long i = 0; i < LANES; i += Operand::PER_WORD) {
        Vector numbers[Operand::PER_WORD];
        for (long j = 0; j < Operand::PER_WORD; ++j) numbers[j] = square[i + j];
        Operand::pack(to + words<Operand>(c + i) * panel + r, numbers);
      }
    }
}

// A transposed matrix has a row for each unit of each plane and `size` columns, D or H. It is
// stored in panels of PANEL columns, of which the last may have fewer vectors.
template <class Cell, class Operand>
class TransposedMatrices : protected Layout {
  using InputProduct = typename Cell::InputProduct;
  using Word = typename Operand::Word;

 public:
  TransposedMatrices(const Input& in, Pool& pool)
      : Layout(in, pool, Cell::PLANES),
        W_(round_up(in.D, LANES) * words<Operand>(GATES * padded_H_)),
        U_(round_up(in.H, LANES) * words<Operand>(GATES * padded_H_)) {
    pool.run(panels(in.H) + panels(in.D), [&](long j) {
      if (j >= panels(in.H)) return pack<InputProduct>(W_.get(), in.W, in.D, j - panels(in.H));
      Cell::AllStages::forward(
          [&]<class Stage>() { pack<Stage>(U_of_stage<Stage>(), in.U, in.H, j); });
    });
  }

 protected:
  static constexpr long GATES = InputProduct::COUNT;  // blocks of H columns of W and of U
  static constexpr long PANEL = PANEL_VECTORS * LANES;

  // Return how many panels `size` columns are.
  static long panels(long size) { return round_up(size, PANEL) / PANEL; }

  // Return how many vectors panel j of `size` columns has.
  static long panel_vectors(long size, long j) {
    return std::min(PANEL_VECTORS, round_up(size - j * PANEL, LANES) / LANES);
  }

  const Word* transposed_W() const { return W_.get(); }

  // Return the transposed matrix of a stage.
  template <class Stage>
  const Word* transposed_U() const {
    return U_of_stage<Stage>();
  }

 private:
  template <class Stage>
  Word* U_of_stage() const {
    return U_ + round_up(in_.H, LANES) * words<Operand>(Stage::FIRST * padded_H_);
  }

  // Pack panel j.
  template <class Product>
  void pack(Word* to, const float* matrix, long size, long j) const {
    const long first = j * PANEL, count = std::min(size - first, PANEL);
    const long panel = round_up(count, LANES), width = GATES * in_.H;
    to += first * words<Operand>(Product::COUNT * padded_H_);
    for (int p = 0; p < Product::COUNT; ++p) {
      const int plane = Product::PLANE[p] - Product::LOWEST;
      Word* plane_words = to + words<Operand>(plane * padded_H_) * panel;
      const float* block = matrix + first * width + (Product::FIRST + p) * in_.H;
      pack_transposed<Operand>(plane_words, block, width, count, in_.H);
    }
  }

  Array<Word> W_, U_;
};

}  // namespace zoo
