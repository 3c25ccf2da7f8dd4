// The backward pass: through the steps in reverse, then one product over all tokens for the inputs
// and for each matrix.
#pragma once

#include <optional>

#include "forward.h"
#include "weight_gradients.h"

namespace zoo {

// P is the number of planes of the cell, H' is H rounded up to whole vectors.
struct BackwardInput {
  const float* y;         // [B, T, H]: from the forward pass
  const float* cells;     // [B, T, H']: from the forward pass, or null
  const float* d_y;       // [B, T, H]
  const float* d_last_h;  // [B, H]
  const float* d_last_c;  // [B, H], or null
};

struct BackwardOutput {
  // [B, T, P H']: the gates from the forward pass, overwritten by the gradients of what the
  // products added. Null: the gates are recomputed, those of some steps at a time.
  float* gates;
  float* d_x;              // [B, T, D]
  WeightGradients weight;  // of W, U and b
  float* d_h;              // [B, H]
  float* d_c;              // [B, H], or null
  float* d_initial_h;      // [B, H], or null without resets
  float* d_initial_c;      // [B, H], or null
};

template <class Cell, class Operand>
class Backward : WeightGradientProducts<Cell, Operand> {
  using Base = WeightGradientProducts<Cell, Operand>;
  using Base::in_, Base::pool_, Base::padded_H_, Base::token_size_, Base::rows_, Base::groups_,
      Base::followers_, Base::GATES, Base::TOKENS;
  using InputProduct = typename Cell::InputProduct;
  using AllStages = typename Cell::AllStages;
  using Word = typename Operand::Word;

  // Tokens of one product with W; if there are few, threads divide its columns instead.
  static constexpr long INPUT_TOKENS = 8 * ROWS;
  // Tokens whose gates are recomputed before going back through them: few, to save memory, but
  // enough for all threads.
  static constexpr long RECOMPUTED_TOKENS = 1024;
  static_assert(INPUT_TOKENS % ROWS == 0, "a product must have whole tiles");

 public:
  Backward(const Input& in, Pool& pool) : Base(in, pool) {
    for (const auto& group : groups_) carried_.emplace_back(group.size() * padded_H_);
  }

  void run(const BackwardInput& from, const BackwardOutput& to) {
    std::optional<Forward<Cell, Operand>> forward;
    if (!to.gates) forward.emplace(in_, pool_);
    each_row([&](long b, float* d_h, float* d_c) {
      this->copy_state(d_h, from.d_last_h, b);
      if (Cell::CELL_STATE) this->copy_state(d_c, from.d_last_c, b);
    });
    if (to.d_initial_h) {  // the steps only add to it
      std::memset(to.d_initial_h, 0, in_.B * in_.H * sizeof(float));
      if (Cell::CELL_STATE) std::memset(to.d_initial_c, 0, in_.B * in_.H * sizeof(float));
    }
    this->clear_padding(to.d_x, in_.D);
    std::memset(to.weight.b, 0, Cell::PLANES * in_.H * sizeof(float));

    long longest = 0;
    for (const auto& row : rows_) longest = std::max<long>(longest, row.size());
    const long splits = pool_.threads();
    const long chunk = std::max(1L, to.gates ? longest : RECOMPUTED_TOKENS / std::max(1L, in_.B));
    Floats scratch(to.gates ? 0 : std::min(chunk, longest) * in_.B * token_size_);
    // Once without tokens too, to clear the gradients of the matrices.
    for (long end = longest; end == longest || end > 0; end -= chunk) {
      const long begin = std::max(0L, end - chunk);
      const Tokens tokens = tokens_of_steps(begin, end, from, to, scratch);
      const auto pieces = [&](long size) { return (tokens.count() + size - 1) / size; };
      if (forward) pool_.run(pieces(TOKENS), [&](long i) { recompute_gates(*forward, tokens, i); });
      pool_.run(groups_.size(),
                [&](long i) { run_group(groups_[i], carried_[i], begin, end, from, to); });
      const long parts =
          std::max(1L, std::min(this->panels(in_.D), splits / std::max(1L, pieces(INPUT_TOKENS))));
      pool_.run(splits + pieces(INPUT_TOKENS) * parts, [&](long i) {
        if (i < splits)
          this->add_weight_gradients(i, splits, tokens, to.weight, end == longest);
        else
          input_gradients((i - splits) / parts, (i - splits) % parts, parts, tokens);
      });
    }
    each_row([&](long b, float* d_h, float* d_c) {
      std::memcpy(to.d_h + b * in_.H, d_h, in_.H * sizeof(float));
      if (Cell::CELL_STATE) std::memcpy(to.d_c + b * in_.H, d_c, in_.H * sizeof(float));
    });
  }

