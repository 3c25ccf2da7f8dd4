// What the functions that XLA calls have in common. They run on its threads.
#pragma once

#include <algorithm>
#include <exception>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "../buffers.h"
#include "kernel_table.h"
#include "layout.h"
#include "operand.h"

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

// Return the input of a pass from the buffers of a call. Optional buffers may be empty.
inline Input input_of(bool reverse, FloatBuffer x, FloatBuffer W, FloatBuffer U, FloatBuffer b,
                      FloatBuffer h, FloatBuffer c, FloatBuffer initial_h, FloatBuffer initial_c,
                      BoolBuffer mask, BoolBuffer reset) {
  return {.B = x.dimensions()[0],
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
}

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

}  // namespace
}  // namespace zoo
