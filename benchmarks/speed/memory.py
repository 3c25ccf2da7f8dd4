"""The peak memory of this process."""

import ctypes
import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def peak_memory() -> float:
    """Return the peak memory of this process in MB.

    On Linux it is the peak since the last `reset_peak`.
    """
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss, which starts at the memory of the parent process.
        lines = status.read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def reset_peak() -> bool:
    """Set the peak to the current memory; return whether the system supports it.

    Freed memory is returned to the system first, as far as possible.
    """
    gc.collect()
    with suppress(AttributeError):  # the C library is not glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


@contextmanager
def single_arena() -> Iterator[None]:
    """Limit processes that start in this context to one glibc arena.

    Otherwise glibc has an arena per thread, and `reset_peak` cannot return the last
    part of each. glibc reads the variable when a process starts.
    """
    name = "MALLOC_ARENA_MAX"
    previous = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if previous is not None:
            os.environ[name] = previous
