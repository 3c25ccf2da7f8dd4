"""A folder that is replaced as a whole: readers see all old files, or all new ones.

New files are written into a hidden folder next to it, which then takes its place in one
step. A process that is killed leaves the old folder or the new one, and perhaps the
hidden folder, which the next `write` removes.
"""

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

# Each needs another `write` between two system calls of a reader.
ATTEMPTS = 20
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def write(path: Path, files: Mapping[str, bytes], required: Sequence[str]) -> None:
    """Write files into a folder, all or none; such a folder is replaced.

    Other files in it are kept.

    Args:
        path: the folder; of a symbolic link, the folder that it names.
        files: content by name.
        required: names that a folder has if it may be replaced.

    Raises:
        FileExistsError: if `path` is a file, or a folder that is not empty and has not
            all of `required`.
        OSError: if it cannot be written.
    """
    path = Path(os.path.realpath(path))
    _check_replaceable(path, required)
    path.parent.mkdir(parents=True, exist_ok=True)
    new, lock = _new_folder(path)
    try:
        for name, content in files.items():
            _write(new / name, content)
        _sync(new)
        _replace(path, new, files)  # `new` is the old folder from here on
        _sync(path.parent)
    finally:
        _discard(new, path, files)
        _unlock(lock)
    for stray in _strays(path):
        lock = _lock(stray, wait=False)
        if lock is not None:
            _discard(stray, path, files)
            _unlock(lock)


@contextlib.contextmanager
def opened(
    paths: Sequence[Path], names: Sequence[str]
) -> Iterator[tuple[Path, list[BinaryIO]]]:
    """Open files of the first folder that has them all, while it may be replaced.

    Args:
        paths: of folders.
        names: of the files; those that are opened are of the same `write`.

    Yields:
        The folder and its open files.

    Raises:
        FileNotFoundError: if no folder has all.
        OSError: if a file cannot be opened, or is not a regular file.
    """
    # `_swap` moves the old folder aside before the new one takes its place.
    places = [place for path in paths for place in (path, _aside(path))]
    for _ in range(ATTEMPTS):
        complete = (place for place in places if _has(place, names))
        folder = next(complete, None)
        state = None if folder is None else _state(folder)
        if folder is None or state is None:
            continue
        with contextlib.ExitStack() as stack:
            try:
                files = [stack.enter_context(_regular(folder / name)) for name in names]
            except OSError:
                if _state(folder) == state:
                    raise
                continue
            if _state(folder) == state:
                yield folder, files
                return
    raise FileNotFoundError(f"no folder has {' and '.join(names)}")


def _has(folder: Path, names: Sequence[str]) -> bool:
    """Return whether a folder has entries of all names."""
    return all(os.path.lexists(folder / name) for name in names)


def _regular(path: Path) -> BinaryIO:
    """Open a regular file. Another may block the reader, or have no end."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", opener=opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def _state(folder: Path) -> tuple[int, int] | None:
    """Return what changes when a folder is replaced; None if there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _check_replaceable(path: Path, required: Sequence[str]) -> None:
    """Check that a folder has the required files, or is empty or missing."""
    if not path.exists():
        return
    if not path.is_dir():
        raise FileExistsError(f"{path} is a file, expected a folder")
    present = sorted(entry.name for entry in path.iterdir())
    missing = [name for name in required if name not in present]
    if present and missing:
        raise FileExistsError(
            f"{path} is not replaced: it has {present[0]}, but no {missing[0]}; choose "
            "a folder that is new, empty or of a model"
        )


def _new_folder(path: Path) -> tuple[Path, int | None]:
    """Return a new hidden folder next to `path`, and its lock."""
    while True:
        new = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        new.mkdir()
        lock = _lock(new, wait=True)
        if new.exists():  # not removed as a stray before the lock
            return new, lock
        _unlock(lock)


def _strays(path: Path) -> list[Path]:
    """Return the hidden folders next to `path` that `write` makes."""
    pattern = re.compile(rf"\.{re.escape(path.name)}-([0-9a-f]{{16}}|replaced)")
    return [
        entry
        for entry in path.parent.iterdir()
        if pattern.fullmatch(entry.name) and entry.is_dir()
    ]


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Lock a folder until `_unlock`, or until the process ends.

    Returns:
        The descriptor of the lock; None if another process has it, or there is no
        folder, or the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _unlock(descriptor: int | None) -> None:
    """Release a lock."""
    if descriptor is not None:
        os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    """Write a file to the disk."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _replace(path: Path, new: Path, files: Mapping[str, bytes]) -> None:
    """Give `new` the name `path`, and the old folder the name of `new`."""
    try:
        new.rename(path)  # if there is none, or an empty one
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if not _exchange(new, path):
        _discard(_aside(path), path, files)  # of a process that was killed
        _swap(path, new)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders in one step; return False where this is not supported."""
    if os.name != "posix":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(a), os.fsencode(b)
    swap = ctypes.c_uint(2)  # RENAME_EXCHANGE, RENAME_SWAP
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*paths, swap)
    elif hasattr(libc, "renameat2"):
        relative = ctypes.c_int(-100)  # AT_FDCWD
        failed = libc.renameat2(relative, paths[0], relative, paths[1], swap)
    else:
        return False
    code = ctypes.get_errno()
    if failed and code not in UNSUPPORTED:
        raise OSError(code, os.strerror(code), str(b))
    return not failed


def _aside(path: Path) -> Path:
    """Return where `_swap` puts the old folder before the new one takes its place."""
    folder, name = os.path.split(os.path.realpath(path))
    return Path(folder, f".{name}-replaced")


def _swap(path: Path, new: Path) -> None:
    """Exchange two folders, in steps; in between, `opened` finds the old one aside."""
    old = _aside(path)
    path.rename(old)
    new.rename(path)
    old.rename(new)


def _discard(folder: Path, path: Path, files: Mapping[str, bytes]) -> None:
    """Remove a hidden folder; files that `write` did not write move into `path`."""
    try:
        for entry in folder.iterdir():
            kept = path / entry.name
            if entry.name not in files and not os.path.lexists(kept):
                entry.rename(kept)
    except OSError:
        return  # nothing is lost: the next `write` tries again
    shutil.rmtree(folder, ignore_errors=True)
