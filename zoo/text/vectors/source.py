"""The bytes of a file, gzip-compressed or not."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, cast

from zoo.text.vectors.vector_file import VectorError

GZIP = b"\x1f\x8b"
_CHUNK = 1 << 24  # bytes that are unpacked at a time


class Source:
    """A file to read from its start, once or several times.

    Attributes:
        path: of the file.
        is_packed: whether it is gzip-compressed; reading unpacks it.
    """

    def __init__(self, path: Path) -> None:
        """Look at the first bytes of a file.

        Args:
            path: of the file.

        Raises:
            VectorError: if there is no such file, or it cannot be read.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self.is_packed = file.read(2) == GZIP
        except (OSError, ValueError) as error:  # ValueError: a null in the path
            reason = getattr(error, "strerror", None) or str(error)
            raise VectorError(path, f"cannot be read: {reason}") from error

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the file, unpacked.

        Raises:
            VectorError: while it is open, if it cannot be read, or its compressed data
                end early or are damaged.
        """
        try:
            with self.path.open("rb") as file:
                if not self.is_packed:
                    yield file
                    return
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast(BinaryIO, unpacked)
        except EOFError as error:
            raise VectorError(
                self.path, "the gzip data end early: the file is cut off"
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise VectorError(
                self.path, f"the gzip data are damaged: {error}"
            ) from error
        except OSError as error:
            raise VectorError(
                self.path, f"cannot be read: {error.strerror or error}"
            ) from error

    def head(self, size: int) -> bytes:
        """Return the first bytes.

        Args:
            size: how many, if there are so many.

        Raises:
            VectorError: as for `opened`.
        """
        with self.opened() as file:
            return file.read(size)

    @contextmanager
    def mappable(self) -> Iterator[IO[bytes]]:
        """Open a file on disk, unpacked, that can be mapped into memory.

        A compressed one is unpacked into a temporary file, which is deleted at the end;
        a map of it remains valid.

        Raises:
            VectorError: as for `opened`, or if the temporary folder is full.
        """
        if not self.is_packed:
            with self.path.open("rb") as file:
                yield file
            return
        try:
            # Without a buffer, which closing the file would try to write again.
            unpacked = tempfile.NamedTemporaryFile(buffering=0)
        except OSError as error:
            raise VectorError(
                self.path, f"cannot be unpacked: {error.strerror or error}"
            ) from error
        with unpacked as temporary:
            self._unpack(cast(FileIO, temporary))
            yield cast(IO[bytes], temporary)

    def _unpack(self, temporary: FileIO) -> None:
        """Write the unpacked bytes into a temporary file."""
        try:
            for chunk in self._chunks():
                rest = memoryview(chunk)
                while rest:
                    rest = rest[temporary.write(rest) :]
        except OSError as error:
            folder = Path(str(temporary.name)).parent
            raise VectorError(
                self.path,
                f"cannot be unpacked in the temporary folder {folder}: "
                f"{error.strerror or error}; TMPDIR chooses another folder",
            ) from error

    def _chunks(self) -> Iterator[bytes]:
        """Yield the unpacked bytes."""
        with self.opened() as file:
            while chunk := file.read(_CHUNK):
                yield chunk
