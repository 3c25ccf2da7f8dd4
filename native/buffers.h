// What XLA gives and takes, for the kernels of CPUs and of GPUs.
#pragma once

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace zoo {

using Numbers = ffi::Buffer<ffi::F32>;
using Flags = ffi::Buffer<ffi::PRED>;
using NumbersOut = ffi::Result<Numbers>;

// An array that may be absent has no elements.
template <class Buffer>
auto data(const Buffer& buffer) -> decltype(buffer.typed_data()) {
  return buffer.element_count() ? buffer.typed_data() : nullptr;
}

}  // namespace zoo

// What a call binds.
#define NUMBERS Arg<zoo::Numbers>()
#define FLAGS Arg<zoo::Flags>()
#define RESULT Ret<zoo::Numbers>()