 private:
  // The gradients that a group carries from step to step, for each of its rows.
  struct Carried {
    explicit Carried(long size) : d_h(size, true), d_c(size, true), d_source(size) {}
    Floats d_h, d_c;
    Floats d_source;  // of the plane that a stage multiplies
  };

  // Call body(b, d_h, d_c) for each row.
  template <class Body>
  void each_row(const Body& body) {
    for (size_t i = 0; i < groups_.size(); ++i)
      for (size_t r = 0; r < groups_[i].size(); ++r)
        body(groups_[i][r], carried_[i].d_h + r * padded_H_, carried_[i].d_c + r * padded_H_);
  }

  const float* h_before(const Token& token, long b, const float* y) const {
    if (token.previous >= 0) return y + token.previous * in_.H;
    return (token.previous == STATE_OF_CALL ? in_.h : in_.initial_h) + b * in_.H;
  }

  const float* c_before(const Token& token, long b, const float* cells) const {
    if (token.previous >= 0) return cells + token.previous * padded_H_;
    return (token.previous == STATE_OF_CALL ? in_.c : in_.initial_c) + b * in_.H;
  }

  // Collect the tokens of the steps from `begin` to before `end`, and allocate their planes.
  Tokens tokens_of_steps(long begin, long end, const BackwardInput& from, const BackwardOutput& to,
                         const Floats& scratch) {
    Tokens tokens;
    for (long b = 0; b < in_.B; ++b)
      for (long k = begin; k < std::min<long>(end, rows_[b].size()); ++k) {
        Token& token = rows_[b][k];
        token.gates = to.gates ? to.gates + token.index * token_size_
                               : scratch + tokens.count() * token_size_;
        tokens.x.push_back(in_.x + token.index * in_.D);
        tokens.h.push_back(h_before(token, b, from.y));
        if (!to.gates && Cell::CELL_STATE) tokens.c.push_back(c_before(token, b, from.cells));
        tokens.gates.push_back(token.gates);
        tokens.d_x.push_back(to.d_x + token.index * in_.D);
      }
    return tokens;
  }

  // Recompute the gates of piece i of the tokens.
  void recompute_gates(const Forward<Cell, Operand>& forward, const Tokens& tokens, long i) const {
    const long first = i * TOKENS, count = std::min(tokens.count() - first, TOKENS);
    Floats h(count * padded_H_, true), c(count * padded_H_, true);
    for (long k = 0; k < count; ++k) {
      this->copy_state(h + k * padded_H_, tokens.h[first + k], 0);
      if (Cell::CELL_STATE) this->copy_state(c + k * padded_H_, tokens.c[first + k], 0);
    }
    forward.recompute_gates({.count = count,
                             .inputs = &tokens.x[first],
                             .h = h.get(),
                             .c = c.get(),
                             .gates = &tokens.gates[first]});
  }

  // Go back through the steps of a group, from the one before `end` to `begin`.
  void run_group(const std::vector<long>& group, const Carried& carried, long begin, long end,
                 const BackwardInput& from, const BackwardOutput& to) const {
    const long n = group.size();
    float *d_h = carried.d_h.get(), *d_c = carried.d_c.get(), *d_source = carried.d_source.get();
    Team team(pool_, followers_);
    long active = 0;
    std::vector<const float*> rows(n);
    RowConverter<Operand> converter(n, GATES * padded_H_);
    for (long k = end - 1; k >= begin; --k) {
      pool_.settle();
      while (active < n && k < long(rows_[group[active]].size())) ++active;
      AllStages::backward([&]<class Stage>() {
        for (long r = 0; r < active; ++r)
          run_stage<Stage>(rows_[group[r]][k], group[r], from,
                           {.h = d_h + r * padded_H_,
                            .c = d_c + r * padded_H_,
                            .source = d_source + r * padded_H_});
        for (long r = 0; r < active; ++r)
          rows[r] = rows_[group[r]][k].gates + Stage::LOWEST * padded_H_;
        const Word* const* gradients =
            converter.along_rows(rows.data(), active, Stage::COUNT * padded_H_);
        float* sums = Stage::SOURCE == STATE ? d_h : d_source;
        team.run(this->panels(in_.H),
                 [&](long j) { add_transposed_product<Stage>(j, active, gradients, sums); });
      });
      for (long r = 0; r < active; ++r) {
        if (rows_[group[r]][k].previous != RESET_STATE) continue;
        move_sum(to.d_initial_h + group[r] * in_.H, d_h + r * padded_H_);
        if (Cell::CELL_STATE) move_sum(to.d_initial_c + group[r] * in_.H, d_c + r * padded_H_);
      }
    }
  }

