// What XLA calls, and which launch it becomes.
#pragma once

#include <string_view>
#include <type_traits>

#include "../buffers.h"
#include "backward.h"
#include "forward.h"
#include "linear.h"

namespace zoo {
namespace {

struct ForwardPass {
  template <class Cell, class Operand, int Rows, int Kept>
  using Plan = ForwardPlan<Cell, Operand, Rows, Kept>;
  // What float32 is multiplied as, with 10 bits either way.
  template <class Cell>
  using Float32 = std::conditional_t<Cell::BOUNDED, Half, Tf32>;

  template <class Cell, class Operand, int Rows, int Kept>
  static const void* kernel() {
    return kernel_address(forward<Cell, Operand, Rows, Kept>);
  }
};

struct BackwardPass {
  template <class Cell, class Operand, int Rows, int Kept>
  using Plan = BackwardPlan<Cell, Operand, Rows, Kept>;
  // Gradients may be of any size.
  template <class Cell>
  using Float32 = Tf32;

  template <class Cell, class Operand, int Rows, int Kept>
  static const void* kernel() {
    return kernel_address(backward<Cell, Operand, Rows, Kept>);
  }
};

// A launch that can be done: `units` of a block, `at_once` clusters at the same time.
struct Choice : Launch {
  int units = 0, at_once = 0;
};

int ceiling(int n, int by) { return (n + by - 1) / by; }

// How a pass over rows of so many layers is launched; there is no kernel if it cannot be.
//
// A block has as few units as a cluster can be divided into, a cluster as few rows as allow all
// clusters to run at the same time.
template <class Pass, class Cell, class Operand>
Choice plan(int layers, int B, int H) {
  Choice best;
  for (int units = BLOCK; units <= THREADS / 8 && !best.kernel; units += BLOCK) {
    const int cluster = ceiling(H, units);
    if (cluster > MOST_BLOCKS) continue;
    auto possible = [&]<int Rows, int Kept>() {
      const typename Pass::template Plan<Cell, Operand, Rows, Kept> plan(units, cluster);
      if (!plan.possible(units) || plan.bytes > shared_memory_of_block()) return false;
      Choice choice;
      choice.kernel = Pass::template kernel<Cell, Operand, Rows, Kept>();
      choice.cluster = cluster, choice.bytes = plan.bytes;
      choice.clusters = ceiling(B, Rows), choice.layers = layers, choice.threads = THREADS;
      choice.units = units, choice.at_once = clusters_at_once(choice);
      if (choice.at_once) best = choice;
      return choice.at_once > 0;
    };
    // More of the matrix in registers only where it does not fit into shared memory, which is
    // faster than what is then left of them to compute with.
    auto consider = [&]<int Rows>() {
      if (best.kernel && layers * best.clusters <= best.at_once) return;
      possible.template operator()<Rows, 32>() || possible.template operator()<Rows, 64>();
    };
    consider.template operator()<8>();
    consider.template operator()<16>();
  }
  return best;
}

template <class Pass>
Choice plan(std::string_view cell, bool bfloat16, int layers, int B, int H) {
  auto of = [&]<class Cell>() {
    return bfloat16 ? plan<Pass, Cell, Bfloat16>(layers, B, H)
                    : plan<Pass, Cell, typename Pass::template Float32<Cell>>(layers, B, H);
  };
  if (cell == "lstm") return of.template operator()<Lstm>();
  if (cell == "gru") return of.template operator()<Gru>();
  if (cell == "reset_before_gru") return of.template operator()<ResetBeforeGru>();
  if (cell == "mgu") return of.template operator()<Mgu>();
  if (cell == "reset_after_mgu") return of.template operator()<ResetAfterMgu>();
  if (cell == "rnn_tanh") return of.template operator()<Elman<false>>();
  if (cell == "rnn_relu") return of.template operator()<Elman<true>>();
  return {};
}

template <class Pass, class Arguments>
ffi::Error run(std::string_view cell, bool bfloat16, Arguments& arguments, Stream stream) {
  if (!arguments.layers || !arguments.B) return ffi::Error::Success();
  const Choice choice = plan<Pass>(cell, bfloat16, arguments.layers, arguments.B, arguments.H);
  if (!choice.kernel) return ffi::Error::InvalidArgument("no kernel for such a layer on this GPU");
  arguments.units = choice.units;
  const char* error = launch(choice, &arguments, stream);
  return error ? ffi::Error::Internal(error) : ffi::Error::Success();
}

const uint8_t* bytes(const Flags& flags) { return reinterpret_cast<const uint8_t*>(data(flags)); }

// `tokens` is any array [..., B, T, N], whose first axes, if any, are of layers.
Layer read(bool reverse, const Numbers& tokens, const Numbers& U, const Flags& mask,
           const Flags& restart) {
  const auto shape = tokens.dimensions(), of_U = U.dimensions();
  Layer in{};
  in.layers = 1;
  for (size_t k = 0; k + 3 < shape.size(); ++k) in.layers *= shape[k];
  in.B = shape[shape.size() - 3], in.T = shape[shape.size() - 2];
  in.H = of_U[of_U.size() - 2];
  in.reverse = reverse;
  in.U = data(U), in.mask = bytes(mask), in.restart = bytes(restart);
  return in;
}

ffi::Error run_forward(Stream stream, std::string_view cell, bool reverse, bool bfloat16, Numbers p,
                       Numbers U, Numbers bias, Numbers h, Numbers c, Numbers initial_h,
                       Numbers initial_c, Flags mask, Flags restart, NumbersOut y,
                       NumbersOut last_h, NumbersOut last_c, NumbersOut gates, NumbersOut cells,
                       NumbersOut before) {
  Forward in{read(reverse, p, U, mask, restart)};
  in.h = data(h), in.c = data(c), in.initial_h = data(initial_h), in.initial_c = data(initial_c);
  in.p = data(p), in.bias = data(bias), in.y = data(*y);
  in.last_h = data(*last_h), in.last_c = data(*last_c);
  in.gates = data(*gates), in.cells = data(*cells), in.before = data(*before);
  return run<ForwardPass>(cell, bfloat16, in, stream);
}

ffi::Error run_backward(Stream stream, std::string_view cell, bool reverse, bool bfloat16,
                        Numbers U, Flags mask, Flags restart, Numbers gates, Numbers cells,
                        Numbers before, Numbers by_y, Numbers by_last_h, Numbers by_last_c,
                        NumbersOut planes, NumbersOut by_h, NumbersOut by_c,
                        NumbersOut by_initial_h, NumbersOut by_initial_c) {
  // XLA lets `planes` stand where `gates` did, which is what is asked for in Python.
  if (data(*planes) != data(gates))
    if (const char* error = copy(data(*planes), data(gates), gates.size_bytes(), stream))
      return ffi::Error::Internal(error);
  Backward in{read(reverse, by_y, U, mask, restart)};
  in.cells = data(cells), in.before = data(before);
  in.by_y = data(by_y), in.by_last_h = data(by_last_h), in.by_last_c = data(by_last_c);
  in.planes = data(*planes), in.by_h = data(*by_h), in.by_c = data(*by_c);
  in.by_initial_h = data(*by_initial_h), in.by_initial_c = data(*by_initial_c);
  return run<BackwardPass>(cell, bfloat16, in, stream);
}

// Arrays [..., L, T, N], of which those of a may have one entry for all L, and one for all T. There
// may be totals in the latter case only.
ffi::Error run_linear(Stream stream, bool reverse, bool pairs, bool adjoint, Numbers a, Numbers b,
                      Numbers h, Numbers others, Numbers edge, NumbersOut states,
                      NumbersOut totals) {
  if (!b.element_count()) return ffi::Error::Success();
  const auto shape = b.dimensions(), of_a = a.dimensions();
  const size_t axes = shape.size();
  Linear in{};
  in.sequences = h.element_count() / shape[axes - 1];
  in.T = shape[axes - 2], in.N = shape[axes - 1] / (pairs ? 2 : 1);
  in.shared = shape[axes - 3] / of_a[axes - 3];
  in.reverse = reverse, in.adjoint = adjoint;
  in.a = data(a), in.b = data(b), in.h = data(h), in.states = data(*states);
  in.others = data(others), in.edge = data(edge), in.totals = data(*totals);
  Launch how;
  auto launched = [&]<class Number, bool Constant, bool Total>() {
    using Plan = LinearPlan<Number, Constant, Total>;
    how.kernel = kernel_address(linear<Number, Constant, Total>);
    how.threads = Plan::THREADS, how.bytes = Plan::BYTES;
  };
  auto choose = [&]<class Number>() {
    if (in.totals)
      launched.template operator()<Number, true, true>();
    else if (of_a[axes - 2] < in.T)
      launched.template operator()<Number, true, false>();
    else
      launched.template operator()<Number, false, false>();
  };
  pairs ? choose.template operator()<Complex>() : choose.template operator()<Real>();
  how.cluster = how.layers = 1;
  how.clusters = in.sequences * ceiling(in.N, LANES);
  const char* error = launch(how, &in, stream);
  return error ? ffi::Error::Internal(error) : ffi::Error::Success();
}

}  // namespace
}  // namespace zoo

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_gpu_forward, zoo::run_forward,
                              ffi::Ffi::Bind()
                                  .Ctx<zoo::StreamOfCall>()
                                  .Attr<std::string_view>("cell")
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("bfloat16")
                                  .NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.FLAGS
                                  .FLAGS.RESULT.RESULT.RESULT.RESULT.RESULT.RESULT,
                              {ffi::Traits::kCmdBufferCompatible});

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_gpu_backward, zoo::run_backward,
                              ffi::Ffi::Bind()
                                  .Ctx<zoo::StreamOfCall>()
                                  .Attr<std::string_view>("cell")
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("bfloat16")
                                  .NUMBERS.FLAGS.FLAGS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS
                                  .NUMBERS.RESULT.RESULT.RESULT.RESULT.RESULT,
                              {ffi::Traits::kCmdBufferCompatible});

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_gpu_linear, zoo::run_linear,
                              ffi::Ffi::Bind()
                                  .Ctx<zoo::StreamOfCall>()
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("pairs")
                                  .Attr<bool>("adjoint")
                                  .NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.RESULT.RESULT,
                              {ffi::Traits::kCmdBufferCompatible});

// Whether the present GPU runs a layer.
extern "C" bool zoo_gpu_runs(const char* cell, bool bfloat16, int H) {
  return zoo::plan<zoo::ForwardPass>(cell, bfloat16, 1, 1, H).kernel &&
         zoo::plan<zoo::BackwardPass>(cell, bfloat16, 1, 1, H).kernel;
}

#pragma GCC visibility pop
