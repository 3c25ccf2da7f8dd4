// The gradient of a layer: back through the steps, then one product over all tokens for each
// matrix and for the inputs.
#pragma once

#include "layout.h"
#include "product.h"

namespace zoo {

template <class Cell>
class Backward : Layout<Cell> {
  using Base = Layout<Cell>;
  using Base::in_, Base::pool_, Base::Hp_, Base::G_, Base::rows_, Base::groups_, Base::followers_;
  using Base::NX, Base::NU;

  // Tokens, and vectors of columns, of a piece of work that fits the caches.
  static constexpr long TOKENS = 256, WIDE = 4;
  // Planes that the products with x and with h go to.
  static constexpr int X_PLANES = Base::GATED ? NX : 1, U_PLANES = Base::GATED ? NU : 1;

 public:
  using Base::Base;

  // What `Forward` made, and the gradients by y and by the last state. The gates become
  // the gradients by what the products made; by_b [PLANES H].
  void run(const float* y, float* gates, const float* cells, const float* by_y,
           const float* by_last_h, const float* by_last_c, float* by_x, float* by_W, float* by_U,
           float* by_b, float* by_h, float* by_c, float* by_initial_h, float* by_initial_c) {
    Floats U(round_up(in_.H, LANES) * U_PLANES * Hp_);
    Floats W(round_up(in_.D, LANES) * X_PLANES * Hp_);
    pool_.run(panels(in_.H) + panels(in_.D), [&](long j) {
      if (j < panels(in_.H))
        pack_transposed(U.get(), in_.U, in_.H, j, U_PLANES);
      else
        pack_transposed(W.get(), in_.W, in_.D, j - panels(in_.H), X_PLANES);
    });
    pool_.run(groups_.size(), [&](long i) {
      run_group(groups_[i], U.get(), y, gates, cells, by_y, by_last_h, by_last_c, by_h, by_c,
                by_initial_h, by_initial_c);
    });
    this->clear_padding(by_x, in_.D);

    std::vector<const float*> x, h, g;
    for (long b = 0; b < in_.B; ++b)
      for (const Token& token : rows_[b]) {
        x.push_back(in_.x + token.at * in_.D);
        h.push_back(h_before(token, b, y));
        g.push_back(gates + token.at * G_);
      }
    const long count = x.size(), pieces = (count + TOKENS - 1) / TOKENS;
    const long tiles = this->tiles(), shares = std::min(pool_.threads(), tiles);
    pool_.run(shares + pieces, [&](long i) {
      if (i < shares)
        by_weights(tiles * i / shares, tiles * (i + 1) / shares, x, h, g, by_W, by_U, by_b);
      else
        by_inputs(i - shares, g, gates, W.get(), by_x);
    });
  }

 private:
  // The j-th panel of columns of the transposed matrix, whose rows are padded planes. The
  // last panel has as many vectors as are left.
  void pack_transposed(float* to, const float* matrix, long size, long j, int planes) const {
    const long first = j * WIDE * LANES, count = std::min(size - first, WIDE * LANES);
    const long panel = round_up(count, LANES), width = Base::GATES * in_.H;
    to += first * planes * Hp_;
    std::memset(to, 0, planes * Hp_ * panel * sizeof(float));
    for (int p = 0; p < planes; ++p)
      for (long unit = 0; unit < in_.H; unit += LANES)
        for (long c = 0; c < count; ++c) {
          const float* from = matrix + (first + c) * width + p * in_.H;
          for (long u = unit; u < std::min(unit + LANES, in_.H); ++u)
            to[(p * Hp_ + u) * panel + c] = from[u];
        }
  }

  // How many panels `size` columns are.
  static long panels(long size) { return round_up(size, WIDE * LANES) / (WIDE * LANES); }

  // body<N>(first column) for the j-th of them, which has N vectors.
  template <class Body>
  static void panel(long size, long j, const Body& body) {
    const long first = j * WIDE * LANES;
    fixed<WIDE>(round_up(size - first, LANES) / LANES,
                [&]<int N>() { body.template operator()<N>(first); });
  }

  const float* h_before(const Token& token, long b, const float* y) const {
    if (token.before >= 0) return y + token.before * in_.H;
    return (token.before == -1 ? in_.h : in_.initial_h) + b * in_.H;
  }

