// The transposed matrices W and U, packed for the backward pass.
#pragma once

#include "layout.h"
#include "operand.h"
#include "product.h"

namespace zoo {

// A transposed matrix has a row for each unit of each plane and `size` columns, D or H. It is
// stored in panels of PANEL columns, of which the last may have fewer vectors.
template <class Cell, class Operand>
class TransposedMatrices : protected Layout<Cell> {
  using Base = Layout<Cell>;
  using InputProduct = typename Cell::InputProduct;
  using Word = typename Operand::Word;

 public:
  TransposedMatrices(const Input& in, Pool& pool)
      : Base(in, pool),
        W_(round_up(in.D, LANES) * words<Operand>(GATES * padded_H_)),
        U_(round_up(in.H, LANES) * words<Operand>(GATES * padded_H_)) {
    pool.run(panels(in.H) + panels(in.D), [&](long j) {
      if (j >= panels(in.H)) return pack<InputProduct>(W_.get(), in.W, in.D, j - panels(in.H));
      Cell::AllStages::forward(
          [&]<class Stage>() { pack<Stage>(U_of_stage<Stage>(), in.U, in.H, j); });
    });
  }

 protected:
  using Base::in_, Base::padded_H_, Base::GATES;

  static constexpr long PANEL = PANEL_VECTORS * LANES;

  // Return how many panels `size` columns are.
  static long panels(long size) { return round_up(size, PANEL) / PANEL; }

  // Call body<N>(first column) for panel j, which has N vectors.
  template <class Body>
  static void with_panel(long size, long j, const Body& body) {
    const long first = j * PANEL;
    dispatch<PANEL_VECTORS>(round_up(size - first, LANES) / LANES,
                            [&]<int N>() { body.template operator()<N>(first); });
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
      // The inner loop walks along a few rows of the matrix, which the hardware prefetches.
      for (long c = 0; c < panel; c += LANES)
        for (long unit = 0; unit < padded_H_; unit += LANES) {
          Vector square[LANES] = {};
          for (long i = 0; i < std::min(LANES, count - c); ++i)
            square[i] = load(block + (c + i) * width + unit, std::min(LANES, in_.H - unit));
          transpose(square);
          for (long u = 0; u < LANES; u += Operand::PER_WORD) {
            Vector numbers[Operand::PER_WORD];
            for (long i = 0; i < Operand::PER_WORD; ++i) numbers[i] = square[u + i];
            Operand::pack(plane_words + words<Operand>(unit + u) * panel + c, numbers);
          }
        }
    }
  }

  Array<Word> W_, U_;
};

}  // namespace zoo
