// The gradient of a layer: back through the steps, then one product over all tokens for each
// matrix and for the inputs.
#pragma once

#include <optional>

#include "forward.h"
#include "layout.h"
#include "product.h"

namespace zoo {

template <class Cell>
class Backward : Layout<Cell> {
  using Base = Layout<Cell>;
  using Base::GATES;
  using Base::in_, Base::pool_, Base::Hp_, Base::G_, Base::rows_, Base::groups_, Base::followers_;
  using X = typename Cell::X;
  using Steps = typename Cell::Steps;

  // Tokens, and vectors of columns, of a piece of work that fits the caches.
  static constexpr long TOKENS = 256, WIDE = 4;
  // Tokens whose gates are made again at once: few, but enough for all threads.
  static constexpr long AGAIN = 1024;

 public:
  Backward(const Input& in, Pool& pool)
      : Base(in, pool),
        W_(round_up(in.D, LANES) * GATES * Hp_),
        U_(round_up(in.H, LANES) * GATES * Hp_),
        by_W_((in.D + 1) * GATES * Hp_),
        by_U_((in.H + 1) * GATES * Hp_) {
    for (const auto& group : groups_) carried_.emplace_back(group.size() * Hp_);
    pool.run(panels(in.H) + panels(in.D), [&](long j) {
      if (j >= panels(in.H)) return pack_transposed<X>(W_.get(), in.W, in.D, j - panels(in.H));
      Steps::forward([&]<class S>() { pack_transposed<S>(turned<S>(), in.U, in.H, j); });
    });
  }

  // What `Forward` made, and the gradients by y and by the last state. The gates become
  // the gradients by what the products made; if they were not kept (null), they are made
  // again, of some steps at a time. by_b [PLANES H].
  void run(const float* y, float* gates, const float* cells, const float* by_y,
           const float* by_last_h, const float* by_last_c, float* by_x, float* by_W, float* by_U,
           float* by_b, float* by_h, float* by_c, float* by_initial_h, float* by_initial_c) {
    std::optional<Forward<Cell>> again;
    if (!gates) again.emplace(in_, pool_);
    each_row([&](long b, float* h, float* c) {
      this->copy(h, by_last_h, b);
      if (Cell::CELL_STATE) this->copy(c, by_last_c, b);
    });
    if (by_initial_h) {  // of steps without tokens too
      std::memset(by_initial_h, 0, in_.B * in_.H * sizeof(float));
      if (Cell::CELL_STATE) std::memset(by_initial_c, 0, in_.B * in_.H * sizeof(float));
    }
    this->clear_padding(by_x, in_.D);

    long most = 0;
    for (const auto& row : rows_) most = std::max<long>(most, row.size());
    const long shares = pool_.threads();
    const long chunk = std::max(1L, gates ? most : AGAIN / std::max(1L, in_.B));
    Floats scratch(gates ? 0 : std::min(chunk, most) * in_.B * G_);
    for (long end = most; end == most || end > 0; end -= chunk) {
      const long begin = std::max(0L, end - chunk);
      Tokens tokens;
      for (long b = 0; b < in_.B; ++b)
        for (long k = begin; k < std::min<long>(end, rows_[b].size()); ++k) {
          Token& token = rows_[b][k];
          token.gates = gates ? gates + token.at * G_ : scratch + tokens.g.size() * G_;
          tokens.x.push_back(in_.x + token.at * in_.D);
          tokens.h.push_back(h_before(token, b, y));
          if (again && Cell::CELL_STATE) tokens.c.push_back(c_before(token, b, cells));
          tokens.g.push_back(token.gates);
          tokens.by_x.push_back(by_x + token.at * in_.D);
        }
      const long pieces = (tokens.g.size() + TOKENS - 1) / TOKENS;
      if (again) pool_.run(pieces, [&](long i) { make_again(*again, tokens, i); });
      pool_.run(groups_.size(), [&](long i) {
        run_group(groups_[i], carried_[i], begin, end, y, cells, by_y, by_initial_h, by_initial_c);
      });
      pool_.run(shares + pieces, [&](long i) {
        if (i < shares)
          by_weights(i, shares, tokens, end == most);
        else
          by_inputs(i - shares, tokens);
      });
    }

    std::memset(by_b, 0, Cell::PLANES * in_.H * sizeof(float));
    pool_.run(shares, [&](long i) {
      spread<X>(by_W, by_b, 0, by_W_.get(), in_.D, this->template share<X>(i, shares));
      Steps::forward([&]<class S>() {
        spread<S>(by_U, by_b, X::COUNT, sums<S>(), in_.H, this->template share<S>(i, shares));
      });
    });
    each_row([&](long b, float* h, float* c) {
      std::memcpy(by_h + b * in_.H, h, in_.H * sizeof(float));
      if (Cell::CELL_STATE) std::memcpy(by_c + b * in_.H, c, in_.H * sizeof(float));
    });
  }

