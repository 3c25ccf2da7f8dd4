"""Compiled programs on disk, so that the next start of a command compiles nothing.

JAX stores and finds them; this module chooses the folder, bounds its size and removes
what a killed process has left.
"""

import hashlib
import importlib
import os
import platform
import shutil
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

VARIABLE = "ZOO_COMPILE_CACHE"
# The XLA of many earlier versions prints false errors about programs that it loads.
MIN_JAX = (0, 10, 2)
MAX_BYTES = 1 << 30
MIN_FREE_BYTES = 1 << 28  # of the disk
_CHECKED = ".checked"  # its time is that of the last check of the entries


def use() -> Path | None:
    """Let JAX store compiled programs, and return the folder; None without one.

    The folder is in ``~/.cache/rnn-zoo/compiled``, or in what `VARIABLE` names; ``off``
    is none. If a variable of JAX configures the cache, or JAX is older than `MIN_JAX`,
    nothing is changed. Programs are compiled for one kind of processor: each has a
    folder of its own.
    """
    place = os.environ.get(VARIABLE, "")
    config: Any = jax.config
    by_jax = config.jax_compilation_cache_dir is not None
    if jax.__version_info__ < MIN_JAX:
        return None
    if place == "off" or by_jax or not config.jax_enable_compilation_cache:
        return None
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parent = Path(place or Path(home) / "rnn-zoo" / "compiled").expanduser()
    folder = parent / _processor()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder) or shutil.disk_usage(folder).free < MIN_FREE_BYTES:
            return None
        _remove_damaged(folder)
        _shrink(parent)
    except (OSError, RuntimeError):  # no home; a command runs without a cache too
        return None
    # A disk that becomes full is no reason to disturb the user either.
    warnings.filterwarnings("ignore", "Error (read|writ)ing persistent compilation")
    config.update("jax_compilation_cache_dir", str(folder))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return folder


def _processor() -> str:
    """Return a name of this processor: programs for another one may crash."""
    parts = [platform.machine(), platform.system(), platform.processor()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        keys = ("flags", "features", "model name", "cpu part")
        parts += sorted({x for x in lines if x.partition("\t")[0].lower() in keys})
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Return whether only this user can write programs into a folder."""
    status = folder.stat()
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not others


def _remove_damaged(folder: Path) -> None:
    """Remove entries that a killed process has not written to their end.

    JAX would never write them again.
    """
    marker = folder / _CHECKED
    checked = marker.stat().st_mtime if marker.exists() else 0.0
    now = time.time()
    for path, status in _entries(folder):
        if status.st_mtime >= checked and not _is_complete(path):
            path.unlink(missing_ok=True)
    marker.touch()
    # Entries that are written during this check are checked next time.
    os.utime(marker, (now, now))


def _is_complete(path: Path) -> bool:
    """Return whether an entry can be decompressed; True where nothing can do that."""
    content = path.read_bytes()
    modules = ["zlib"]
    if content.startswith(b"\x28\xb5\x2f\xfd"):  # as JAX chooses
        modules = ["compression.zstd", "zstandard"]
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        try:
            module.decompress(content)
        except Exception:  # each module has its own
            return False
    return True


def _shrink(parent: Path) -> None:
    """Remove the entries that have not been used for the longest time."""
    entries = [entry for folder in parent.iterdir() for entry in _entries(folder)]
    size = sum(status.st_size for _, status in entries)
    entries.sort(key=lambda entry: max(entry[1].st_atime, entry[1].st_mtime))
    for path, status in entries:
        if size <= MAX_BYTES:
            break
        path.unlink(missing_ok=True)
        size -= status.st_size


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the entries of JAX in a folder."""
    for path in folder.glob("*-cache"):
        with suppress(FileNotFoundError):  # another process has removed it
            yield path, path.stat()
