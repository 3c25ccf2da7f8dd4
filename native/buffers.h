// The arrays that XLA passes to the kernels, on CPUs and on GPUs.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace zoo {

using FloatBuffer = ffi::Buffer<ffi::F32>;
using BoolBuffer = ffi::Buffer<ffi::PRED>;
using FloatResult = ffi::Result<FloatBuffer>;

// Return the address of an array; null if it has no elements, which means that it is absent.
template <class Buffer>
auto data_or_null(const Buffer& buffer) -> decltype(buffer.typed_data()) {
  return buffer.element_count() ? buffer.typed_data() : nullptr;
}

}  // namespace zoo
