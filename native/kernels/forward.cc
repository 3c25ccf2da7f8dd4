// The forward pass as a function that XLA calls, and what Python asks the library.
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include "ffi.h"
#include "forward.h"

namespace zoo {
namespace {

// The order of the arguments and results is that of zoo_native/kernels.json.
ffi::Error forward(ffi::ThreadPool threads, std::string_view cell, bool reverse, bool bfloat16,
                   FloatBuffer x, FloatBuffer W, FloatBuffer U, FloatBuffer b, FloatBuffer h,
                   FloatBuffer c, FloatBuffer initial_h, FloatBuffer initial_c, BoolBuffer mask,
                   BoolBuffer reset, FloatResult y, FloatResult last_h, FloatResult last_c,
                   FloatResult gates, FloatResult cells) {
  for (FloatResult* block : {&y, &gates, &cells})
    advise_huge_pages((*block)->typed_data(), (*block)->size_bytes());
  const Input in =
      input_of(reverse, x, W, U, b, h, c, initial_h, initial_c, mask, reset);
  const ForwardOutput out{.y = y->typed_data(),
                          .last_h = last_h->typed_data(),
                          .last_c = data_or_null(*last_c),
                          .gates = data_or_null(*gates),
                          .cells = data_or_null(*cells)};
  return with_pass<Forward>({cell, bfloat16, threads}, in, [&](auto& pass) { pass.run(out); });
}

}  // namespace
}  // namespace zoo

#pragma GCC visibility push(default)

XLA_FFI_DEFINE_HANDLER_SYMBOL(zoo_forward, zoo::forward,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>() ZOO_FORWARD_SIGNATURE);

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

#pragma GCC visibility pop
