// The functions that XLA calls, and how they launch the kernels.
#pragma once

#include <string_view>
#include <type_traits>

#include "../buffers.h"
#include "backward.h"
#include "forward.h"
#include "kernel_table.h"
#include "linear.h"

namespace zoo {
namespace {

struct ForwardPass {
  template <class Cell, class Operand, int Rows, int Kept>
  using Plan = ForwardPlan<Cell, Operand, Rows, Kept>;
  // The operands of a layer in float32: 10 bits of mantissa in either format.
  template <class Cell>
  using Float32 = std::conditional_t<Cell::BOUNDED, Float16, Tf32>;

  template <class Cell, class Operand, int Rows, int Kept>
  static const void* kernel() {
    return kernel_address(forward<Cell, Operand, Rows, Kept>);
  }
};

struct BackwardPass {
  template <class Cell, class Operand, int Rows, int Kept>
  using Plan = BackwardPlan<Cell, Operand, Rows, Kept>;
  // Gradients have no bound, so float16 could overflow.
  template <class Cell>
  using Float32 = Tf32;

  template <class Cell, class Operand, int Rows, int Kept>
  static const void* kernel() {
    return kernel_address(backward<Cell, Operand, Rows, Kept>);
  }
};

// A launch, with the units of a block and how many clusters run concurrently.
struct Candidate : Launch {
  int units = 0, concurrent = 0;
};

int divide_up(int n, int divisor) { return (n + divisor - 1) / divisor; }

// Choose how a pass over B rows of each layer is launched. The kernel is null if none fits.
//
// A block has as few units as a cluster can be divided into, and a cluster as few rows as let all
// clusters run concurrently.
template <class Pass, class Cell, class Operand>
Candidate plan(int layers, int B, int H) {
  Candidate best;
  for (int units = BLOCK; units <= THREADS / 8 && !best.kernel; units += BLOCK) {
    const int cluster = divide_up(H, units);
    if (cluster > MAX_BLOCKS) continue;
    auto try_plan = [&]<int Rows, int Kept>() {
      const typename Pass::template Plan<Cell, Operand, Rows, Kept> plan(units, cluster);
      if (!plan.fits(units) || plan.bytes > max_shared_memory()) return false;
      Candidate candidate{{.kernel = Pass::template kernel<Cell, Operand, Rows, Kept>(),
                           .cluster = cluster,
                           .threads = THREADS,
                           .bytes = plan.bytes,
                           .clusters = divide_up(B, Rows),
                           .layers = layers}};
      candidate.units = units;
      candidate.concurrent = concurrent_clusters(candidate);
      if (candidate.concurrent) best = candidate;
      return candidate.concurrent > 0;
    };
    // Keep more of the matrix in registers only if it does not fit into shared memory: that is
    // faster than computing with the few registers that are left.
    auto try_rows = [&]<int Rows>() {
      if (best.kernel && layers * best.clusters <= best.concurrent) return;
      try_plan.template operator()<Rows, 32>() || try_plan.template operator()<Rows, 64>();
    };
    try_rows.template operator()<8>();
    try_rows.template operator()<16>();
  }
  return best;
}

template <class Cell>
constexpr KernelShape shape() {
  return {.planes = Cell::PLANES,
          .gates = Cell::GATES,
          .cell_state = Cell::CELL_STATE,
          .staged = STAGES<Cell> > 1};
}

template <class Pass>
Candidate plan(std::string_view cell, bool bfloat16, int layers, int B, int H) {
  auto plan_cell = [&]<class Cell>() {
    return bfloat16 ? plan<Pass, Cell, Bfloat16>(layers, B, H)
                    : plan<Pass, Cell, typename Pass::template Float32<Cell>>(layers, B, H);
  };
#define ZOO_PLAN(NAME, CELL, SHAPE)                                         \
  static_assert(shape<CELL>() == SHAPE, NAME " differs from kernels.json"); \
  if (cell == NAME) return plan_cell.template operator()<CELL>();
  ZOO_KERNELS(ZOO_PLAN)
#undef ZOO_PLAN
  return {};
}

template <class Pass, class Arguments>
ffi::Error run(std::string_view cell, bool bfloat16, Arguments& arguments, Stream stream) {
  if (!arguments.layers || !arguments.B) return ffi::Error::Success();
  const Candidate choice = plan<Pass>(cell, bfloat16, arguments.layers, arguments.B, arguments.H);
  if (!choice.kernel)
    return ffi::Error::InvalidArgument("there is no kernel for such a layer on this GPU");
  arguments.units = choice.units;
  const char* error = launch(choice, &arguments, stream);
  return error ? ffi::Error::Internal(error) : ffi::Error::Success();
}

const uint8_t* flags(const BoolBuffer& buffer) {
  return reinterpret_cast<const uint8_t*>(data_or_null(buffer));
}

// `tokens` is any array [..., B, T, N]; its leading axes, if any, are layers.
Layer layer(bool reverse, const FloatBuffer& tokens, const FloatBuffer& U, const BoolBuffer& mask,
            const BoolBuffer& reset) {
  const auto shape = tokens.dimensions(), shape_of_U = U.dimensions();
  int layers = 1;
  for (size_t k = 0; k + 3 < shape.size(); ++k) layers *= shape[k];
  return {.layers = layers,
          .B = int(shape[shape.size() - 3]),
          .T = int(shape[shape.size() - 2]),
          .H = int(shape_of_U[shape_of_U.size() - 2]),
          .units = 0,  // chosen by `plan`
          .reverse = reverse,
          .U = data_or_null(U),
          .mask = flags(mask),
          .reset = flags(reset)};
}

// The order of the arguments and results of the calls is that of zoo_native/kernels.json.

ffi::Error run_forward(Stream stream, std::string_view cell, bool reverse, bool bfloat16,
                       FloatBuffer p, FloatBuffer U, FloatBuffer bias, FloatBuffer h, FloatBuffer c,
                       FloatBuffer initial_h, FloatBuffer initial_c, BoolBuffer mask,
                       BoolBuffer reset, FloatResult y, FloatResult last_h, FloatResult last_c,
                       FloatResult gates, FloatResult cells, FloatResult states) {
  Forward in{layer(reverse, p, U, mask, reset)};
  in.h = data_or_null(h);
  in.c = data_or_null(c);
  in.initial_h = data_or_null(initial_h);
  in.initial_c = data_or_null(initial_c);
  in.p = data_or_null(p);
  in.bias = data_or_null(bias);
  in.y = data_or_null(*y);
  in.last_h = data_or_null(*last_h);
  in.last_c = data_or_null(*last_c);
  in.gates = data_or_null(*gates);
  in.cells = data_or_null(*cells);
  in.states = data_or_null(*states);
  return run<ForwardPass>(cell, bfloat16, in, stream);
}

ffi::Error run_backward(Stream stream, std::string_view cell, bool reverse, bool bfloat16,
                        FloatBuffer U, BoolBuffer mask, BoolBuffer reset, FloatBuffer gates,
                        FloatBuffer cells, FloatBuffer states, FloatBuffer d_y,
                        FloatBuffer d_last_h, FloatBuffer d_last_c, FloatResult d_gates,
                        FloatResult d_h, FloatResult d_c, FloatResult d_initial_h,
                        FloatResult d_initial_c) {
  // d_gates usually has the memory of gates, see "aliases" in kernels.json; but XLA may copy.
  if (data_or_null(*d_gates) != data_or_null(gates))
    if (const char* error =
            copy(data_or_null(*d_gates), data_or_null(gates), gates.size_bytes(), stream))
      return ffi::Error::Internal(error);
  Backward in{layer(reverse, d_y, U, mask, reset)};
  in.cells = data_or_null(cells);
  in.states = data_or_null(states);
  in.d_y = data_or_null(d_y);
  in.d_last_h = data_or_null(d_last_h);
  in.d_last_c = data_or_null(d_last_c);
  in.planes = data_or_null(*d_gates);
  in.d_h = data_or_null(*d_h);
  in.d_c = data_or_null(*d_c);
  in.d_initial_h = data_or_null(*d_initial_h);
  in.d_initial_c = data_or_null(*d_initial_c);
  return run<BackwardPass>(cell, bfloat16, in, stream);
}

// Arrays are [..., L, T, N]; a may have one entry for all L, and one for all T. A weighted sum is
// computed only in the latter case.
ffi::Error run_linear(Stream stream, bool reverse, bool is_complex, bool adjoint, FloatBuffer a,
                      FloatBuffer b, FloatBuffer h, FloatBuffer weights, FloatBuffer last_weight,
                      FloatResult states, FloatResult weighted_sum) {
  if (!b.element_count()) return ffi::Error::Success();
  const auto shape = b.dimensions(), shape_of_a = a.dimensions();
  const size_t axes = shape.size();
  Linear in{.sequences = int(h.element_count() / shape[axes - 1]),
            .T = int(shape[axes - 2]),
            .N = int(shape[axes - 1] / (is_complex ? 2 : 1)),
            .shared = int(shape[axes - 3] / shape_of_a[axes - 3]),
            .reverse = reverse,
            .adjoint = adjoint,
            .a = data_or_null(a),
            .b = data_or_null(b),
            .h = data_or_null(h),
            .states = data_or_null(*states),
            .weights = data_or_null(weights),
            .last_weight = data_or_null(last_weight),
            .weighted_sum = data_or_null(*weighted_sum)};
  auto launch_kernel = [&]<class Number, bool Constant, bool Weighted>() {
    using Plan = LinearPlan<Number, Constant, Weighted>;
    return launch({.kernel = kernel_address(linear<Number, Constant, Weighted>),
                   .cluster = 1,
                   .threads = Plan::THREADS,
                   .bytes = Plan::BYTES,
                   .clusters = in.sequences * divide_up(in.N, LANES),
                   .layers = 1},
                  &in, stream);
  };
  auto launch_for = [&]<class Number>() {
    if (in.weighted_sum) return launch_kernel.template operator()<Number, true, true>();
    if (shape_of_a[axes - 2] < in.T)
      return launch_kernel.template operator()<Number, true, false>();
    return launch_kernel.template operator()<Number, false, false>();
  };
  const char* error = is_complex ? launch_for.template operator()<Complex>()
                                 : launch_for.template operator()<Real>();
  return error ? ffi::Error::Internal(error) : ffi::Error::Success();
}

}  // namespace
}  // namespace zoo

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_gpu_forward, zoo::run_forward,
                              ffi::Ffi::Bind().Ctx<zoo::CallStream>() ZOO_GPU_FORWARD_SIGNATURE,
                              {ffi::Traits::kCmdBufferCompatible});

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_gpu_backward, zoo::run_backward,
                              ffi::Ffi::Bind().Ctx<zoo::CallStream>() ZOO_GPU_BACKWARD_SIGNATURE,
                              {ffi::Traits::kCmdBufferCompatible});

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_gpu_linear, zoo::run_linear,
                              ffi::Ffi::Bind().Ctx<zoo::CallStream>() ZOO_GPU_LINEAR_SIGNATURE,
                              {ffi::Traits::kCmdBufferCompatible});

// The table that this library was built from.
extern "C" const char* zoo_interface() { return zoo::INTERFACE; }

// Whether the present GPU runs both passes of a layer.
extern "C" bool zoo_gpu_runs(const char* cell, bool bfloat16, int H) {
  return zoo::plan<zoo::ForwardPass>(cell, bfloat16, 1, 1, H).kernel &&
         zoo::plan<zoo::BackwardPass>(cell, bfloat16, 1, 1, H).kernel;
}

#pragma GCC visibility pop
