"""The machine and the versions that a measurement depends on.

Imports no JAX: a process may read this before it chooses its device.
"""

import importlib.metadata
import os
import platform
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.paths import ROOT


def usable_cores() -> list[int]:
    """Return the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def machine() -> str:
    """Return the CPU model, its vector extensions and its number of cores."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    # Reversed: of all processors the first one counts.
    lines = reversed(path.read_text().splitlines())
    entries = [line.partition(":") for line in lines]
    info = {name.strip(): value.strip() for name, _, value in entries}
    flags = info.get("flags", "").split()
    extensions = [f for f in ("avx2", "avx512f", "amx_tile") if f in flags]
    parts = [info.get("model name", platform.machine()), *map(str.upper, extensions)]
    if "avx512f" not in flags:
        parts.append("no AVX512")
    return ", ".join([*parts, f"{os.cpu_count()} cores in all"])


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed.

    Args:
        packages: names of distributions.
    """
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def format_versions(versions: Mapping[str, str]) -> str:
    """Return versions as the text of a column.

    Args:
        versions: by name.
    """
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def machine_columns(packages: Iterable[str]) -> dict[str, str]:
    """Return the columns ``cores``, ``machine`` and ``versions`` of a result.

    Args:
        packages: names of distributions that the result depends on.
    """
    return {
        "cores": str(len(usable_cores())),
        "machine": machine(),
        "versions": format_versions(installed_versions(packages)),
    }


def describe_machine(row: Mapping[str, str]) -> str:
    """Return the machine of a result and the number of cores that it used.

    Args:
        row: with the columns ``cores`` and ``machine``.
    """
    return f"{row['machine']}; {row['cores']} core(s) used"


def describe_machines(rows: Iterable[Mapping[str, str]]) -> str:
    """Return a line for each combination of machine and versions.

    Args:
        rows: with the columns of `machine_columns`, and ``backend`` if there is one.
    """
    lines = {
        ", ".join(filter(None, [row.get("backend"), describe_machine(row)]))
        + f"; {row['versions']}"
        for row in rows
    }
    return "\n".join(f"Machine: {line}." for line in sorted(lines))


def revision() -> str:
    """Return the version of this library and the last commit of its code."""
    try:
        version = importlib.metadata.version("rnn-zoo")
    except importlib.metadata.PackageNotFoundError:  # a checkout on the path
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        version = project["version"]
    command = ["git", "log", "-1", "--format=%h", "--", "zoo", "native"]
    try:
        log = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    except OSError:  # no git
        return version
    return f"{version} {log.stdout.strip()}".strip()
