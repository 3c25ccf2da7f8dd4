"""Rows as Arrow files: written once to a cache, checked and memory-mapped later.

Here, as in all of `tasks`, slow libraries are imported where they are used, so that
``--help`` and errors in the flags appear immediately.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zoo.tasks.data import entries
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Kind, Reading

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset, Features

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
    import pyarrow
    from datasets import Dataset

    def fill(file: BinaryIO) -> None:
        schema = features(kind).arrow_schema
        with pyarrow.ipc.new_stream(file, schema) as writer:
            for rows in _batches(make_rows(), name):
                writer.write_batch(pyarrow.RecordBatch.from_pylist(rows, schema))

    return Dataset.from_file(str(entries.entry(fill, key, "arrow", cache_dir)))


def in_memory(rows: list[dict[str, Any]], kind: Kind) -> "Dataset":
    """Return rows as a dataset in memory, with the columns of `cached_dataset`.

    Args:
        rows: the rows.
        kind: the kind of the rows.
    """
    import pyarrow
    from datasets import Dataset
    from datasets.table import InMemoryTable

    table = pyarrow.Table.from_pylist(rows, features(kind).arrow_schema)
    return Dataset(InMemoryTable(table))


def features(kind: Kind) -> "Features":
    """Return the columns of the rows of a kind.

    Args:
        kind: the kind of the rows.
    """
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
    return entries.digest_in_name(Path(rows.cache_files[0]["filename"]))


def table_digest(table: "pyarrow.Table") -> str:
    """Return a digest of the values and the types of a table.

    Args:
        table: of any columns.
    """
    import pyarrow
    from xxhash import xxh3_128

    class Sink:
        """A file that keeps no more than the digest of what is written to it."""

        closed = False

        def __init__(self) -> None:
            self.digest = xxh3_128()

        def write(self, data: Any) -> None:
            self.digest.update(data)

        def flush(self) -> None: ...

        def close(self) -> None: ...

    sink = Sink()
    file: Any = pyarrow.PythonFile(sink, "w")
    with pyarrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return sink.digest.hexdigest()


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
