#pragma once

// What XLA calls: the layer forward and backward, on the threads that XLA computes with.

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

namespace zoo {
namespace {

// How many cores a container may use, of which XLA does not know when it makes its threads.
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

Input read(bool reverse, const Numbers& x, const Numbers& W, const Numbers& U, const Numbers& b,
           const Numbers& h, const Numbers& c, const Numbers& initial_h, const Numbers& initial_c,
           const Flags& mask, const Flags& reset) {
  const auto shape = x.dimensions();
  return Input{shape[0],       shape[1],       shape[2],       U.dimensions()[0], reverse,
               x.typed_data(), W.typed_data(), U.typed_data(), b.typed_data(),    data(mask),
               data(reset),    data(h),        data(c),        data(initial_h),   data(initial_c)};
}

template <template <class, class> class Pass, class Cell, class Body>
void with_operand([[maybe_unused]] bool bfloat16, const Input& in, Pool& pool, const Body& body) {
#if defined(__AVX512F__)
  if (bfloat16) {
    Pass<Cell, Half> pass(in, pool);
    return body(pass);
  }
#endif
  Pass<Cell, Single> pass(in, pool);
  body(pass);
}

// Call body with the pass of a cell, forward or backward.
template <template <class, class> class Pass, class Body>
ffi::Error with_pass(std::string_view cell, bool bfloat16, const Input& in, ffi::ThreadPool threads,
                     const Body& body) try {
  if (bfloat16 && !multiplies_halves())
    return ffi::Error::InvalidArgument("no instructions of bfloat16 (AVX512_BF16)");
  XlaPool pool(threads);
  if (cell == "lstm")
    with_operand<Pass, Lstm>(bfloat16, in, pool, body);
  else if (cell == "gru")
    with_operand<Pass, Gru>(bfloat16, in, pool, body);
  else if (cell == "reset_before_gru")
    with_operand<Pass, ResetBeforeGru>(bfloat16, in, pool, body);
  else if (cell == "mgu")
    with_operand<Pass, Mgu>(bfloat16, in, pool, body);
  else if (cell == "reset_after_mgu")
    with_operand<Pass, ResetAfterMgu>(bfloat16, in, pool, body);
  else if (cell == "rnn_tanh")
    with_operand<Pass, Elman<false>>(bfloat16, in, pool, body);
  else if (cell == "rnn_relu")
    with_operand<Pass, Elman<true>>(bfloat16, in, pool, body);
  else
    return ffi::Error::InvalidArgument("no cell " + std::string(cell));
  return ffi::Error::Success();
} catch (const std::bad_alloc&) {
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "out of memory");
} catch (const std::exception& e) {
  return ffi::Error::Internal(e.what());
}

ffi::Error forward(ffi::ThreadPool threads, std::string_view cell, bool reverse, bool bfloat16,
                   Numbers x, Numbers W, Numbers U, Numbers b, Numbers h, Numbers c,
                   Numbers initial_h, Numbers initial_c, Flags mask, Flags reset, NumbersOut y,
                   NumbersOut last_h, NumbersOut last_c, NumbersOut gates, NumbersOut cells) {
  for (NumbersOut* block : {&y, &gates, &cells})
    in_large_pages((*block)->typed_data(), (*block)->size_bytes());
  const Input in = read(reverse, x, W, U, b, h, c, initial_h, initial_c, mask, reset);
  return with_pass<Forward>(cell, bfloat16, in, threads, [&](auto& pass) {
    pass.run(y->typed_data(), last_h->typed_data(), data(*last_c), data(*gates), data(*cells));
  });
}

ffi::Error backward(ffi::ThreadPool threads, std::string_view cell, bool reverse, bool bfloat16,
                    Numbers x, Numbers W, Numbers U, Numbers b, Numbers h, Numbers c,
                    Numbers initial_h, Numbers initial_c, Flags mask, Flags reset, Numbers y,
                    Numbers kept, Numbers cells, Numbers by_y, Numbers by_last_h, Numbers by_last_c,
                    NumbersOut gates, NumbersOut by_x, NumbersOut by_W, NumbersOut by_U,
                    NumbersOut by_b, NumbersOut by_h, NumbersOut by_c, NumbersOut by_initial_h,
                    NumbersOut by_initial_c) {
  in_large_pages(by_x->typed_data(), by_x->size_bytes());
  // XLA lets `gates` stand where `kept` did, which is what is asked for in Python.
  if (gates->typed_data() != kept.typed_data())
    std::memcpy(gates->typed_data(), kept.typed_data(), kept.size_bytes());
  const Input in = read(reverse, x, W, U, b, h, c, initial_h, initial_c, mask, reset);
  return with_pass<Backward>(cell, bfloat16, in, threads, [&](auto& pass) {
    pass.run(y.typed_data(), data(*gates), data(cells), by_y.typed_data(), by_last_h.typed_data(),
             data(by_last_c), by_x->typed_data(), by_W->typed_data(), by_U->typed_data(),
             by_b->typed_data(), by_h->typed_data(), data(*by_c), data(*by_initial_h),
             data(*by_initial_c));
  });
}

}  // namespace
}  // namespace zoo

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_forward, zoo::forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<std::string_view>("cell")
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("bfloat16")
                                  .NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS
                                  .FLAGS.FLAGS.RESULT.RESULT.RESULT.RESULT.RESULT);

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_backward, zoo::backward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<std::string_view>("cell")
                                  .Attr<bool>("reverse")
                                  .Attr<bool>("bfloat16")
                                  .NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS
                                  .FLAGS.FLAGS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS.NUMBERS
                                  .RESULT.RESULT.RESULT.RESULT.RESULT.RESULT.RESULT.RESULT.RESULT);

extern "C" long zoo_lanes() { return zoo::LANES; }

extern "C" bool zoo_bfloat16() { return zoo::multiplies_halves(); }

// Let glibc keep blocks of up to a gigabyte that are freed, instead of giving them back to
// the system, which clears every page anew when the next step asks for it again. All threads
// but the first take memory from heaps of 64 MB: an empty one is given back, unless as much
// is to stay at the end of the one before.
extern "C" bool zoo_keep_memory() {
#if defined(__GLIBC__)
  return mallopt(M_MMAP_THRESHOLD, 1 << 30) && mallopt(M_TRIM_THRESHOLD, 1 << 30) &&
         mallopt(M_TOP_PAD, 64 << 20);
#else
  return false;
#endif
}

// The library that this machine should load.
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
