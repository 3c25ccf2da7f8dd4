// The backward pass as a function that XLA calls.
#include "backward.h"

#include "ffi.h"

namespace zoo {
namespace {

// The order of the arguments and results is that of zoo_native/kernels.json.
ffi::Error backward(ffi::ThreadPool threads, std::string_view cell, bool reverse, bool bfloat16,
                    FloatBuffer x, FloatBuffer W, FloatBuffer U, FloatBuffer b, FloatBuffer h,
                    FloatBuffer c, FloatBuffer initial_h, FloatBuffer initial_c, BoolBuffer mask,
                    BoolBuffer reset, FloatBuffer y, FloatBuffer gates, FloatBuffer cells,
                    FloatBuffer d_y, FloatBuffer d_last_h, FloatBuffer d_last_c,
                    FloatResult d_gates, FloatResult d_x, FloatResult d_W, FloatResult d_U,
                    FloatResult d_b, FloatResult d_h, FloatResult d_c, FloatResult d_initial_h,
                    FloatResult d_initial_c) {
  advise_huge_pages(d_x->typed_data(), d_x->size_bytes());
  // d_gates usually has the memory of gates, see "aliases" in kernels.json; but XLA may copy.
  if (d_gates->typed_data() != gates.typed_data())
    std::memcpy(d_gates->typed_data(), gates.typed_data(), gates.size_bytes());
  const Input in =
      input_of(reverse, x, W, U, b, h, c, initial_h, initial_c, mask, reset);
  const BackwardInput from{.y = y.typed_data(),
                           .cells = data_or_null(cells),
                           .d_y = d_y.typed_data(),
                           .d_last_h = d_last_h.typed_data(),
                           .d_last_c = data_or_null(d_last_c)};
  const BackwardOutput to{
      .gates = data_or_null(*d_gates),
      .d_x = d_x->typed_data(),
      .weight = {.W = d_W->typed_data(), .U = d_U->typed_data(), .b = d_b->typed_data()},
      .d_h = d_h->typed_data(),
      .d_c = data_or_null(*d_c),
      .d_initial_h = data_or_null(*d_initial_h),
      .d_initial_c = data_or_null(*d_initial_c)};
  return with_pass<Backward>({cell, bfloat16, threads}, in,
                             [&](auto& pass) { pass.run(from, to); });
}

}  // namespace
}  // namespace zoo

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_backward, zoo::backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>() ZOO_BACKWARD_SIGNATURE);

#pragma GCC visibility pop
