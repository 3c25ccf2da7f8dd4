// The gradient of a layer: back through the steps, then one product over all tokens for each
// matrix and for the inputs.
#pragma once

#include <optional>

#include "forward.h"
#include "layout.h"
#include "operand.h"
#include "product.h"

namespace zoo {

template <class Cell, class Operand>
class Backward : Layout<Cell> {
  using Base = Layout<Cell>;
  using Base::GATES;
  using Base::in_, Base::pool_, Base::Hp_, Base::G_, Base::rows_, Base::groups_, Base::followers_;
  using X = typename Cell::X;
  using Steps = typename Cell::Steps;
  using Word = typename Operand::Word;

  // Tokens, and vectors of columns, of a piece of work that fits the caches; fewer tokens, of
  // which all columns are made.
  static constexpr long TOKENS = 256, WIDE = 4, FEW = 8 * ROWS;
  // Tokens whose gates are made again at once: few, but enough for all threads.
  static constexpr long AGAIN = 1024;

 public:
  Backward(const Input& in, Pool& pool)
      : Base(in, pool),
        W_(round_up(in.D, LANES) * words<Operand>(GATES * Hp_)),
        U_(round_up(in.H, LANES) * words<Operand>(GATES * Hp_)) {
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
    std::optional<Forward<Cell, Operand>> again;
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
    std::memset(by_b, 0, Cell::PLANES * in_.H * sizeof(float));

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
      const auto pieces = [&](long of) { return (long(tokens.g.size()) + of - 1) / of; };
      if (again) pool_.run(pieces(TOKENS), [&](long i) { make_again(*again, tokens, i); });
      pool_.run(groups_.size(), [&](long i) {
        run_group(groups_[i], carried_[i], begin, end, y, cells, by_y, by_initial_h, by_initial_c);
      });
      // Of few tokens the threads share the columns.
      const long parts = std::max(1L, std::min(panels(in_.D), shares / std::max(1L, pieces(FEW))));
      pool_.run(shares + pieces(FEW) * parts, [&](long i) {
        if (i < shares)
          by_weights(i, shares, tokens, by_W, by_U, by_b, end == most);
        else
          by_inputs((i - shares) / parts, (i - shares) % parts, parts, tokens);
      });
    }
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

  // The transposed matrix of a stage.
  template <class S>
  Word* turned() const {
    return U_ + round_up(in_.H, LANES) * words<Operand>(S::FIRST * Hp_);
  }

