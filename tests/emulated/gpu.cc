// The kernels for GPUs, run on a CPU.

#include "ffi.h"
