// A layer over time: a group of rows multiplies a few steps of its inputs at once, then
// takes those steps one after the other.
#pragma once

#include "layout.h"
#include "product.h"

namespace zoo {

template <class Cell>
class Forward : Layout<Cell> {
  using Base = Layout<Cell>;
  using Base::in_, Base::pool_, Base::Hp_, Base::G_, Base::rows_, Base::groups_, Base::followers_;
  using Base::NX, Base::NU, Base::UNITS;

 public:
  using Base::Base;

  // b: a bias for each plane, [PLANES H]. y [B, T, H]; last_h, last_c [B, H]. gates
  // [B, T, kept(H)] and cells [B, T, padded(H)] are for the backward pass, or null.
  void run(const float* b, float* y, float* last_h, float* last_c, float* gates, float* cells) {
    const long tiles = this->tiles();
    Floats W(in_.D * tiles * NX * LANES), U(in_.H * tiles * NU * LANES), bias(G_, true);
    for (int p = 0; p < Cell::PLANES; ++p)
      std::memcpy(bias + p * Hp_, b + p * in_.H, in_.H * sizeof(float));
    pool_.run(tiles, [&](long j) {
      pack(W + j * in_.D * NX * LANES, in_.W, in_.D, j, Cell::X);
      pack(U + j * in_.H * NU * LANES, in_.U, in_.H, j, Cell::U);
    });
    this->clear_padding(y, in_.H);
    pool_.run(groups_.size(), [&](long i) {
      run_group(groups_[i], W.get(), U.get(), bias.get(), y, last_h, last_c, gates, cells);
    });
  }

 private:
  template <int N>
  void pack(float* to, const float* matrix, long rows, long j, const int (&)[N]) const {
    const long width = Base::GATES * in_.H;
    for (long k = 0; k < rows; ++k)
      for (int n = 0; n < N; ++n, to += LANES) {
        const auto [first, count] = this->columns(j, n);
        store(to, load(matrix + k * width + first, count));
      }
  }
  void run_group(const std::vector<long>& group, const float* W, const float* U, const float* bias,
                 float* y, float* last_h, float* last_c, float* gates, float* cells) const {
    const long n = group.size(), tiles = this->tiles();
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
      team.run(tiles, [&](long j) { project(j, inputs, places, W, bias); });

      float** place = places.data();
      for (long k = k0; k < std::min(k0 + chunk, steps); ++k) {
        while (k >= long(rows_[group[active - 1]].size())) --active;
        for (long r = 0; r < active; ++r)
          if (rows_[group[r]][k].before == -2) {
            this->copy(now[r], in_.initial_h, group[r]);
            if (Cell::CELL_STATE) this->copy(c + r * Hp_, in_.initial_c, group[r]);
          }
        team.run(tiles, [&](long j) {
          for (long r = 0; r < active; r += ROWS)
            fixed<ROWS>(std::min<long>(ROWS, active - r), [&]<int R>() {
              step<R>(j, &now[r], &next[r], c + r * Hp_, place + r, U, gates != nullptr);
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
  void project(long j, const std::vector<const float*>& inputs, const std::vector<float*>& places,
               const float* W, const float* bias) const {
    const long count = inputs.size();
    for (long i = 0; i < count; i += ROWS)
      fixed<ROWS>(std::min<long>(ROWS, count - i), [&]<int R>() {
        Vector tile[R][NX];
        const float* rows[R];
        UNROLL for (int r = 0; r < R; ++r) {
          rows[r] = inputs[i + r];
          UNROLL for (int n = 0; n < NX; ++n) tile[r][n] = load(bias + this->place(j, n, Cell::X));
        }
        accumulate(tile, rows, W + j * in_.D * NX * LANES, in_.D);
        UNROLL for (int r = 0; r < R; ++r) {
          UNROLL for (int n = 0; n < NX; ++n)
              store(places[i + r] + this->place(j, n, Cell::X), tile[r][n]);
          // A plane that the inputs do not reach has but a bias.
          for (int p = (Base::GATED ? NX : 1); p < Cell::PLANES; ++p)
            store(places[i + r] + p * Hp_ + j * UNITS, load(bias + p * Hp_ + j * UNITS));
        }
      });
  }

  template <int R>
  void step(long j, float* const* now, float* const* next, float* c, float* const* places,
            const float* U, bool keep) const {
    Vector tile[R][NU];
    const float* rows[R];
    UNROLL for (int r = 0; r < R; ++r) {
      rows[r] = now[r];
      UNROLL for (int n = 0; n < NU; ++n) tile[r][n] = load(places[r] + this->place(j, n, Cell::U));
    }
    accumulate(tile, rows, U + j * in_.H * NU * LANES, in_.H);
    const long unit = j * UNITS;
    UNROLL for (int r = 0; r < R; ++r)
        Cell::forward(tile[r], ForwardStep{now[r] + unit, next[r] + unit, c + r * Hp_ + unit,
                                           places[r] + unit, Hp_, keep});
  }
};

}  // namespace zoo
