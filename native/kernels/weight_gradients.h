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
        pack_columns(blocks.get(), rows, size, K);
        for (long j = begin; j < end; ++j)
          this->template with_tile<Product>(j, [&]<int V>(long unit) {
            pack_planes<Product, V>(panel.get(), tokens.gates.data() + k, unit, K, d.b,
                                    first_new_plane);
            add_product<Product, V>(matrix, blocks.get(), size, unit, panel.get(), K, overwrite);
          });
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
  // Interleave ROWS columns of many rows, for `column_reader`.
  static void pack_columns(Word* to, const float* const* rows, long size, long K) {
    constexpr long CHUNK = 16 * Operand::PER_WORD;  // rows whose lines stay in the first cache
    RowConverter<Operand> converter(CHUNK, size);
    for (long k = 0; k < K; k += CHUNK) {
      const long count = std::min(CHUNK, K - k);
      const Word* const* packed = converter.across_rows(rows + k, count, size);
      for (long m = 0; m < size; m += ROWS)
        dispatch<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
          Word* block = to + m * words<Operand>(K) + words<Operand>(k) * R;
          for (long i = 0; i < words<Operand>(count); ++i)
            std::memcpy(block + i * R, packed[i] + m, R * sizeof(Word));
        });
    }
  }

  // Pack the planes of some tokens in a tile. Planes from `first_new_plane` on, which no product
  // before had, are also added to the gradient of the bias.
  template <class Product, int V>
  void pack_planes(Word* panel, const float* const* gates, long unit, long K, float* d_b,
                   int first_new_plane) const {
    constexpr int N = Product::COUNT * V;
    Vector total[N] = {};
    for (long k = 0; k < K; k += Operand::PER_WORD) UNROLL for (int n = 0; n < N; ++n) {
        Vector numbers[Operand::PER_WORD] = {};
        for (long i = 0; i < std::min(Operand::PER_WORD, K - k); ++i) {
          numbers[i] = load(gates[k + i] + this->template plane_offset<Product, V>(unit, n));
          total[n] += numbers[i];
        }
        Operand::pack(panel + (words<Operand>(k) * N + n) * LANES, numbers);
      }
    UNROLL for (int n = 0; n < N; ++n) {
      const int plane = Product::PLANE[n / V];
      if (plane < first_new_plane) continue;
      const long count = this->template columns<Product, V>(unit, n).count;
      float* to = d_b + Base::bias_block(plane) * in_.H + unit + n % V * LANES;
      store(to, load(to, count) + total[n], count);
    }
  }

  // Add the transposed rows, times the panel of the same tokens, to the columns of a tile in a
  // matrix [size, G H]; or overwrite them.
  template <class Product, int V>
  void add_product(float* matrix, const Word* blocks, long size, long unit, const Word* panel,
                   long K, bool overwrite) const {
    constexpr int N = Product::COUNT * V;
    K = words<Operand>(K);
    for (long m = 0; m < size; m += ROWS)
      dispatch<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
        float* rows = matrix + m * GATES * in_.H;
        multiply<R, N>(
            column_reader<R>(blocks + m * K), panel, K,
            [&](int r, int n) {
              const auto [first, count] = this->template columns<Product, V>(unit, n);
              return overwrite ? Vector{} : load(rows + r * GATES * in_.H + first, count);
            },
            [&](int r, int n, Vector v) {
              const auto [first, count] = this->template columns<Product, V>(unit, n);
              store(rows + r * GATES * in_.H + first, v, count);
            });
      });
  }
};

}  // namespace zoo