  void run_group(const std::vector<long>& group, const float* U, const float* y, float* gates,
                 const float* cells, const float* by_y, const float* by_last_h,
                 const float* by_last_c, float* by_h, float* by_c, float* by_initial_h,
                 float* by_initial_c) const {
    const long n = group.size(), K = U_PLANES * Hp_;
    if (!n) return;
    Floats h(n * Hp_, true), c(n * Hp_, true);
    for (long r = 0; r < n; ++r) {
      this->copy(h + r * Hp_, by_last_h, group[r]);
      if (Cell::CELL_STATE) this->copy(c + r * Hp_, by_last_c, group[r]);
      if (by_initial_h) {  // of steps without tokens too
        std::memset(by_initial_h + group[r] * in_.H, 0, in_.H * sizeof(float));
        if (Cell::CELL_STATE)
          std::memset(by_initial_c + group[r] * in_.H, 0, in_.H * sizeof(float));
      }
    }
    Team team(pool_, followers_);
    long active = 0;
    std::vector<const float*> rows(n);
    for (long k = long(rows_[group[0]].size()) - 1; k >= 0; --k) {
      while (active < n && k < long(rows_[group[active]].size())) ++active;
      for (long r = 0; r < active; ++r) {
        const Token& token = rows_[group[r]][k];
        const long b = group[r];
        rows[r] = gates + token.at * G_;
        const float* before = h_before(token, b, y);
        const float *c_before = nullptr, *c_after = nullptr;
        if (Cell::CELL_STATE) {
          c_after = cells + token.at * Hp_;
          c_before = token.before >= 0    ? cells + token.before * Hp_
                     : token.before == -1 ? in_.c + b * in_.H
                                          : in_.initial_c + b * in_.H;
        }
        for (long unit = 0; unit < Hp_; unit += LANES) {
          const long count = std::clamp(in_.H - unit, 0L, LANES);
          BackwardStep at{gates + token.at * G_ + unit,
                          Hp_,
                          {},
                          {},
                          {},
                          {},
                          c + r * Hp_ + unit,
                          h + r * Hp_ + unit};
          at.h_before = load(before + unit, count);
          if (Cell::CELL_STATE) {
            at.c = load(c_after + unit);
            at.c_before = load(c_before + unit, count);
          }
          at.by_h = load(at.by_h_before) + load(by_y + token.at * in_.H + unit, count);
          Cell::backward(at);
        }
      }
      team.run(panels(in_.H), [&](long j) {
        panel(in_.H, j, [&]<int N>(long first) {
          for (long r = 0; r < active; r += ROWS)
            fixed<ROWS>(std::min<long>(ROWS, active - r), [&]<int R>() {
              Vector tile[R][N];
              float* to = h + r * Hp_ + first;
              UNROLL for (int i = 0; i < R; ++i) {
                UNROLL for (int n = 0; n < N; ++n) tile[i][n] = load(to + i * Hp_ + n * LANES);
              }
              over_planes(tile, &rows[r], Cell::U, U + first * K);
              UNROLL for (int i = 0; i < R; ++i) {
                UNROLL for (int n = 0; n < N; ++n) store(to + i * Hp_ + n * LANES, tile[i][n]);
              }
            });
        });
      });
      for (long r = 0; r < active; ++r) {
        if (rows_[group[r]][k].before != -2) continue;
        add_and_clear(by_initial_h + group[r] * in_.H, h + r * Hp_);
        if (Cell::CELL_STATE) add_and_clear(by_initial_c + group[r] * in_.H, c + r * Hp_);
      }
    }
    for (long r = 0; r < n; ++r) {
      std::memcpy(by_h + group[r] * in_.H, h + r * Hp_, in_.H * sizeof(float));
      if (Cell::CELL_STATE)
        std::memcpy(by_c + group[r] * in_.H, c + r * Hp_, in_.H * sizeof(float));
    }
  }

  void add_and_clear(float* to, float* from) const {
    for (long unit = 0; unit < in_.H; ++unit) {
      to[unit] += from[unit];
      from[unit] = 0;
    }
  }

  // tile += the gradients in some planes of a token, times the transposed matrix. Planes
  // that stand side by side are one run.
  template <int R, int N, int P>
  void over_planes(Vector (&tile)[R][N], const float* const* tokens, const int (&planes)[P],
                   const float* panel) const {
    const int count = Base::GATED ? P : 1;
    for (int p = 0; p < count;) {
      int end = p + 1;
      while (end < count && planes[end] == planes[end - 1] + 1) ++end;
      const float* rows[R];
      UNROLL for (int r = 0; r < R; ++r) rows[r] = tokens[r] + planes[p] * Hp_;
      accumulate(tile, rows, panel, (end - p) * Hp_);
      panel += (end - p) * Hp_ * N * LANES;
      p = end;
    }
  }

