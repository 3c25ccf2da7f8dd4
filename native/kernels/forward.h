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

template <class Cell, class Operand>
class Forward : Layout<Cell> {
  using Base = Layout<Cell>;
  using Base::in_, Base::pool_, Base::padded_H_, Base::token_size_, Base::rows_, Base::groups_,
      Base::followers_;
  using InputProduct = typename Cell::InputProduct;
  using AllStages = typename Cell::AllStages;
  using Word = typename Operand::Word;

 public:
  Forward(const Input& in, Pool& pool)
      : Base(in, pool),
        W_(words<Operand>(in.D) * Base::GATES * padded_H_),
        U_(words<Operand>(in.H) * Base::GATES * padded_H_),
        bias_(token_size_, true) {
    for (int p = 0; p < Cell::PLANES; ++p)
      std::memcpy(bias_ + p * padded_H_, in.b + Base::bias_block(p) * in.H, in.H * sizeof(float));
    const long splits = pool.threads();
    pool.run(splits, [&](long i) {
      pack<InputProduct>(W_.get(), in.W, in.D,
                         this->template tiles_of_split<InputProduct>(i, splits));
      AllStages::forward([&]<class Stage>() {
        pack<Stage>(packed_U<Stage>(), in.U, in.H, this->template tiles_of_split<Stage>(i, splits));
      });
    });
  }

  void run(const ForwardOutput& out) const {
    this->clear_padding(out.y, in_.H);
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
    for (long j = 0; j < this->template tile_count<InputProduct>(); ++j)
      project(j, count, rows, tokens.gates);
    AllStages::forward([&]<class Stage>() {
      const StageRows stage{
          .count = count,
          .operand = stage_operand.template rows<Stage>(count, h.data(), tokens.gates),
          .h = h.data(),
          .next_h = next_h.data(),
          .c = tokens.c,
          .gates = tokens.gates,
          .keep = true};
      for (long j = 0; j < this->template tile_count<Stage>(); ++j) run_stage<Stage>(j, stage);
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

  // Pack the columns of some tiles in the order in which the product reads them.
  template <class Product>
  void pack(Word* to, const float* matrix, long rows, TileRange tiles) const {
    const long width = Base::GATES * in_.H;
    for (long j = tiles.begin; j < tiles.end; ++j)
      this->template with_tile<Product>(j, [&]<int V>(long unit) {
        Word* block = to + words<Operand>(rows) * Product::COUNT * unit;
        for (long k = 0; k < rows; k += Operand::PER_WORD)
          for (int n = 0; n < Product::COUNT * V; ++n, block += LANES) {
            const auto [first, count] = this->template columns<Product, V>(unit, n);
            Vector numbers[Operand::PER_WORD] = {};
            for (long i = 0; i < std::min(Operand::PER_WORD, rows - k); ++i)
              numbers[i] = load(matrix + (k + i) * width + first, count);
            Operand::pack(block, numbers);
          }
      });
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
      this->copy_state(h[r], in_.h, group[r]);
      if (Cell::CELL_STATE) this->copy_state(c + r * padded_H_, in_.c, group[r]);
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
      team.run(this->template tile_count<InputProduct>(),
               [&](long j) { project(j, inputs.size(), rows, gates.data()); });

      float** step_gates = gates.data();
      for (long k = begin; k < end; ++k) {
        pool_.settle();
        while (k >= long(rows_[group[active - 1]].size())) --active;
        for (long r = 0; r < active; ++r)
          if (rows_[group[r]][k].previous == RESET_STATE) {
            this->copy_state(h[r], in_.initial_h, group[r]);
            if (Cell::CELL_STATE) this->copy_state(c + r * padded_H_, in_.initial_c, group[r]);
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
          team.run(this->template tile_count<Stage>(), [&](long j) { run_stage<Stage>(j, stage); });
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
    this->template with_tile<InputProduct>(j, [&]<int V>(long unit) {
      constexpr int N = InputProduct::COUNT * V;
      const long K = words<Operand>(in_.D);
      for (long i = 0; i < count; i += ROWS)
        dispatch<ROWS>(std::min<long>(ROWS, count - i), [&]<int R>() {
          multiply<R, N>(
              row_reader<R>(inputs + i), W_ + K * InputProduct::COUNT * unit, K,
              [&](int, int n) {
                return load(bias_ + this->template plane_offset<InputProduct, V>(unit, n));
              },
              [&](int r, int n, Vector v) {
                store(gates[i + r] + this->template plane_offset<InputProduct, V>(unit, n), v);
              });
          // A plane that the inputs do not enter starts with its bias alone.
          for (int r = 0; r < R; ++r)
            for (int p = InputProduct::COUNT; p < Cell::PLANES; ++p) {
              const long begin = p * padded_H_ + unit;
              for (long offset = begin; offset < begin + V * LANES; offset += LANES)
                store(gates[i + r] + offset, load(bias_ + offset));
            }
        });
    });
  }

  // Compute tile j of one stage of one step.
  template <class Stage>
  void run_stage(long j, const StageRows& rows) const {
    this->template with_tile<Stage>(j, [&]<int V>(long unit) {
      constexpr int N = Stage::COUNT * V;
      const long K = words<Operand>(in_.H);
      const Word* U = packed_U<Stage>() + K * Stage::COUNT * unit;
      for (long i = 0; i < rows.count; i += ROWS)
        dispatch<ROWS>(std::min<long>(ROWS, rows.count - i), [&]<int R>() {
          Vector tile[R][N];
          multiply<R, N>(
              row_reader<R>(rows.operand + i), U, K,
              [&](int r, int n) {
                return load(rows.gates[i + r] + this->template plane_offset<Stage, V>(unit, n));
              },
              [&](int r, int n, Vector v) { tile[r][n] = v; });
          UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < V; ++v) {
            Vector sums[Stage::COUNT];
            UNROLL for (int p = 0; p < Stage::COUNT; ++p) sums[p] = tile[r][p * V + v];
            const long first = unit + v * LANES;
            Stage::forward(sums, ForwardStep{.h_before = rows.h[i + r] + first,
                                             .h = rows.next_h[i + r] + first,
                                             .c = rows.c + (i + r) * padded_H_ + first,
                                             .gates = rows.gates[i + r] + first,
                                             .plane_stride = padded_H_,
                                             .keep = rows.keep});
          }
        });
    });
  }

  Array<Word> W_, U_;  // packed
  Floats bias_;        // of each plane
};

}  // namespace zoo
