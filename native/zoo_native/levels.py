"""The levels of x86-64 that there are libraries for, and those that a machine runs.

Another machine has one level, ``"generic"``.
"""

import platform
from collections.abc import Collection
from pathlib import Path

#: The flags of ``/proc/cpuinfo`` that a level adds to those of the level below it, from
#: the fastest level to the slowest. Without such a file, the slowest is assumed.
X86 = {
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
    "v2": set[str](),
}
#: What the vectors of a level are.
VECTORS = {"v4": "AVX-512", "v3": "AVX2", "v2": "SSE4", "generic": "128 bits"}


def of_architecture(machine: str = platform.machine()) -> list[str]:
    """Return all levels of an architecture, the fastest first.

    Args:
        machine: its name, as `platform.machine` returns it.
    """
    return list(X86) if machine in ("x86_64", "AMD64") else ["generic"]


def supported(machine: str, cpuinfo: str) -> list[str]:
    """Return the levels that a machine runs, the fastest first.

    Args:
        machine: its architecture, as `platform.machine` returns it.
        cpuinfo: the content of ``/proc/cpuinfo``, empty if there is none.
    """
    lines = [line for line in cpuinfo.splitlines() if line.startswith("flags")]
    flags = set(lines[0].split()) if lines else set[str]()
    levels = list[str]()
    for level in reversed(of_architecture(machine)):
        if not X86.get(level, set()) <= flags:
            break
        levels.insert(0, level)
    return levels


def of_this_machine() -> list[str]:
    """Return the levels that this machine runs, the fastest first."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    return supported(platform.machine(), text)


def choose(
    built: Collection[str], runs: list[str], requested: str | None
) -> str | None:
    """Return the level to load, None if no library of this machine was built.

    Args:
        built: the levels that there are libraries for.
        runs: the levels that the machine runs, the fastest first.
        requested: the level to load instead of the fastest one.

    Raises:
        ImportError: if the requested level cannot be loaded.
    """
    usable = [level for level in runs if level in built]
    if requested is None:
        return usable[0] if usable else None
    if requested not in usable:
        why = "not for this machine" if requested in built else "not built"
        raise ImportError(
            f"ZOO_NATIVE_LEVEL={requested}: {why}; expected "
            f"{' or '.join([*usable, 'none'])}"
        )
    return requested