  // The gradient by the inputs of a piece of the tokens.
  void by_inputs(long piece, const std::vector<const float*>& g, const float* gates, const float* W,
                 float* by_x) const {
    const long K = X_PLANES * Hp_, end = std::min<long>(g.size(), (piece + 1) * TOKENS);
    for (long j = 0; j < panels(in_.D); ++j)
      panel(in_.D, j, [&]<int N>(long first) {
        for (long i = piece * TOKENS; i < end; i += ROWS)
          fixed<ROWS>(std::min<long>(ROWS, end - i), [&]<int R>() {
            Vector tile[R][N] = {};
            over_planes(tile, &g[i], Cell::X, W + first * K);
            for (int r = 0; r < R; ++r)
              for (int n = 0; n < N; ++n) {
                const long column = first + n * LANES, count = std::min(in_.D - column, LANES);
                store(by_x + (g[i + r] - gates) / G_ * in_.D + column, tile[r][n], count);
              }
          });
      });
  }

  // The gradients by the columns of some tiles, of W, U and b.
  void by_weights(long first, long last, const std::vector<const float*>& x,
                  const std::vector<const float*>& h, const std::vector<const float*>& g,
                  float* by_W, float* by_U, float* by_b) const {
    const long tiles = last - first, size_W = in_.D * NX * LANES, size_U = in_.H * NU * LANES;
    Floats W(tiles * size_W, true), U(tiles * size_U, true), b(tiles * WIDE * LANES, true);
    Floats x_blocks(TOKENS * in_.D), h_blocks(TOKENS * in_.H), panel(TOKENS * WIDE * LANES);
    const long count = g.size();
    for (long i = 0; i < count; i += TOKENS) {
      const long K = std::min(TOKENS, count - i);
      pack_columns(x_blocks.get(), &x[i], in_.D, K);
      pack_columns(h_blocks.get(), &h[i], in_.H, K);
      for (long j = first; j < last; ++j) {
        for (long k = 0; k < K; ++k)
          for (int n = 0; n < WIDE; ++n) {
            float* sum = b + ((j - first) * WIDE + n) * LANES;
            store(sum, load(sum) + load(g[i + k] + this->place(j, n, ALL)));
          }
        add_product<NX>(W + (j - first) * size_W, x_blocks.get(), in_.D, &g[i], j, Cell::X,
                        panel.get(), K);
        add_product<NU>(U + (j - first) * size_U, h_blocks.get(), in_.H, &g[i], j, Cell::U,
                        panel.get(), K);
      }
    }
    for (long j = first; j < last; ++j) {
      spread<NX>(by_W, W + (j - first) * size_W, in_.D, j);
      spread<NU>(by_U, U + (j - first) * size_U, in_.H, j);
      for (int n = 0; n < WIDE; ++n) {
        const auto [column, width] = this->columns(j, n);
        store(by_b + column, load(b + ((j - first) * WIDE + n) * LANES), width);
      }
    }
  }

  static constexpr int ALL[] = {0, 1, 2, 3};

  // Put ROWS columns of many rows together.
  static void pack_columns(float* to, const float* const* rows, long size, long K) {
    constexpr long FEW = 16;  // rows whose lines stay in the nearest cache
    for (long k = 0; k < K; k += FEW)
      for (long m = 0; m < size; m += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
          for (long i = k; i < std::min(k + FEW, K); ++i)
            std::memcpy(to + m * K + i * R, rows[i] + m, R * sizeof(float));
        });
  }

  // sum += the transposed rows, times the planes of the same tokens in the j-th tile.
  template <int N>
  void add_product(float* sum, const float* blocks, long size, const float* const* g, long j,
                   const int (&planes)[N], float* panel, long K) const {
    for (long k = 0; k < K; ++k)
      for (int n = 0; n < N; ++n)
        store(panel + (k * N + n) * LANES, load(g[k] + this->place(j, n, planes)));
    for (long m = 0; m < size; m += ROWS)
      fixed<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
        Vector tile[R][N];
        float* to = sum + m * N * LANES;
        UNROLL for (int r = 0; r < R; ++r) {
          UNROLL for (int n = 0; n < N; ++n) tile[r][n] = load(to + (r * N + n) * LANES);
        }
        accumulate_transposed(tile, blocks + m * K, panel, K);
        UNROLL for (int r = 0; r < R; ++r) {
          UNROLL for (int n = 0; n < N; ++n) store(to + (r * N + n) * LANES, tile[r][n]);
        }
      });
  }

  // Put a tile's columns where they belong in a matrix [size, G H].
  template <int N>
  void spread(float* matrix, const float* sum, long size, long j) const {
    for (int n = 0; n < N; ++n) {
      const auto [first, count] = this->columns(j, n);
      for (long m = 0; m < size; ++m)
        store(matrix + m * Base::GATES * in_.H + first, load(sum + (m * N + n) * LANES), count);
    }
  }
};

}  // namespace zoo