  // The j-th panel of columns of the transposed matrix, whose rows are padded planes. The
  // last panel has as many vectors as are left.
  template <class P>
  void pack_transposed(Word* to, const float* matrix, long size, long j) const {
    const long first = j * WIDE * LANES, count = std::min(size - first, WIDE * LANES);
    const long panel = round_up(count, LANES), width = GATES * in_.H;
    to += first * words<Operand>(P::COUNT * Hp_);
    for (int p = 0; p < P::COUNT; ++p) {
      Word* plane = to + words<Operand>((P::AT[p] - P::LEAST) * Hp_) * panel;
      const float* block = matrix + first * width + (P::FIRST + p) * in_.H;
      // Along a few rows, which the machine then fetches ahead.
      for (long c = 0; c < panel; c += LANES)
        for (long unit = 0; unit < Hp_; unit += LANES) {
          Vector square[LANES] = {};
          for (long i = 0; i < std::min(LANES, count - c); ++i)
            square[i] = load(block + (c + i) * width + unit, std::min(LANES, in_.H - unit));
          transpose(square);
          for (long u = 0; u < LANES; u += Operand::PER) {
            Vector numbers[Operand::PER];
            for (long i = 0; i < Operand::PER; ++i) numbers[i] = square[u + i];
            Operand::put(plane + words<Operand>(unit + u) * panel + c, numbers);
          }
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
  void make_again(const Forward<Cell, Operand>& again, const Tokens& tokens, long piece) const {
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
    Rows<Operand> operands(n, GATES * Hp_);
    for (long k = end - 1; k >= begin; --k) {
      pool_.settle();
      while (active < n && k < long(rows_[group[active]].size())) ++active;
      Steps::backward([&]<class S>() {
        for (long r = 0; r < active; ++r)
          step<S>(rows_[group[r]][k], group[r], y, cells, by_y, h + r * Hp_, c + r * Hp_,
                  source + r * Hp_);
        for (long r = 0; r < active; ++r) rows[r] = rows_[group[r]][k].gates + S::LEAST * Hp_;
        const Word* const* by = operands.along(rows.data(), active, S::COUNT * Hp_);
        float* to = S::SOURCE == STATE ? h : source;
        team.run(panels(in_.H), [&](long j) { through<S>(j, active, by, to); });
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
  void through(long j, long count, const Word* const* rows, float* to) const {
    const long K = words<Operand>(S::COUNT * Hp_);
    panel(in_.H, j, [&]<int N>(long first) {
      for (long r = 0; r < count; r += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, count - r), [&]<int R>() {
          float* at = to + r * Hp_ + first;
          multiply<R, N>(
              few<R>(rows + r), turned<S>() + first * K, K,
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

  // The i-th of some parts of the gradient by the inputs of a piece of the tokens.
  void by_inputs(long piece, long i, long parts, const Tokens& tokens) const {
    const long begin = piece * FEW, count = std::min<long>(tokens.g.size() - begin, FEW);
    const long K = words<Operand>(X::COUNT * Hp_);
    const float* planes[FEW];
    for (long r = 0; r < count; ++r) planes[r] = tokens.g[begin + r] + X::LEAST * Hp_;
    Rows<Operand> operands(FEW, X::COUNT * Hp_);
    const Word* const* rows = operands.along(planes, count, X::COUNT * Hp_);
    for (long j = panels(in_.D) * i / parts; j < panels(in_.D) * (i + 1) / parts; ++j)
      panel(in_.D, j, [&]<int N>(long first) {
        for (long r = 0; r < count; r += ROWS)
          fixed<ROWS>(std::min<long>(ROWS, count - r), [&]<int R>() {
            // GCC 12 does not keep this tile in registers if what ends the product stores it.
            Vector tile[R][N];
            multiply<R, N>(
                few<R>(rows + r), W_ + first * K, K, [](int, int) { return Vector{}; },
                [&](int k, int n, Vector v) { tile[k][n] = v; });
            UNROLL for (int k = 0; k < R; ++k) UNROLL for (int n = 0; n < N; ++n) {
              const long column = first + n * LANES;
              store(tokens.by_x[begin + r + k] + column, tile[k][n],
                    std::min(in_.D - column, LANES));
            }
          });
      });
  }

  // Add to the i-th share of the gradients by W, U and b; those of the first tokens are
  // put there.
  void by_weights(long i, long shares, const Tokens& tokens, float* by_W, float* by_U, float* by_b,
                  bool first) const {
    Array<Word> blocks(words<Operand>(TOKENS) * std::max(in_.D, in_.H));
    Array<Word> panel(words<Operand>(TOKENS) * WIDE * LANES);
    std::vector<const float*> source;
    const long count = tokens.g.size();
    for (long k = 0; k == 0 || k < count; k += TOKENS) {
      pool_.settle();
      const long K = std::min(TOKENS, count - k);
      const bool put = first && k == 0;
      const auto add = [&]<class P>(float* matrix, int new_planes, const float* const* rows,
                                    long size) {
        const auto [begin, end] = this->template share<P>(i, shares);
        if (begin == end) return;
        pack_columns(blocks.get(), rows, size, K);
        for (long j = begin; j < end; ++j)
          this->template tile<P>(j, [&]<int V>(long unit) {
            pack_planes<P, V>(panel.get(), tokens.g.data() + k, unit, K, by_b, new_planes);
            add_product<P, V>(matrix, blocks.get(), size, unit, panel.get(), K, put);
          });
      };
      add.template operator()<X>(by_W, 0, tokens.x.data() + k, in_.D);
      Steps::forward([&]<class S>() {
        const float* const* rows = tokens.h.data() + k;
        if (S::SOURCE != STATE) {
          source.assign(tokens.g.begin() + k, tokens.g.begin() + k + K);
          for (const float*& row : source) row += S::SOURCE * Hp_;
          rows = source.data();
        }
        add.template operator()<S>(by_U, X::COUNT, rows, in_.H);
      });
    }
  }

  // Put ROWS columns of many rows together.
  static void pack_columns(Word* to, const float* const* rows, long size, long K) {
    constexpr long FEW = 16 * Operand::PER;  // rows whose lines stay in the nearest cache
    Rows<Operand> operands(FEW, size);
    for (long k = 0; k < K; k += FEW) {
      const long count = std::min(FEW, K - k);
      const Word* const* few = operands.across(rows + k, count, size);
      for (long m = 0; m < size; m += ROWS)
        fixed<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
          Word* block = to + m * words<Operand>(K) + words<Operand>(k) * R;
          for (long i = 0; i < words<Operand>(count); ++i)
            std::memcpy(block + i * R, few[i] + m, R * sizeof(Word));
        });
    }
  }

  // Put the planes of some tokens in a tile side by side. Those from `new_planes` on, which no
  // product before had, are also added to the gradient by the bias.
  template <class P, int V>
  void pack_planes(Word* panel, const float* const* g, long unit, long K, float* by_b,
                   int new_planes) const {
    constexpr int N = P::COUNT * V;
    Vector total[N] = {};
    for (long k = 0; k < K; k += Operand::PER) UNROLL for (int n = 0; n < N; ++n) {
        Vector numbers[Operand::PER] = {};
        for (long i = 0; i < std::min(Operand::PER, K - k); ++i) {
          numbers[i] = load(g[k + i] + this->template place<P, V>(unit, n));
          total[n] += numbers[i];
        }
        Operand::put(panel + (words<Operand>(k) * N + n) * LANES, numbers);
      }
    UNROLL for (int n = 0; n < N; ++n) {
      const int plane = P::AT[n / V];
      if (plane < new_planes) continue;
      const long count = this->template columns<P, V>(unit, n)[1];
      float* to = by_b + Base::bias_block(plane) * in_.H + unit + n % V * LANES;
      store(to, load(to, count) + total[n], count);
    }
  }

  // Add the transposed rows, times the panel of the same tokens, to the columns of a tile in a
  // matrix [size, G H]; or put it there.
  template <class P, int V>
  void add_product(float* matrix, const Word* blocks, long size, long unit, const Word* panel,
                   long K, bool put) const {
    constexpr int N = P::COUNT * V;
    K = words<Operand>(K);
    for (long m = 0; m < size; m += ROWS)
      fixed<ROWS>(std::min<long>(ROWS, size - m), [&]<int R>() {
        float* rows = matrix + m * GATES * in_.H;
        multiply<R, N>(
            few_columns<R>(blocks + m * K), panel, K,
            [&](int r, int n) {
              const auto [first, count] = this->template columns<P, V>(unit, n);
              return put ? Vector{} : load(rows + r * GATES * in_.H + first, count);
            },
            [&](int r, int n, Vector v) {
              const auto [first, count] = this->template columns<P, V>(unit, n);
              store(rows + r * GATES * in_.H + first, v, count);
            });
      });
  }

  Array<Word> W_, U_;  // transposed
  std::vector<Carried> carried_;
};

}  // namespace zoo
