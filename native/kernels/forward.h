// A layer over time: a group of rows multiplies a few steps of its inputs at once, then
// takes those steps one after the other.
#pragma once

#include "layout.h"
#include "operand.h"
#include "product.h"

namespace zoo {

template <class Cell, class Operand>
class Forward : Layout<Cell> {
  using Base = Layout<Cell>;
  using Base::in_, Base::pool_, Base::Hp_, Base::G_, Base::rows_, Base::groups_, Base::followers_;
  using X = typename Cell::X;
  using Steps = typename Cell::Steps;
  using Word = typename Operand::Word;

 public:
  Forward(const Input& in, Pool& pool)
      : Base(in, pool),
        W_(words<Operand>(in.D) * Base::GATES * Hp_),
        U_(words<Operand>(in.H) * Base::GATES * Hp_),
        bias_(G_, true) {
    for (int p = 0; p < Cell::PLANES; ++p)
      std::memcpy(bias_ + p * Hp_, in.b + Base::bias_block(p) * in.H, in.H * sizeof(float));
    const long shares = pool.threads();
    pool.run(shares, [&](long i) {
      pack<X>(W_.get(), in.W, in.D, this->template share<X>(i, shares));
      Steps::forward(
          [&]<class S>() { pack<S>(packed<S>(), in.U, in.H, this->template share<S>(i, shares)); });
    });
  }

  // y [B, T, H]; last_h, last_c [B, H]. gates [B, T, PLANES Hp] and cells [B, T, Hp], where
  // Hp are the units with those that fill a vector, are for the backward pass, or null.
  void run(float* y, float* last_h, float* last_c, float* gates, float* cells) const {
    this->clear_padding(y, in_.H);
    pool_.run(groups_.size(),
              [&](long i) { run_group(groups_[i], y, last_h, last_c, gates, cells); });
  }

  // Make the gates of some tokens whose states before them are known. h and c are rows of
  // Hp; c is overwritten.
  void gates(long count, const float* const* inputs, float* h, float* c,
             float* const* places) const {
    Floats after(Hp_);
    std::vector<float*> now(count), next(count, after.get());
    for (long i = 0; i < count; ++i) now[i] = h + i * Hp_;
    Rows<Operand> x(count, in_.D);
    Multiplied multiplied(count, in_.H, Hp_);
    const Word* const* rows = x.along(inputs, count, in_.D);
    for (long j = 0; j < this->template tiles<X>(); ++j) project(j, count, rows, places);
    Steps::forward([&]<class S>() {
      rows = multiplied.template of<S>(count, now.data(), places);
      for (long j = 0; j < this->template tiles<S>(); ++j)
        step<S>(j, count, rows, now.data(), next.data(), c, places, true);
    });
  }

 private:
  // What the rows of a stage multiply its matrix with.
  class Multiplied {
   public:
    Multiplied(long rows, long H, long plane)
        : H_(H), plane_(plane), rows_(rows), words_(rows, H) {}

    template <class S>
    const Word* const* of(long count, float* const* states, float* const* places) {
      for (long r = 0; r < count; ++r)
        rows_[r] = S::SOURCE == STATE ? states[r] : places[r] + S::SOURCE * plane_;
      return words_.along(rows_.data(), count, H_);
    }

   private:
    const long H_, plane_;
    std::vector<const float*> rows_;
    Rows<Operand> words_;
  };

  // The matrix of a stage.
  template <class S>
  Word* packed() const {
    return U_ + words<Operand>(in_.H) * S::FIRST * Hp_;
  }

  // Put the columns of some tiles together.
  template <class P>
  void pack(Word* to, const float* matrix, long rows, std::array<long, 2> range) const {
    const long width = Base::GATES * in_.H;
    for (long j = range[0]; j < range[1]; ++j)
      this->template tile<P>(j, [&]<int V>(long unit) {
        Word* block = to + words<Operand>(rows) * P::COUNT * unit;
        for (long k = 0; k < rows; k += Operand::PER)
          for (int n = 0; n < P::COUNT * V; ++n, block += LANES) {
            const auto [first, count] = this->template columns<P, V>(unit, n);
            Vector numbers[Operand::PER] = {};
            for (long i = 0; i < std::min(Operand::PER, rows - k); ++i)
              numbers[i] = load(matrix + (k + i) * width + first, count);
            Operand::put(block, numbers);
          }
      });
  }

