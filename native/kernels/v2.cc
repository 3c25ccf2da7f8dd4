// The CPU kernels for any x86-64 of level 2, or any other machine.
#include "ffi.h"
