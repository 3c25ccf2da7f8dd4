// The forward pass. A group of rows multiplies the inputs of several steps at once, then runs these
// steps one after the other.
#pragma once

#include "layout.h"
#include "operand.h"
#include "product.h"

namespace zoo {

// P is the number of planes of the cell, H' is H rounded up to whole vectors.
struct ForwardOutput {
  float* y;       // [B, T, H]
  float* last_h;  // [B, H]
  float* last_c;  // [B, H], or null
  float* gates;   // [B, T, P H'] for the backward pass, or null
  float* cells;   // [B, T, H'] for the backward pass, or null
};

// Tokens whose gates are recomputed from the states before them.
struct KnownStates {
  long count;
  const float* const* inputs;  // the row of x of each token
  float* h;                    // [count, H']
  float* c;                    // [count, H'], overwritten
  float* const* gates;         // where the planes of each token go
};

// Pack the columns of a tile, of a matrix of `rows` rows of `width` numbers, in the order in which
// the product reads them.
template <class Operand>
void pack_tile(typename Operand::Word* to, const float* matrix, long rows, long width,
               const Tile& tile) {
  for (long k = 0; k < rows; k += Operand::PER_WORD)
    for (int n = 0; n < tile.vectors; ++n, to += LANES) {
      const auto [first, count] = tile.columns[n];
      Vector numbers[Operand::PER_WORD] = {};
      for (long i = 0; i < std::min(Operand::PER_WORD, rows - k); ++i)
        numbers[i] = load(matrix + (k + i) * width + first, count);
      Operand::pack(to, numbers);
    }
}

template <class Cell, class Operand>
class Forward : Layout {
  using InputProduct = typename Cell::InputProduct;
  using AllStages = typename Cell::AllStages;
  using Word = typename Operand::Word;

  static constexpr long GATES = InputProduct::COUNT;  // blocks of H columns of W and of U
  static_assert(InputProduct::LOWEST == 0 && GATES <= Cell::PLANES,
                "the planes that the inputs enter must be the first ones");

 public:
  Forward(const Input& in, Pool& pool)
      : Layout(in, pool, Cell::PLANES),
        W_(words<Operand>(in.D) * GATES * padded_H_),
        U_(words<Operand>(in.H) * GATES * padded_H_),
        bias_(token_size_, true) {
    for (int p = 0; p < Cell::PLANES; ++p)
      std::memcpy(bias_ + p * padded_H_, in.b + bias_block<InputProduct>(p) * in.H,
                  in.H * sizeof(float));
    const long splits = pool.threads();
    pool.run(splits, [&](long i) {
      pack<InputProduct>(W_.get(), in.W, in.D, i, splits);
      AllStages::forward(
          [&]<class Stage>() { pack<Stage>(packed_U<Stage>(), in.U, in.H, i, splits); });
    });
  }

  void run(const ForwardOutput& out) const {
    clear_padding(out.y, in_.H);
    pool_.run(groups_.size(), [&](long i) { run_group(groups_[i], out); });
  }

  void recompute_gates(const KnownStates& tokens) const {
    const long count = tokens.count;
    Floats discarded_h(padded_H_);
    std::vector<float*> h(count), next_h(count, discarded_h.get());
    for (long i = 0; i < count; ++i) h[i] = tokens.h + i * padded_H_;
    RowConverter<Operand> x(count, in_.D);
    StageOperand stage_operand(count, in_.H, padded_H_);
    const Word* const* rows = x.along_rows(tokens.inputs, count, in_.D);
    for (long j = 0; j < tile_count<InputProduct>(); ++j) project(j, count, rows, tokens.gates);
    AllStages::forward([&]<class Stage>() {
      const StageRows stage{
          .count = count,
          .operand = stage_operand.template rows<Stage>(count, h.data(), tokens.gates),
          .h = h.data(),
          .next_h = next_h.data(),
          .c = tokens.c,
          .gates = tokens.gates,
          .keep = true};
      for (long j = 0; j < tile_count<Stage>(); ++j) run_stage<Stage>(j, stage);
    });
  }

