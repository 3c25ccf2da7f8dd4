#include "ffi.h"
