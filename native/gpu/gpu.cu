// The GPU kernels.
#include "ffi.h"
