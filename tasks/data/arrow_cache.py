"""Rows as Arrow files: written once to a cache, checked and memory-mapped later.

The name of an entry holds the digest of its bytes, so that a truncated or altered one
is recognised and written again. An entry appears with its last byte, by a renaming;
a lock that ends with its process lets one of several processes write it.

Here, as in all of `tasks`, slow libraries are imported where they are used, so that
``--help`` and errors in the flags appear immediately.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.tasks import disk
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Kind, Reading

if TYPE_CHECKING:
    from datasets import Dataset, Features

_FOLDER = "rnn_zoo"  # in the cache of `datasets`
_MAX_ROWS, _MAX_CHARACTERS = 1000, 1 << 24  # of a batch of rows in an Arrow file


def cached_dataset(
    make_rows: Callable[[], Iterator[dict[str, Any]]],
    kind: Kind,
    key: str,
    cache_dir: Path | None,
    name: str,
) -> "Dataset":
    """Return a dataset from the cache; on a miss, write its rows to the cache first.

    Args:
        make_rows: returns a new iterator over the rows.
        kind: the kind of the rows.
        key: the cache key, from `cache_key`.
        cache_dir: directory of the Arrow files; None is the default of `datasets`.
        name: what the rows are called in an error message.

    Raises:
        DataError: if there are no rows, or the cache cannot be written. Errors of
            `make_rows` are raised unchanged.
    """
    from datasets import Dataset, config

    folder = Path(cache_dir or config.HF_DATASETS_CACHE) / _FOLDER
    path = _valid_entry(folder, key) or _write(make_rows, kind, key, folder, name)
    return Dataset.from_file(str(path))


def _valid_entry(folder: Path, key: str) -> Path | None:
    """Return the file of an entry, if there is one and its digest is right."""
    for path in sorted(folder.glob(f"{key}-*.arrow")):
        with suppress(OSError):  # an entry that cannot be read is written again
            if path == _path(folder, key, _digest(path)):
                return path
    return None


def _write(
    make_rows: Callable[[], Iterator[dict[str, Any]]],
    kind: Kind,
    key: str,
    folder: Path,
    name: str,
) -> Path:
    """Write an entry, or wait for another process that is writing it; return its file.

    The unfinished files of processes that were killed are removed.
    """
    import pyarrow
    from filelock import FileLock

    unfinished = folder / f"{key}.incomplete"
    with _cache_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.glob("*.incomplete"):
            with suppress(OSError), FileLock(other.with_suffix(".lock"), timeout=0):
                other.unlink()
        with FileLock(folder / f"{key}.lock"):
            if path := _valid_entry(folder, key):
                return path
            for path in folder.glob(f"{key}-*.arrow"):
                path.unlink()
            schema = _features(kind).arrow_schema
            try:
                with (
                    open(unfinished, "wb") as file,
                    pyarrow.ipc.new_stream(file, schema) as writer,
                ):
                    for rows in _batches(make_rows(), name):
                        batch = pyarrow.RecordBatch.from_pylist(rows, schema)
                        writer.write_batch(batch)
                return unfinished.rename(_path(folder, key, _digest(unfinished)))
            finally:
                unfinished.unlink(missing_ok=True)


def _features(kind: Kind) -> "Features":
    """Return the columns of the rows of a kind."""
    from datasets import Features, List, Value

    string = Value("string")
    if kind in ("tagged", "entities"):
        return Features({"tokens": List(string), "tags": List(string)})
    if kind == "pairs":
        return Features({"source": string, "targets": List(string)})
    if kind == "labelled":
        return Features({"text": string, "label": string})
    return Features({"text": string})


def _batches(
    rows: Iterator[dict[str, Any]], name: str
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows in lists of a bounded number of characters, but a row at least."""
    batch, size, row = [], 0, None
    for row in rows:
        batch.append(row)
        for value in row.values():
            size += len(value) if isinstance(value, str) else sum(map(len, value))
        if len(batch) == _MAX_ROWS or size > _MAX_CHARACTERS:
            yield batch
            batch, size = [], 0
    if row is None:
        raise DataError(f"{name} is empty")
    if batch:
        yield batch


def content_digest(rows: "Dataset") -> str:
    """Return the digest of the rows of an entry.

    Args:
        rows: from `cached_dataset`.
    """
    return Path(rows.cache_files[0]["filename"]).stem.rpartition("-")[2]


def _path(folder: Path, key: str, digest: str) -> Path:
    return folder / f"{key}-{digest}.arrow"


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


def fingerprint(reading: Reading) -> str:
    """Return what the rows of a file depend on: its bytes and how they are read.

    The path is not included, except for the file name in format ``folder``, which is
    the label.

    Args:
        reading: the file and how it is read.
    """
    label = reading.path.name if reading.format == "folder" else ""
    return repr(reading._replace(path=Path(label), targets=None, remarks=()))


def cache_key(*parts: str) -> str:
    """Return the key of a cache entry.

    Args:
        *parts: all that the rows depend on, apart from the code that reads them.
    """
    return digest(_code_digest(), *parts)


def digest(*parts: str) -> str:
    """Return a digest of texts.

    Args:
        *parts: the texts.
    """
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


@cache
def _code_digest() -> str:
    """Return a digest of the source code that makes and stores the rows."""
    folder = Path(__file__).parent
    text = folder.parents[1] / "text"
    sources = [
        *sorted((folder / "formats").glob("*.py")),
        Path(__file__),
        folder / "hub.py",
        folder / "loading.py",
        *(text / f"{name}.py" for name in ("encodings", "tokenizer")),
    ]
    code = b"".join(source.read_bytes() for source in sources)
    return hashlib.blake2b(code).hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Disable the progress bars and log messages of `datasets`."""
    import datasets

    had_bars = not datasets.are_progress_bars_disabled()
    level = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if had_bars:
            datasets.enable_progress_bars()
