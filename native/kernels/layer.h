// A layer over time, forward and backward.
//
// Padding costs nothing and is never looked at: each row is the list of its real tokens,
// and the k-th step takes the k-th token of every row that has one. Rows never mix, so that
// groups of them run at the same time. A group multiplies a few steps of its inputs at
// once, then takes those steps one after the other.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "cells.h"
#include "product.h"
#include "threads.h"

namespace zoo {

inline long round_up(long n, long to) { return (n + to - 1) / to * to; }

// Memory that begins where a cache line does.
class Floats {
 public:
  explicit Floats(long count, bool zero = false)
      : data_(static_cast<float*>(std::aligned_alloc(64, round_up(count * sizeof(float) + 64, 64))),
              std::free) {
    if (!data_) throw std::bad_alloc();
    if (zero) std::memset(data_.get(), 0, count * sizeof(float));
  }
  float* get() const { return data_.get(); }
  float* operator+(long i) const { return data_.get() + i; }

 private:
  std::unique_ptr<float, decltype(&std::free)> data_;
};

// All arrays are row-major. B rows of T steps; D inputs, H units. Flags are null if absent.
struct Input {
  long B, T, D, H;
  bool reverse;
  const float *x;         // [B, T, D]
  const float *W, *U;     // [D, G H], [H, G H], G = gates
  const bool *mask;       // [B, T]: a real token
  const bool *reset;      // [B, T]: restart from `initial` before this token
  const float *h, *c;     // [B, H]: the state before
  const float *initial_h, *initial_c;  // [B, H]
};

// How one token of a row stands in memory, and the one before it that the loop has met.
struct Token {
  long at;      // b T + t
  long before;  // the same of the token before; -1: the state before; -2: a restart
};

template <class Cell>
class Layer {
  // Vectors in a tile of the products with x and with h.
  static constexpr int NX = std::size(Cell::X), NU = std::size(Cell::U);
  static constexpr bool GATED = Cell::PLANES > 1;
  // Units whose gates stand in one tile.
  static constexpr long UNITS = GATED ? LANES : 4 * LANES;
  // Tokens, and vectors of columns, of a piece of work that fits the caches.
  static constexpr long TOKENS = 256, WIDE = 4;

 public:
  // Units with those that fill the last tile: how far apart planes are.
  static long padded(long H) { return round_up(H, UNITS); }
  // Numbers kept for each token.
  static long kept(long H) { return Cell::PLANES * padded(H); }

