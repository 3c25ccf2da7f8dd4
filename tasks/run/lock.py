"""The lock of a run folder: one process at a time works in it."""

import errno
import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

from zoo.tasks.run.errors import RunError, note

NAME = ".zoo-run.lock"


class Lock:
    """The right of this process to work in a folder; it ends with the process.

    The operating system holds the lock of the file `NAME` in the folder, and releases
    it when the process ends, however that happens.
    """

    def __init__(self, folder: Path, *, new: bool = False) -> None:
        """Lock a folder, and create it if it does not exist.

        Args:
            folder: the folder.
            new: it must not exist.

        Raises:
            RunError: if another process has locked it, or `NAME` is not a file in it.
            FileExistsError: with `new`, if it exists.
        """
        self._path = folder / NAME
        while True:
            self._created = [p for p in (folder, *folder.parents) if not p.exists()]
            folder.mkdir(parents=True, exist_ok=not new)
            try:
                self._file = open(self._path, "a+", opener=_open)
            except FileNotFoundError:
                if folder.exists():
                    raise
                continue  # another process has removed the folder
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(_in_use(folder, self._file)) from None
            except OSError as error:
                note(
                    f"the file system of {folder} has no locks ({error.strerror}): do "
                    "not start a second process with this --out"
                )
            if self._is_current():
                break
            self._file.close()
        with suppress(OSError):  # on a full disk the message to others names no process
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
            self._file.flush()

    def _is_current(self) -> bool:
        """Return whether the locked file is still the one in the folder."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock, and remove the folders that it created and that are empty.

        Does nothing the second time.
        """
        if self._file.closed:
            return
        if self._is_current():
            self._path.unlink()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):  # not empty: the run has begun
            for folder in self._created:
                folder.rmdir()


def _open(path: str, flags: int) -> int:
    """Open the file of the lock, which is no link and nothing but a file."""
    try:
        number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        number = None
    if number is None or not stat.S_ISREG(os.fstat(number).st_mode):
        if number is not None:
            os.close(number)
        raise RunError(f"{path} must be a file, which locks the folder; remove it")
    return number


def _in_use(folder: Path, file: IO[str]) -> str:
    """Return the message for a process that comes second."""
    with file:
        file.seek(0)
        holder = file.read().strip() or "another process"
    return (
        f"--out {folder} is in use by {holder}; wait until it ends, or choose another "
        "folder"
    )
