"""Which library of kernels is loaded on which machine, and which ones are built."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.kernel_table import NATIVE, load_module

levels = load_module("levels")

AVX2 = "fpu sse4_2 avx avx2 bmi1 bmi2 f16c fma abm movbe"
AVX512 = f"{AVX2} avx512f avx512bw avx512cd avx512dq avx512vl"
ALL = list(levels.X86)


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", AVX512, ["v4", "v3", "v2"]),
        ("AMD64", AVX512, ["v4", "v3", "v2"]),
        ("x86_64", AVX512.replace(" avx512vl", ""), ["v3", "v2"]),
        ("x86_64", AVX512.replace(" fma", ""), ["v2"]),
        ("x86_64", AVX2, ["v3", "v2"]),
        ("x86_64", "fpu sse4_2 avx", ["v2"]),
        ("aarch64", AVX512, ["generic"]),
        ("arm64", "", ["generic"]),
    ],
)
def test_the_levels_that_a_machine_runs(machine, flags, expected):
    cpuinfo = f"processor\t: 0\nflags\t\t: {flags}\nprocessor\t: 1\nflags\t\t: {flags}"
    assert levels.supported(machine, cpuinfo) == expected


def test_without_a_list_of_flags_the_slowest_level_is_assumed():
    assert levels.supported("x86_64", "") == ["v2"]


@given(
    built=st.sets(st.sampled_from(ALL)),
    slowest=st.integers(0, 2),
    requested=st.none() | st.sampled_from([*ALL, "v5", ""]),
)
def test_no_level_is_loaded_that_the_machine_lacks(built, slowest, requested):
    runs = ALL[slowest:]
    usable = [level for level in ALL if level in built and level in runs]
    if requested is None:
        assert levels.choose(built, runs, requested) == next(iter(usable), None)
    elif requested in usable:
        assert levels.choose(built, runs, requested) == requested
    else:
        with pytest.raises(ImportError, match=f"ZOO_NATIVE_LEVEL={requested}: "):
            levels.choose(built, runs, requested)


def test_an_error_says_why_a_requested_level_is_not_loaded():
    with pytest.raises(ImportError, match="v4: not for this machine; .* v2 or none"):
        levels.choose(["v4", "v2"], ["v3", "v2"], "v4")
    with pytest.raises(ImportError, match="v3: not built; expected none"):
        levels.choose(["v4"], ["v3", "v2"], "v3")


def test_an_unknown_level_is_not_built():
    pytest.importorskip("setuptools", reason="the build of native/ needs setuptools")
    process = subprocess.run(
        [sys.executable, "setup.py", "--name"],
        cwd=NATIVE,
        env=os.environ | {"ZOO_NATIVE_LEVELS": "v3,v9"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert (
        "ZOO_NATIVE_LEVELS=v3,v9: v9 is unknown; expected all, or some of "
        in process.stderr
    )