  Layer(const Input& in, Pool& pool)
      : in_(in), pool_(pool), Hp_(padded(in.H)), G_(kept(in.H)), rows_(in.B) {
    for (long b = 0; b < in.B; ++b) {
      long before = -1;
      for (long k = 0; k < in.T; ++k) {
        const long t = in.reverse ? in.T - 1 - k : k, at = b * in.T + t;
        if (in.mask && !in.mask[at]) continue;
        rows_[b].push_back({at, in.reset && in.reset[at] ? -2 : before});
        before = at;
      }
    }
    // The longest first: rows that have ended leave the others together. Dealt out there
    // and back, the groups have about the same work.
    std::vector<long> order(in.B);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](long a, long b) { return rows_[a].size() > rows_[b].size(); });
    // Below two rows a step is bound by reading the matrix.
    const long count = std::clamp(pool.threads(), 1L, std::max(1L, in.B / 2));
    groups_.resize(count);
    followers_ = pool.threads() / count - 1;
    for (long i = 0; i < in.B; ++i) {
      const long turn = i % (2 * count);
      groups_[turn < count ? turn : 2 * count - 1 - turn].push_back(order[i]);
    }
  }

  // b: a bias for each plane, [PLANES H]. y [B, T, H]; last_h, last_c [B, H]. gates
  // [B, T, kept(H)] and cells [B, T, padded(H)] are for the backward pass, or null.
  void forward(const float* b, float* y, float* last_h, float* last_c, float* gates,
               float* cells) {
    const long tiles = Hp_ / UNITS;
    Floats W(in_.D * tiles * NX * LANES), U(in_.H * tiles * NU * LANES), bias(G_, true);
    for (int p = 0; p < Cell::PLANES; ++p)
      std::memcpy(bias + p * Hp_, b + p * in_.H, in_.H * sizeof(float));
    pool_.run(tiles, [&](long j) {
      pack(W + j * in_.D * NX * LANES, in_.W, in_.D, j, Cell::X);
      pack(U + j * in_.H * NU * LANES, in_.U, in_.H, j, Cell::U);
    });
    clear_padding(y, in_.H);
    pool_.run(groups_.size(), [&](long i) {
      forward_group(groups_[i], W.get(), U.get(), bias.get(), y, last_h, last_c, gates, cells);
    });
  }

  // What `forward` made, and the gradients by y and by the last state. The gates become
  // the gradients by what the products made; by_b [PLANES H].
  void backward(const float* y, float* gates, const float* cells, const float* by_y,
                const float* by_last_h, const float* by_last_c, float* by_x, float* by_W,
                float* by_U, float* by_b, float* by_h, float* by_c, float* by_initial_h,
                float* by_initial_c) {
    Floats U(round_up(in_.H, LANES) * NU_planes() * Hp_);
    Floats W(round_up(in_.D, LANES) * NX_planes() * Hp_);
    pool_.run(panels(in_.H) + panels(in_.D), [&](long j) {
      if (j < panels(in_.H))
        pack_transposed(U.get(), in_.U, in_.H, j, NU_planes());
      else
        pack_transposed(W.get(), in_.W, in_.D, j - panels(in_.H), NX_planes());
    });
    pool_.run(groups_.size(), [&](long i) {
      backward_group(groups_[i], U.get(), y, gates, cells, by_y, by_last_h, by_last_c, by_h, by_c,
                     by_initial_h, by_initial_c);
    });
    clear_padding(by_x, in_.D);

    std::vector<const float*> x, h, g;
    for (long b = 0; b < in_.B; ++b)
      for (const Token& token : rows_[b]) {
        x.push_back(in_.x + token.at * in_.D);
        h.push_back(h_before(token, b, y));
        g.push_back(gates + token.at * G_);
      }
    const long count = x.size(), pieces = (count + TOKENS - 1) / TOKENS;
    const long tiles = Hp_ / UNITS, shares = std::min(pool_.threads(), tiles);
    pool_.run(shares + pieces, [&](long i) {
      if (i < shares)
        by_weights(tiles * i / shares, tiles * (i + 1) / shares, x, h, g, by_W, by_U, by_b);
      else
        by_inputs(i - shares, g, gates, W.get(), by_x);
    });
  }

 private:
  static constexpr int NX_planes() { return GATED ? NX : 1; }
  static constexpr int NU_planes() { return GATED ? NU : 1; }

  // Where the n-th vector of the j-th tile stands in the planes of a token.
  long place(long j, int n, const int* planes) const {
    return GATED ? planes[n] * Hp_ + j * UNITS : j * UNITS + n * LANES;
  }
  // And in which columns of a matrix [., G H]: the first, and how many.
  std::array<long, 2> columns(long j, int n) const {
    const long unit = GATED ? j * UNITS : j * UNITS + n * LANES;
    const long count = std::clamp(in_.H - unit, 0L, LANES);
    return {(GATED ? n * in_.H : 0) + unit, count};
  }

  template <int N>
  void pack(float* to, const float* matrix, long rows, long j, const int (&)[N]) const {
    const long width = gates() * in_.H;
    for (long k = 0; k < rows; ++k)
      for (int n = 0; n < N; ++n, to += LANES) {
        const auto [first, count] = columns(j, n);
        store(to, load(matrix + k * width + first, count));
      }
  }
  static constexpr long gates() { return GATED ? NX : 1; }

  // The j-th panel of columns of the transposed matrix, whose rows are padded planes. The
  // last panel has as many vectors as are left.
  void pack_transposed(float* to, const float* matrix, long size, long j, int planes) const {
    const long first = j * WIDE * LANES, count = std::min(size - first, WIDE * LANES);
    const long panel = round_up(count, LANES), width = gates() * in_.H;
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

  void clear_padding(float* rows, long width) const {
    if (!in_.mask) return;
    for (long at = 0; at < in_.B * in_.T; ++at)
      if (!in_.mask[at]) std::memset(rows + at * width, 0, width * sizeof(float));
  }

  const float* h_before(const Token& token, long b, const float* y) const {
    if (token.before >= 0) return y + token.before * in_.H;
    return (token.before == -1 ? in_.h : in_.initial_h) + b * in_.H;
  }

  void forward_group(const std::vector<long>& group, const float* W, const float* U,
                     const float* bias, float* y, float* last_h, float* last_c, float* gates,
                     float* cells) const {
    const long n = group.size(), tiles = Hp_ / UNITS;
    if (!n) return;
    const long steps = rows_[group[0]].size();
    // So many steps of inputs that a tile has all its rows.
    const long chunk = std::max(1L, (8 * ROWS + n - 1) / n);
    Floats states(2 * n * Hp_, true), c(n * Hp_, true), scratch(gates ? 0 : chunk * n * G_);
    std::vector<float*> now(n), next(n);
    for (long r = 0; r < n; ++r) {
      now[r] = states + r * Hp_;
      next[r] = states + (n + r) * Hp_;
      copy(now[r], in_.h, group[r]);
      if (Cell::CELL_STATE) copy(c + r * Hp_, in_.c, group[r]);
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
            copy(now[r], in_.initial_h, group[r]);
            if (Cell::CELL_STATE) copy(c + r * Hp_, in_.initial_c, group[r]);
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

  void copy(float* to, const float* states, long b) const {
    std::memcpy(to, states + b * in_.H, in_.H * sizeof(float));
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
          UNROLL for (int n = 0; n < NX; ++n) tile[r][n] = load(bias + place(j, n, Cell::X));
        }
        accumulate(tile, rows, W + j * in_.D * NX * LANES, in_.D);
        UNROLL for (int r = 0; r < R; ++r) {
          UNROLL for (int n = 0; n < NX; ++n)
            store(places[i + r] + place(j, n, Cell::X), tile[r][n]);
          // A plane that the inputs do not reach has but a bias.
          for (int p = NX_planes(); p < Cell::PLANES; ++p)
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
      UNROLL for (int n = 0; n < NU; ++n) tile[r][n] = load(places[r] + place(j, n, Cell::U));
    }
    accumulate(tile, rows, U + j * in_.H * NU * LANES, in_.H);
    const long unit = j * UNITS;
    UNROLL for (int r = 0; r < R; ++r)
      Cell::forward(tile[r], Forward{now[r] + unit, next[r] + unit, c + r * Hp_ + unit,
                                     places[r] + unit, Hp_, keep});
  }

  void backward_group(const std::vector<long>& group, const float* U, const float* y,
                      float* gates, const float* cells, const float* by_y,
                      const float* by_last_h, const float* by_last_c, float* by_h, float* by_c,
                      float* by_initial_h, float* by_initial_c) const {
    const long n = group.size(), K = NU_planes() * Hp_;
    if (!n) return;
    Floats h(n * Hp_, true), c(n * Hp_, true);
    for (long r = 0; r < n; ++r) {
      copy(h + r * Hp_, by_last_h, group[r]);
      if (Cell::CELL_STATE) copy(c + r * Hp_, by_last_c, group[r]);
      if (by_initial_h) {  // of steps without tokens too
        std::memset(by_initial_h + group[r] * in_.H, 0, in_.H * sizeof(float));
        if (Cell::CELL_STATE) std::memset(by_initial_c + group[r] * in_.H, 0, in_.H * sizeof(float));
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
          c_before = token.before >= 0   ? cells + token.before * Hp_
                     : token.before == -1 ? in_.c + b * in_.H
                                          : in_.initial_c + b * in_.H;
        }
        for (long unit = 0; unit < Hp_; unit += LANES) {
          const long count = std::clamp(in_.H - unit, 0L, LANES);
          Backward at{gates + token.at * G_ + unit, Hp_, {}, {}, {}, {}, c + r * Hp_ + unit,
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
    const int count = GATED ? P : 1;
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
  void by_inputs(long piece, const std::vector<const float*>& g, const float* gates,
                 const float* W, float* by_x) const {
    const long K = NX_planes() * Hp_, end = std::min<long>(g.size(), (piece + 1) * TOKENS);
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
            store(sum, load(sum) + load(g[i + k] + place(j, n, ALL)));
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
        const auto [column, width] = columns(j, n);
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
        store(panel + (k * N + n) * LANES, load(g[k] + place(j, n, planes)));
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
      const auto [first, count] = columns(j, n);
      for (long m = 0; m < size; ++m)
        store(matrix + m * gates() * in_.H + first, load(sum + (m * N + n) * LANES), count);
    }
  }

  const Input in_;
  Pool& pool_;
  const long Hp_, G_;
  std::vector<std::vector<Token>> rows_;  // in the order of the loop
  std::vector<std::vector<long>> groups_;
  long followers_;  // threads that are left for each group
};

}  // namespace zoo