  // The gradients that are carried, of one row.
  struct CarriedRow {
    float *h, *c, *source;
  };

  // Go back through the elementwise operations of one stage, for a token of row b.
  template <class Stage>
  void run_stage(const Token& token, long b, const BackwardInput& from, CarriedRow d) const {
    const float *h_from = h_before(token, b, from.y), *c_from = nullptr, *c_to = nullptr;
    if (Cell::CELL_STATE) {
      c_from = c_before(token, b, from.cells);
      c_to = from.cells + token.index * padded_H_;
    }
    for (long unit = 0; unit < padded_H_; unit += LANES) {
      const long count = std::clamp(in_.H - unit, 0L, LANES);
      BackwardStep step{
          .gates = token.gates + unit,
          .plane_stride = padded_H_,
          .h_before = load(h_from + unit, count),
          .c_before = {},
          .c = {},
          .d_h = load(d.h + unit) + load(from.d_y + token.index * in_.H + unit, count),
          .d_c = d.c + unit,
          .d_h_before = d.h + unit,
          .d_source = d.source + unit};
      if (Cell::CELL_STATE) {
        step.c = load(c_to + unit);
        step.c_before = load(c_from + unit, count);
      }
      Stage::backward(step);
    }
  }

  // Go back through the product of one stage: add panel j of the product with its transposed
  // matrix.
  template <class Stage>
  void add_transposed_product(long j, long count, const Word* const* rows, float* sums) const {
    const long K = words<Operand>(Stage::COUNT * padded_H_), first = j * Base::PANEL;
    const Word* panel = this->template transposed_U<Stage>() + first * K;
    float* tile[ROWS];
    for (long begin = 0; begin < count; begin += ROWS) {
      const long tile_rows = std::min<long>(ROWS, count - begin);
      for (long r = 0; r < tile_rows; ++r) tile[r] = sums + (begin + r) * padded_H_ + first;
      const Places places = {tile, CONSECUTIVE};
      multiply<Word>(tile_rows, this->panel_vectors(in_.H, j), {rows + begin}, panel, K, places,
                     places);
    }
  }

  // Add the gradient of a state to that of the initial state it was reset to.
  void move_sum(float* to, float* from) const {
    for (long unit = 0; unit < in_.H; ++unit) {
      to[unit] += from[unit];
      from[unit] = 0;
    }
  }

  // Compute part i of the columns of the gradients of the inputs, for a piece of the tokens.
  void input_gradients(long piece, long i, long parts, const Tokens& tokens) const {
    const long begin = piece * INPUT_TOKENS;
    const long count = std::min(tokens.count() - begin, INPUT_TOKENS);
    const long K = words<Operand>(InputProduct::COUNT * padded_H_);
    const float* planes[INPUT_TOKENS];
    for (long r = 0; r < count; ++r)
      planes[r] = tokens.gates[begin + r] + InputProduct::LOWEST * padded_H_;
    RowConverter<Operand> converter(INPUT_TOKENS, InputProduct::COUNT * padded_H_);
    const Word* const* rows = converter.along_rows(planes, count, InputProduct::COUNT * padded_H_);
    const long panels = this->panels(in_.D);
    TileBuffer zeros, tile;
    zeros.clear();
    for (long j = panels * i / parts; j < panels * (i + 1) / parts; ++j) {
      const long first = j * Base::PANEL, vectors = this->panel_vectors(in_.D, j);
      for (long r = 0; r < count; r += ROWS) {
        const long tile_rows = std::min<long>(ROWS, count - r);
        multiply<Word>(tile_rows, vectors, {rows + r}, this->transposed_W() + first * K, K,
                       zeros.places(), tile.places());
        for (long k = 0; k < tile_rows; ++k)
          for (long n = 0, column = first; n < vectors; ++n, column += LANES)
            store(tokens.d_x[begin + r + k] + column, load(tile.vector(k, n)), in_.D - column);
      }
    }
  }

  std::vector<Carried> carried_;
};

}  // namespace zoo
