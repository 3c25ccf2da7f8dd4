// The gradients of W, U and b: products over all tokens, after the loop.
#pragma once

#include <vector>

#include "operand.h"
#include "product.h"
#include "transposed.h"

namespace zoo {

// Some tokens, as rows of the products over all of them.
struct Tokens {
  std::vector<const float*> x;
  std::vector<const float*> h, c;  // before the token; c only if the gates are recomputed
  std::vector<float*> gates;       // the planes, which hold gradients once the loop has run
  std::vector<float*> d_x;

  long count() const { return gates.size(); }
};

// G is the number of gates of the cell.
struct WeightGradients {
  float* W;  // [D, G H]
  float* U;  // [H, G H]
  float* b;  // [PLANES H]
};

// Pack rows of `size` numbers, of which there are K, as the left matrix of a product that sums over
// them: ROWS columns are interleaved, the last block may have fewer.
template <class Operand>
void pack_columns(typename Operand::Word* to, const float* const* rows, long size, long K) {
  constexpr long CHUNK = 16 * Operand::PER_WORD;  // rows whose lines stay in the first cache
  RowConverter<Operand> converter(CHUNK, size);
  for (long k = 0; k < K; k += CHUNK) {
    const long count = std::min(CHUNK, K - k);
    const auto* const* packed = converter.across_rows(rows + k, count, size);
    for (long m = 0; m < size; m += ROWS)
      dispatch<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
        auto* block = to + m * words<Operand>(K) + words<Operand>(k) * R;
        for (long i = 0; i < words<Operand>(count); ++i)
          std::memcpy(block + i * R, packed[i] + m, R * sizeof *block);
      });
  }
}

// Pack one vector of each of K rows, as a vector of the panel of a product that sums over them.
// Return their sum.
template <class Operand>
Vector pack_vector(typename Operand::Word* to, long stride, const float* const* rows, long offset,
                   long K) {
  Vector total = {};
  for (long k = 0; k < K; k += Operand::PER_WORD, to += stride) {
    Vector numbers[Operand::PER_WORD] = {};
    for (long i = 0; i < std::min(Operand::PER_WORD, K - k); ++i) {
      numbers[i] = load(rows[k + i] + offset);
      total += numbers[i];
    }
    Operand::pack(to, numbers);
  }
  return total;
}

template <class Cell, class Operand>
class WeightGradientProducts : protected TransposedMatrices<Cell, Operand> {
  using Base = TransposedMatrices<Cell, Operand>;
  using InputProduct = typename Cell::InputProduct;
  using Word = typename Operand::Word;

 public:
  using Base::Base;

 protected:
  using Base::in_, Base::pool_, Base::padded_H_, Base::GATES, Base::PANEL;

  // Tokens of one product, as many as fit the caches.
  static constexpr long TOKENS = 256;
  static_assert(TOKENS % Operand::PER_WORD == 0, "a product must have whole words");

  // Add the gradients of the columns of split i. The first tokens overwrite what was there.
  void add_weight_gradients(long i, long splits, const Tokens& tokens, const WeightGradients& d,
                            bool first) const {
    Array<Word> blocks(words<Operand>(TOKENS) * std::max(in_.D, in_.H));
    Array<Word> panel(words<Operand>(TOKENS) * PANEL);
    std::vector<const float*> source;
    const long count = tokens.count();
    // At least once, so that the gradients are set to zero if there are no tokens.
    for (long k = 0; k == 0 || k < count; k += TOKENS) {
      pool_.settle();
      const long K = std::min(TOKENS, count - k);
      const bool overwrite = first && k == 0;
      const auto add = [&]<class Product>(float* matrix, int first_new_plane,
                                          const float* const* rows, long size) {
        const auto [begin, end] = this->template tiles_of_split<Product>(i, splits);
        if (begin == end) return;
        pack_columns<Operand>(blocks.get(), rows, size, K);
        for (long j = begin; j < end; ++j) {
          const Tile tile = this->template tile<Product>(j);
          pack_planes<Product>(panel.get(), tokens.gates.data() + k, tile, K, d.b, first_new_plane);
          add_product(matrix, blocks.get(), size, tile, panel.get(), K, overwrite);
        }
      };
      add.template operator()<InputProduct>(d.W, 0, tokens.x.data() + k, in_.D);
      Cell::AllStages::forward([&]<class Stage>() {
        const float* const* rows = tokens.h.data() + k;
        if (Stage::SOURCE != STATE) {
          source.assign(tokens.gates.begin() + k, tokens.gates.begin() + k + K);
          for (const float*& row : source) row += Stage::SOURCE * padded_H_;
          rows = source.data();
        }
        add.template operator()<Stage>(d.U, InputProduct::COUNT, rows, in_.H);
      });
    }
  }

 private:
  // Pack the planes of some tokens in a tile. Planes from `first_new_plane` on, which no product
  // before had, are also added to the gradient of the bias.
  template <class Product>
  void pack_planes(Word* panel, const float* const* gates, const Tile& tile, long K, float* d_b,
                   int first_new_plane) const {
    for (int n = 0; n < tile.vectors; ++n) {
      const Vector total =
          pack_vector<Operand>(panel + n * LANES, tile.vectors * LANES, gates, tile.offsets[n], K);
      const int plane = Product::PLANE[n / tile.per_block];
      if (plane < first_new_plane) continue;
      const long count = tile.columns[n].count;
      const long unit = tile.unit + n % tile.per_block * LANES;
      float* to = d_b + bias_block<InputProduct>(plane) * in_.H + unit;
      store(to, load(to, count) + total, count);
    }
  }

  // Add the transposed rows, times the panel of the same tokens, to the columns of a tile in a
  // matrix [size, G H]; or overwrite them.
  void add_product(float* matrix, const Word* blocks, long size, const Tile& tile,
                   const Word* panel, long K, bool overwrite) const {
    K = words<Operand>(K);
    TileBuffer zeros, sums;
    if (overwrite) zeros.clear();
    const Word* rows[ROWS];
    for (long m = 0; m < size; m += ROWS) {
      const long count = std::min<long>(ROWS, size - m);
      const auto each_vector = [&](const auto& body) {
        for (long r = 0; r < count; ++r)
          for (int n = 0; n < tile.vectors; ++n)
            body(matrix + (m + r) * GATES * in_.H + tile.columns[n].first, sums.vector(r, n),
                 tile.columns[n].count);
      };
      if (!overwrite)
        each_vector([](float* at, float* sum, long size) { store(sum, load(at, size)); });
      for (long r = 0; r < count; ++r) rows[r] = blocks + m * K + r;
      multiply<Word>(count, tile.vectors, {rows, count}, panel, K,
                     overwrite ? zeros.places() : sums.places(), sums.places());
      each_vector([](float* at, float* sum, long size) { store(at, load(sum), size); });
    }
  }
};

}  // namespace zoo