 private:
  // The rows that a stage multiplies with its matrix.
  class StageOperand {
   public:
    StageOperand(long rows, long H, long plane_stride)
        : H_(H), plane_stride_(plane_stride), rows_(rows), converter_(rows, H) {}

    template <class Stage>
    const Word* const* rows(long count, float* const* states, float* const* gates) {
      for (long r = 0; r < count; ++r)
        rows_[r] = Stage::SOURCE == STATE ? states[r] : gates[r] + Stage::SOURCE * plane_stride_;
      return converter_.along_rows(rows_.data(), count, H_);
    }

   private:
    const long H_, plane_stride_;
    std::vector<const float*> rows_;
    RowConverter<Operand> converter_;
  };

  // What a stage of one step reads and writes, for `count` rows.
  struct StageRows {
    long count;
    const Word* const* operand;
    float* const* h;
    float* const* next_h;
    float* c;
    float* const* gates;
    bool keep;
  };

  // The packed matrix of a stage.
  template <class Stage>
  Word* packed_U() const {
    return U_ + words<Operand>(in_.H) * Stage::FIRST * padded_H_;
  }

  // Pack split i of the tiles of a product with a matrix.
  template <class Product>
  void pack(Word* to, const float* matrix, long rows, long i, long splits) const {
    const auto [begin, end] = tiles_of_split<Product>(i, splits);
    for (long j = begin; j < end; ++j) {
      const Tile tile = this->tile<Product>(j);
      pack_tile<Operand>(to + words<Operand>(rows) * Product::COUNT * tile.unit, matrix, rows,
                         GATES * in_.H, tile);
    }
  }

  void run_group(const std::vector<long>& group, const ForwardOutput& out) const {
    const long n = group.size();
    if (!n) return;
    const long steps = rows_[group[0]].size();
    // Enough steps to fill the rows of several tiles of the product with W.
    const long chunk = std::max(1L, (8 * ROWS + n - 1) / n);
    Floats states(2 * n * padded_H_, true), c(n * padded_H_, true),
        scratch(out.gates ? 0 : chunk * n * token_size_);
    std::vector<float*> h(n), next_h(n);
    for (long r = 0; r < n; ++r) {
      h[r] = states + r * padded_H_;
      next_h[r] = states + (n + r) * padded_H_;
      copy_state(h[r], in_.h, group[r]);
      if (Cell::CELL_STATE) copy_state(c + r * padded_H_, in_.c, group[r]);
    }
    std::vector<const float*> inputs;
    std::vector<float*> gates;
    RowConverter<Operand> x(chunk * n, in_.D);
    StageOperand stage_operand(n, in_.H, padded_H_);
    Team team(pool_, followers_);
    long active = n;
    for (long begin = 0; begin < steps; begin += chunk) {
      const long end = std::min(begin + chunk, steps);
      inputs.clear();
      gates.clear();
      for (long k = begin; k < end; ++k)
        for (long r = 0; r < n && k < long(rows_[group[r]].size()); ++r) {
          const Token& token = rows_[group[r]][k];
          inputs.push_back(in_.x + token.index * in_.D);
          gates.push_back(out.gates ? out.gates + token.index * token_size_
                                    : scratch + gates.size() * token_size_);
        }
      const Word* const* rows = x.along_rows(inputs.data(), inputs.size(), in_.D);
      team.run(tile_count<InputProduct>(),
               [&](long j) { project(j, inputs.size(), rows, gates.data()); });

      float** step_gates = gates.data();
      for (long k = begin; k < end; ++k) {
        pool_.settle();
        while (k >= long(rows_[group[active - 1]].size())) --active;
        for (long r = 0; r < active; ++r)
          if (rows_[group[r]][k].previous == RESET_STATE) {
            copy_state(h[r], in_.initial_h, group[r]);
            if (Cell::CELL_STATE) copy_state(c + r * padded_H_, in_.initial_c, group[r]);
          }
        AllStages::forward([&]<class Stage>() {
          const StageRows stage{
              .count = active,
              .operand = stage_operand.template rows<Stage>(active, h.data(), step_gates),
              .h = h.data(),
              .next_h = next_h.data(),
              .c = c.get(),
              .gates = step_gates,
              .keep = out.gates != nullptr};
          team.run(tile_count<Stage>(), [&](long j) { run_stage<Stage>(j, stage); });
        });
        for (long r = 0; r < active; ++r) {
          const long index = rows_[group[r]][k].index;
          std::memcpy(out.y + index * in_.H, next_h[r], in_.H * sizeof(float));
          if (out.cells && Cell::CELL_STATE)
            std::memcpy(out.cells + index * padded_H_, c + r * padded_H_,
                        padded_H_ * sizeof(float));
          std::swap(h[r], next_h[r]);
        }
        step_gates += active;
      }
    }
    for (long r = 0; r < n; ++r) {
      std::memcpy(out.last_h + group[r] * in_.H, h[r], in_.H * sizeof(float));
      if (Cell::CELL_STATE)
        std::memcpy(out.last_c + group[r] * in_.H, c + r * padded_H_, in_.H * sizeof(float));
    }
  }