  void run_group(const std::vector<long>& group, float* y, float* last_h, float* last_c,
                 float* gates, float* cells) const {
    const long n = group.size();
    if (!n) return;
    const long steps = rows_[group[0]].size();
    // So many steps of inputs that a tile has all its rows.
    const long chunk = std::max(1L, (8 * ROWS + n - 1) / n);
    Floats states(2 * n * Hp_, true), c(n * Hp_, true), scratch(gates ? 0 : chunk * n * G_);
    std::vector<float*> now(n), next(n);
    for (long r = 0; r < n; ++r) {
      now[r] = states + r * Hp_;
      next[r] = states + (n + r) * Hp_;
      this->copy(now[r], in_.h, group[r]);
      if (Cell::CELL_STATE) this->copy(c + r * Hp_, in_.c, group[r]);
    }
    std::vector<const float*> inputs;
    std::vector<float*> places;
    Rows<Operand> x(chunk * n, in_.D);
    Multiplied multiplied(n, in_.H, Hp_);
    Team team(pool_, followers_);
    long active = n;
    for (long k0 = 0; k0 < steps; k0 += chunk) {
      inputs.clear();
      places.clear();
      for (long k = k0; k < std::min(k0 + chunk, steps); ++k)
        for (long r = 0; r < n && k < long(rows_[group[r]].size()); ++r) {
          const Token& token = rows_[group[r]][k];
          inputs.push_back(in_.x + token.at * in_.D);
          places.push_back(gates ? gates + token.at * G_ : scratch + places.size() * G_);
        }
      const Word* const* rows = x.along(inputs.data(), inputs.size(), in_.D);
      team.run(this->template tiles<X>(),
               [&](long j) { project(j, inputs.size(), rows, places.data()); });

      float** place = places.data();
      for (long k = k0; k < std::min(k0 + chunk, steps); ++k) {
        pool_.settle();
        while (k >= long(rows_[group[active - 1]].size())) --active;
        for (long r = 0; r < active; ++r)
          if (rows_[group[r]][k].before == -2) {
            this->copy(now[r], in_.initial_h, group[r]);
            if (Cell::CELL_STATE) this->copy(c + r * Hp_, in_.initial_c, group[r]);
          }
        Steps::forward([&]<class S>() {
          rows = multiplied.template of<S>(active, now.data(), place);
          team.run(this->template tiles<S>(), [&](long j) {
            step<S>(j, active, rows, now.data(), next.data(), c.get(), place, gates != nullptr);
          });
        });
        for (long r = 0; r < active; ++r) {
          const long at = rows_[group[r]][k].at;
          std::memcpy(y + at * in_.H, next[r], in_.H * sizeof(float));
          if (cells && Cell::CELL_STATE)
            std::memcpy(cells + at * Hp_, c + r * Hp_, Hp_ * sizeof(float));
          std::swap(now[r], next[r]);
        }
        place += active;
      }
    }
    for (long r = 0; r < n; ++r) {
      std::memcpy(last_h + group[r] * in_.H, now[r], in_.H * sizeof(float));
      if (Cell::CELL_STATE)
        std::memcpy(last_c + group[r] * in_.H, c + r * Hp_, in_.H * sizeof(float));
    }
  }

  // The j-th tile of xW + b, of many tokens.
  void project(long j, long count, const Word* const* inputs, float* const* places) const {
    this->template tile<X>(j, [&]<int V>(long unit) {
      constexpr int N = X::COUNT * V;
      const long K = words<Operand>(in_.D);
      for (long i = 0; i < count; i += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, count - i), [&]<int R>() {
          multiply<R, N>(
              few<R>(inputs + i), W_ + K * X::COUNT * unit, K,
              [&](int, int n) { return load(bias_ + this->template place<X, V>(unit, n)); },
              [&](int r, int n, Vector v) {
                store(places[i + r] + this->template place<X, V>(unit, n), v);
              });
          // A plane that the inputs do not reach has but a bias.
          for (int r = 0; r < R; ++r)
            for (int p = X::COUNT; p < Cell::PLANES; ++p)
              for (long at = p * Hp_ + unit; at < p * Hp_ + unit + V * LANES; at += LANES)
                store(places[i + r] + at, load(bias_ + at));
        });
    });
  }

  // The j-th tile of one stage of one step of some rows.
  template <class S>
  void step(long j, long count, const Word* const* rows, float* const* now, float* const* next,
            float* c, float* const* places, bool keep) const {
    this->template tile<S>(j, [&]<int V>(long unit) {
      constexpr int N = S::COUNT * V;
      const long K = words<Operand>(in_.H);
      const Word* U = packed<S>() + K * S::COUNT * unit;
      for (long i = 0; i < count; i += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, count - i), [&]<int R>() {
          Vector tile[R][N];
          multiply<R, N>(
              few<R>(rows + i), U, K,
              [&](int r, int n) {
                return load(places[i + r] + this->template place<S, V>(unit, n));
              },
              [&](int r, int n, Vector v) { tile[r][n] = v; });
          UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < V; ++v) {
            Vector a[S::COUNT];
            UNROLL for (int p = 0; p < S::COUNT; ++p) a[p] = tile[r][p * V + v];
            const long at = unit + v * LANES;
            S::forward(a, ForwardStep{now[i + r] + at, next[i + r] + at, c + (i + r) * Hp_ + at,
                                      places[i + r] + at, Hp_, keep});
          }
        });
    });
  }

  Array<Word> W_, U_;
  Floats bias_;
};

}  // namespace zoo
