"""Files of a cache: written once, checked and read later.

The name of an entry holds the digest of its bytes, so that a truncated or altered one
is recognised and written again. An entry appears with its last byte, by a renaming;
a lock that ends with its process lets one of several processes write it. Each new entry
may remove others, those that have not been used for the longest time.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from zoo.tasks import disk
from zoo.tasks.data.formats.errors import DataError

_FOLDER = "rnn_zoo"  # in the cache of `datasets`
MAX_BYTES = 20 << 30
# An entry in use is kept until its reader has mapped it into memory. Once it is mapped,
# it remains readable without its name.
MIN_UNUSED_SECONDS = 3600.0


def entry(
    fill: Callable[[BinaryIO], object], key: str, ending: str, cache_dir: Path | None
) -> Path:
    """Return the file of an entry; write it first if there is none, or it is damaged.

    Args:
        fill: writes the content to an empty file, which is open for reading too.
        key: all that the content depends on, as a digest.
        ending: of the name of the file, without a dot.
        cache_dir: directory of the cache; None is that of `datasets`.

    Raises:
        DataError: if the cache cannot be written. Errors of `fill` that are none of the
            system are raised unchanged.
    """
    from datasets import config

    folder = Path(cache_dir or config.HF_DATASETS_CACHE) / _FOLDER
    return _valid(folder, key, ending) or _write(fill, folder, key, ending)


def digest_in_name(path: Path) -> str:
    """Return the digest of the bytes of an entry.

    Args:
        path: from `entry`.
    """
    return path.stem.rpartition("-")[2]


def _valid(folder: Path, key: str, ending: str) -> Path | None:
    """Return the file of an entry, if there is one and its digest matches."""
    for path in sorted(folder.glob(f"{key}-*.{ending}")):
        with suppress(OSError):  # an entry that cannot be read is written again
            if path == _path(folder, key, ending, _digest(path)):
                _mark_used(path)
                return path
    return None


def _write(
    fill: Callable[[BinaryIO], object], folder: Path, key: str, ending: str
) -> Path:
    """Write an entry, or wait for another process that is writing it; return its file.

    The unfinished files of processes that were killed are removed.
    """
    from filelock import FileLock

    unfinished = folder / f"{key}.incomplete"
    with _cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.glob("*.incomplete"):
            with suppress(OSError), FileLock(other.with_suffix(".lock"), timeout=0):
                other.unlink()
        with FileLock(folder / f"{key}.lock"):
            if path := _valid(folder, key, ending):
                return path
            for path in folder.glob(f"{key}-*.{ending}"):
                path.unlink()
            try:
                with open(unfinished, "w+b") as file:
                    fill(file)
                path = _path(folder, key, ending, _digest(unfinished))
                path = unfinished.rename(path)
            finally:
                unfinished.unlink(missing_ok=True)
    _shrink(folder)
    return path


def _mark_used(path: Path) -> None:
    """Set the time of the last access; not all file systems record it at a reading."""
    with suppress(OSError):  # of another user
        os.utime(path, (time.time(), path.stat().st_mtime))


def _shrink(folder: Path) -> None:
    """Remove the entries that have not been used for the longest time."""
    used, size = [], 0
    for path in folder.glob("*-*.*"):
        with suppress(FileNotFoundError):  # another process has removed it
            status = path.stat()
            size += status.st_size
            used.append((max(status.st_atime, status.st_mtime), status.st_size, path))
    for last, bytes_, path in sorted(used):
        if size <= MAX_BYTES or time.time() - last < MIN_UNUSED_SECONDS:
            break
        with suppress(OSError):  # of another user, or open on Windows
            path.unlink(missing_ok=True)
            size -= bytes_


def _path(folder: Path, key: str, ending: str, digest: str) -> Path:
    return folder / f"{key}-{digest}.{ending}"


def _digest(path: Path) -> str:
    """Return a digest that recognises damage, at the speed of reading a file."""
    from xxhash import xxh3_128

    with open(path, "rb") as file:
        return hashlib.file_digest(file, xxh3_128).hexdigest()


@contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    """Name the cache in an error of the system, and how to move it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if disk.is_full(error):
            reason += f"; {disk.free_mb(folder):,.1f} MB are free there"
        raise DataError(
            f"the data cache {folder} cannot be written ({reason}): make room or give "
            "permission, or set HF_DATASETS_CACHE to a folder elsewhere"
        ) from None