  // Compute tile j of xW + b for many tokens.
  void project(long j, long count, const Word* const* inputs, float* const* gates) const {
    const Tile tile = this->tile<InputProduct>(j);
    const long K = words<Operand>(in_.D);
    const Word* W = W_ + K * InputProduct::COUNT * tile.unit;
    float* bias[ROWS];
    std::fill(bias, bias + ROWS, bias_.get());
    for (long i = 0; i < count; i += ROWS) {
      const long rows = std::min<long>(ROWS, count - i);
      multiply<Word>(rows, tile.vectors, {inputs + i}, W, K, {bias, tile.offsets},
                     {gates + i, tile.offsets});
      // A plane that the inputs do not enter starts with its bias alone.
      for (long r = i; r < i + rows; ++r)
        for (int p = InputProduct::COUNT; p < Cell::PLANES; ++p) {
          const long offset = p * padded_H_ + tile.unit;
          std::memcpy(gates[r] + offset, bias_ + offset, tile.per_block * LANES * sizeof(float));
        }
    }
  }

  // Compute tile j of one stage of one step.
  template <class Stage>
  void run_stage(long j, const StageRows& rows) const {
    const Tile tile = this->tile<Stage>(j);
    const long K = words<Operand>(in_.H);
    const Word* U = packed_U<Stage>() + K * Stage::COUNT * tile.unit;
    TileBuffer products;
    for (long begin = 0; begin < rows.count; begin += ROWS) {
      const long count = std::min<long>(ROWS, rows.count - begin);
      multiply<Word>(count, tile.vectors, {rows.operand + begin}, U, K,
                     {rows.gates + begin, tile.offsets}, products.places());
      for (long r = 0; r < count; ++r)
        for (int v = 0; v < tile.per_block; ++v) {
          Vector sums[Stage::COUNT];
          for (int p = 0; p < Stage::COUNT; ++p)
            sums[p] = load(products.vector(r, p * tile.per_block + v));
          const long row = begin + r, first = tile.unit + v * LANES;
          Stage::forward(sums, ForwardStep{.h_before = rows.h[row] + first,
                                           .h = rows.next_h[row] + first,
                                           .c = rows.c + row * padded_H_ + first,
                                           .gates = rows.gates[row] + first,
                                           .plane_stride = padded_H_,
                                           .keep = rows.keep});
        }
    }
  }

  Array<Word> W_, U_;  // packed
  Floats bias_;        // of each plane
};

}  // namespace zoo
