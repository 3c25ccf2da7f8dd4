// The CPU kernels for x86-64 with AVX2.
#include "ffi.h"
