// The functions that XLA calls, which run on its threads.
#pragma once

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <exception>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "../buffers.h"
#include "backward.h"
#include "forward.h"
#include "kernel_table.h"

namespace zoo {
namespace {

// Return how many cores the container may use. XLA does not consider this when it creates threads.
long allowed_cores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota, period;
  if (file >> quota >> period && period > 0) return std::max(1L, long(quota / period));
  return std::numeric_limits<long>::max();  // no such file, or "max"
}

class XlaPool : public Pool {
 public:
  explicit XlaPool(ffi::ThreadPool threads) : pool_(threads) {}
  long threads() const override {
    static const long allowed = allowed_cores();
    return std::clamp<long>(pool_.num_threads(), 1, allowed);
  }
  void schedule(std::function<void()> task) override { pool_.Schedule(std::move(task)); }

 private:
  ffi::ThreadPool pool_;
};

// What a call computes with.
struct CallContext {
  std::string_view cell;
  bool bfloat16;
  ffi::ThreadPool threads;
};

template <template <class, class> class Pass, class Cell, class Body>
void with_operand([[maybe_unused]] bool bfloat16, const Input& in, Pool& pool, const Body& body) {
#if defined(__AVX512F__)
  if (bfloat16) {
    Pass<Cell, Bfloat16> pass(in, pool);
    return body(pass);
  }
#endif
  Pass<Cell, Float32> pass(in, pool);
  body(pass);
}

template <class Cell>
constexpr KernelShape shape() {
  return {.planes = Cell::PLANES,
          .gates = Cell::InputProduct::COUNT,
          .cell_state = Cell::CELL_STATE,
          .staged = Cell::AllStages::MULTIPLIES_PLANE};
}

// Call body(pass) for the pass of a cell, `Forward` or `Backward`.
template <template <class, class> class Pass, class Body>
ffi::Error with_pass(const CallContext& call, const Input& in, const Body& body) try {
  if (call.bfloat16 && !supports_bfloat16())
    return ffi::Error::InvalidArgument("this CPU has no bfloat16 instructions (AVX512_BF16)");
  XlaPool pool(call.threads);
#define ZOO_RUN(NAME, CELL, SHAPE)                                          \
  static_assert(shape<CELL>() == SHAPE, NAME " differs from kernels.json"); \
  if (call.cell == NAME) {                                                  \
    with_operand<Pass, CELL>(call.bfloat16, in, pool, body);                \
    return ffi::Error::Success();                                           \
  }
  ZOO_KERNELS(ZOO_RUN)
#undef ZOO_RUN
  return ffi::Error::InvalidArgument("there is no kernel named " + std::string(call.cell));
} catch (const std::bad_alloc&) {
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory");
} catch (const std::exception& e) {
  return ffi::Error::Internal(e.what());
}

// The order of the arguments and results of both calls is that of zoo_native/kernels.json.

ffi::Error forward(ffi::ThreadPool threads, std::string_view cell, bool reverse, bool bfloat16,
                   FloatBuffer x, FloatBuffer W, FloatBuffer U, FloatBuffer b, FloatBuffer h,
                   FloatBuffer c, FloatBuffer initial_h, FloatBuffer initial_c, BoolBuffer mask,
                   BoolBuffer reset, FloatResult y, FloatResult last_h, FloatResult last_c,
                   FloatResult gates, FloatResult cells) {
  for (FloatResult* block : {&y, &gates, &cells})
    advise_huge_pages((*block)->typed_data(), (*block)->size_bytes());
  const Input in{.B = x.dimensions()[0],
                 .T = x.dimensions()[1],
                 .D = x.dimensions()[2],
                 .H = U.dimensions()[0],
                 .reverse = reverse,
                 .x = x.typed_data(),
                 .W = W.typed_data(),
                 .U = U.typed_data(),
                 .b = b.typed_data(),
                 .mask = data_or_null(mask),
                 .reset = data_or_null(reset),
                 .h = data_or_null(h),
                 .c = data_or_null(c),
                 .initial_h = data_or_null(initial_h),
                 .initial_c = data_or_null(initial_c)};
  const ForwardOutput out{.y = y->typed_data(),
                          .last_h = last_h->typed_data(),
                          .last_c = data_or_null(*last_c),
                          .gates = data_or_null(*gates),
                          .cells = data_or_null(*cells)};
  return with_pass<Forward>({cell, bfloat16, threads}, in, [&](auto& pass) { pass.run(out); });
}

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
  const Input in{.B = x.dimensions()[0],
                 .T = x.dimensions()[1],
                 .D = x.dimensions()[2],
                 .H = U.dimensions()[0],
                 .reverse = reverse,
                 .x = x.typed_data(),
                 .W = W.typed_data(),
                 .U = U.typed_data(),
                 .b = b.typed_data(),
                 .mask = data_or_null(mask),
                 .reset = data_or_null(reset),
                 .h = data_or_null(h),
                 .c = data_or_null(c),
                 .initial_h = data_or_null(initial_h),
                 .initial_c = data_or_null(initial_c)};
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_forward, zoo::forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>() ZOO_FORWARD_SIGNATURE);

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_backward, zoo::backward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>() ZOO_BACKWARD_SIGNATURE);

// The table that this library was built from.
extern "C" const char* zoo_interface() { return zoo::INTERFACE; }

extern "C" long zoo_lanes() { return zoo::LANES; }

extern "C" bool zoo_bfloat16() { return zoo::supports_bfloat16(); }

// Let glibc keep freed blocks of up to a gigabyte. Returned to the system, every page would be
// cleared again for the next training step. All threads but the first allocate from heaps of 64 MB;
// M_TOP_PAD keeps an empty one.
extern "C" bool zoo_keep_memory() {
#if defined(__GLIBC__)
  return mallopt(M_MMAP_THRESHOLD, 1 << 30) && mallopt(M_TRIM_THRESHOLD, 1 << 30) &&
         mallopt(M_TOP_PAD, 64 << 20);
#else
  return false;
#endif
}

// The library that is the fastest on this machine.
extern "C" const char* zoo_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "v4";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2"))
    return "v3";
#endif
  return "v2";
}

#pragma GCC visibility pop