 private:
  // The gradients by the state of the rows of a group, and by what stages multiply.
  struct Carried {
    explicit Carried(long size) : h(size, true), c(size, true), source(size) {}
    Floats h, c, source;
  };

  // Some tokens, and what the products over all of them read and write.
  struct Tokens {
    std::vector<const float*> x, h, c;  // h and c before, c for gates that are made again
    std::vector<float*> g, by_x;
  };

  // body(b, h, c) for the gradients that are carried.
  template <class Body>
  void each_row(const Body& body) {
    for (size_t i = 0; i < groups_.size(); ++i)
      for (size_t r = 0; r < groups_[i].size(); ++r)
        body(groups_[i][r], carried_[i].h + r * Hp_, carried_[i].c + r * Hp_);
  }

  // The transposed matrix of a stage, and the sums that become its gradient.
  template <class S>
  float* turned() const {
    return U_ + round_up(in_.H, LANES) * S::FIRST * Hp_;
  }
  template <class S>
  float* sums() const {
    return by_U_ + (in_.H + 1) * S::FIRST * Hp_;
  }

  // The j-th panel of columns of the transposed matrix, whose rows are padded planes. The
  // last panel has as many vectors as are left.
  template <class P>
  void pack_transposed(float* to, const float* matrix, long size, long j) const {
    const long first = j * WIDE * LANES, count = std::min(size - first, WIDE * LANES);
    const long panel = round_up(count, LANES), width = GATES * in_.H;
    to += first * P::COUNT * Hp_;
    std::memset(to, 0, P::COUNT * Hp_ * panel * sizeof(float));
    for (int p = 0; p < P::COUNT; ++p) {
      float* plane = to + (P::AT[p] - P::LEAST) * Hp_ * panel;
      for (long unit = 0; unit < in_.H; unit += LANES)
        for (long c = 0; c < count; ++c) {
          const float* from = matrix + (first + c) * width + (P::FIRST + p) * in_.H;
          for (long u = unit; u < std::min(unit + LANES, in_.H); ++u)
            plane[u * panel + c] = from[u];
        }
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

  const float* c_before(const Token& token, long b, const float* cells) const {
    if (token.before >= 0) return cells + token.before * Hp_;
    return (token.before == -1 ? in_.c : in_.initial_c) + b * in_.H;
  }

  // The gates of a piece of the tokens.
  void make_again(const Forward<Cell>& again, const Tokens& tokens, long piece) const {
    const long first = piece * TOKENS, count = std::min<long>(tokens.g.size() - first, TOKENS);
    Floats h(count * Hp_, true), c(count * Hp_, true);
    for (long i = 0; i < count; ++i) {
      this->copy(h + i * Hp_, tokens.h[first + i], 0);
      if (Cell::CELL_STATE) this->copy(c + i * Hp_, tokens.c[first + i], 0);
    }
    again.gates(count, &tokens.x[first], h.get(), c.get(), &tokens.g[first]);
  }

  // The steps of a group from `begin` to before `end`, the last one first.
  void run_group(const std::vector<long>& group, Carried& carried, long begin, long end,
                 const float* y, const float* cells, const float* by_y, float* by_initial_h,
                 float* by_initial_c) const {
    const long n = group.size();
    float *h = carried.h.get(), *c = carried.c.get(), *source = carried.source.get();
    Team team(pool_, followers_);
    long active = 0;
    std::vector<const float*> rows(n);
    for (long k = end - 1; k >= begin; --k) {
      while (active < n && k < long(rows_[group[active]].size())) ++active;
      for (long r = 0; r < active; ++r) rows[r] = rows_[group[r]][k].gates;
      Steps::backward([&]<class S>() {
        for (long r = 0; r < active; ++r)
          step<S>(rows_[group[r]][k], group[r], y, cells, by_y, h + r * Hp_, c + r * Hp_,
                  source + r * Hp_);
        float* to = S::SOURCE == STATE ? h : source;
        team.run(panels(in_.H), [&](long j) { through<S>(j, active, rows.data(), to); });
      });
      for (long r = 0; r < active; ++r) {
        if (rows_[group[r]][k].before != -2) continue;
        add_and_clear(by_initial_h + group[r] * in_.H, h + r * Hp_);
        if (Cell::CELL_STATE) add_and_clear(by_initial_c + group[r] * in_.H, c + r * Hp_);
      }
    }
  }

  // Back through what one stage did to a token of row b after its product.
  template <class S>
  void step(const Token& token, long b, const float* y, const float* cells, const float* by_y,
            float* h, float* c, float* source) const {
    const float *h_from = h_before(token, b, y), *c_from = nullptr, *c_to = nullptr;
    if (Cell::CELL_STATE) {
      c_from = c_before(token, b, cells);
      c_to = cells + token.at * Hp_;
    }
    for (long unit = 0; unit < Hp_; unit += LANES) {
      const long count = std::clamp(in_.H - unit, 0L, LANES);
      BackwardStep at{};
      at.gates = token.gates + unit;
      at.plane = Hp_;
      at.h_before = load(h_from + unit, count);
      if (Cell::CELL_STATE) {
        at.c = load(c_to + unit);
        at.c_before = load(c_from + unit, count);
      }
      at.by_h = load(h + unit) + load(by_y + token.at * in_.H + unit, count);
      at.by_c = c + unit;
      at.by_h_before = h + unit;
      at.by_source = source + unit;
      S::backward(at);
    }
  }

  // Back through the product of one stage: add to the j-th panel of what it multiplied.
  template <class S>
  void through(long j, long count, const float* const* rows, float* to) const {
    const long K = S::COUNT * Hp_;
    panel(in_.H, j, [&]<int N>(long first) {
      for (long r = 0; r < count; r += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, count - r), [&]<int R>() {
          float* at = to + r * Hp_ + first;
          multiply<R, N>(
              planes<S, R>(rows + r), turned<S>() + first * K, K,
              [&](int i, int n) { return load(at + i * Hp_ + n * LANES); },
              [&](int i, int n, Vector v) { store(at + i * Hp_ + n * LANES, v); });
        });
    });
  }

  void add_and_clear(float* to, float* from) const {
    for (long unit = 0; unit < in_.H; ++unit) {
      to[unit] += from[unit];
      from[unit] = 0;
    }
  }

  // The gradient by the inputs of a piece of the tokens.
  void by_inputs(long piece, const Tokens& tokens) const {
    const long end = std::min<long>(tokens.g.size(), (piece + 1) * TOKENS);
    const long K = X::COUNT * Hp_;
    for (long j = 0; j < panels(in_.D); ++j)
      panel(in_.D, j, [&]<int N>(long first) {
        for (long i = piece * TOKENS; i < end; i += ROWS)
          fixed<ROWS>(std::min<long>(ROWS, end - i), [&]<int R>() {
            Vector tile[R][N];
            multiply<R, N>(
                planes<X, R>(&tokens.g[i]), W_ + first * K, K, [](int, int) { return Vector{}; },
                [&](int r, int n, Vector v) { tile[r][n] = v; });
            for (int r = 0; r < R; ++r)
              for (int n = 0; n < N; ++n) {
                const long column = first + n * LANES, count = std::min(in_.D - column, LANES);
                store(tokens.by_x[i + r] + column, tile[r][n], count);
              }
          });
      });
  }

  // The planes of some tokens that a product goes to.
  template <class P, int R>
  std::array<const float*, R> planes(const float* const* tokens) const {
    std::array<const float*, R> rows;
    for (int r = 0; r < R; ++r) rows[r] = tokens[r] + P::LEAST * Hp_;
    return rows;
  }

  // Add to the i-th share of the gradients by W, U and b; it is cleared before the first
  // tokens.
  void by_weights(long i, long shares, const Tokens& tokens, bool first) const {
    Floats blocks(TOKENS * std::max(in_.D, in_.H)), panel(TOKENS * WIDE * LANES);
    std::vector<const float*> source;
    const long count = tokens.g.size();
    for (long k = 0; k == 0 || k < count; k += TOKENS) {
      const long K = std::min(TOKENS, count - k);
      const auto add = [&]<class P>(float* sum, const float* const* rows, long size) {
        const auto [begin, end] = this->template share<P>(i, shares);
        if (begin == end) return;
        pack_columns(blocks.get(), rows, size, K);
        for (long j = begin; j < end; ++j)
          add_product<P>(sum, blocks.get(), size, tokens.g.data() + k, j, panel.get(), K,
                         first && k == 0);
      };
      add.template operator()<X>(by_W_.get(), tokens.x.data() + k, in_.D);
      Steps::forward([&]<class S>() {
        const float* const* rows = tokens.h.data() + k;
        if (S::SOURCE != STATE) {
          source.assign(tokens.g.begin() + k, tokens.g.begin() + k + K);
          for (const float*& row : source) row += S::SOURCE * Hp_;
          rows = source.data();
        }
        add.template operator()<S>(sums<S>(), rows, in_.H);
      });
    }
  }

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

  // sum += the transposed rows, times the planes of the same tokens in the j-th tile, and
  // in a last row the sum of these: the gradient by the bias.
  template <class P>
  void add_product(float* sums, const float* blocks, long size, const float* const* g, long j,
                   float* panel, long K, bool first) const {
    this->template tile<P>(j, [&]<int V>(long unit) {
      constexpr int N = P::COUNT * V;
      float* sum = sums + (size + 1) * P::COUNT * unit;
      if (first) std::memset(sum, 0, (size + 1) * N * LANES * sizeof(float));
      Vector total[N];
      float* last = sum + size * N * LANES;
      UNROLL for (int n = 0; n < N; ++n) total[n] = load(last + n * LANES);
      for (long k = 0; k < K; ++k) UNROLL for (int n = 0; n < N; ++n) {
          const Vector v = load(g[k] + this->template place<P, V>(unit, n));
          total[n] += v;
          store(panel + (k * N + n) * LANES, v);
        }
      UNROLL for (int n = 0; n < N; ++n) store(last + n * LANES, total[n]);
      for (long m = 0; m < size; m += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
          float* to = sum + m * N * LANES;
          multiply_transposed<R, N>(
              blocks + m * K, panel, K,
              [&](int r, int n) { return load(to + (r * N + n) * LANES); },
              [&](int r, int n, Vector v) { store(to + (r * N + n) * LANES, v); });
        });
    });
  }

  // Put the sums of some tiles where they belong in a matrix [size, G H], and those of the
  // planes from `new_planes` on, which no product before had, in the bias.
  template <class P>
  void spread(float* matrix, float* bias, int new_planes, const float* sums, long size,
              std::array<long, 2> range) const {
    for (long j = range[0]; j < range[1]; ++j)
      this->template tile<P>(j, [&]<int V>(long unit) {
        constexpr int N = P::COUNT * V;
        const float* sum = sums + (size + 1) * P::COUNT * unit;
        for (int n = 0; n < N; ++n) {
          const auto [first, count] = this->template columns<P, V>(unit, n);
          for (long m = 0; m < size; ++m)
            store(matrix + m * GATES * in_.H + first, load(sum + (m * N + n) * LANES), count);
          const int plane = P::AT[n / V];
          if (plane >= new_planes)
            store(bias + Base::bias_block(plane) * in_.H + unit + n % V * LANES,
                  load(sum + (size * N + n) * LANES), count);
        }
      });
  }

  Floats W_, U_;        // transposed
  Floats by_W_, by_U_;  // by tiles
  std::vector<Carried> carried_;
};

}  // namespace zoo
