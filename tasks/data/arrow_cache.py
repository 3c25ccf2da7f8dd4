"""Rows as Arrow files: written once to the cache of `datasets`, memory-mapped later.

Here, as in all of `tasks`, slow libraries are imported where they are used, so that
``--help`` and errors in the flags appear immediately.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.data.formats.errors import DataError
from tasks.data.formats.reading import Kind, Reading

if TYPE_CHECKING:
    from datasets import Dataset


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
        DataError: if there are no rows. Errors of `make_rows` are raised unchanged, not
            wrapped by `datasets`.
    """
    from datasets import Dataset, Features, List, Value
    from datasets.exceptions import DatasetGenerationError

    def nonempty_rows() -> Iterator[dict[str, Any]]:
        row = None
        for row in make_rows():
            yield row
        if row is None:
            raise DataError(f"{name} is empty")

    string = Value("string")
    if kind in ("tagged", "entities"):
        features = {"tokens": List(string), "tags": List(string)}
    elif kind == "pairs":
        features = {"source": string, "targets": List(string)}
    elif kind == "labelled":
        features = {"text": string, "label": string}
    else:
        features = {"text": string}
    try:
        with quiet():
            dataset = Dataset.from_generator(
                nonempty_rows,
                features=Features(features),
                cache_dir=str(cache_dir) if cache_dir else None,  # type: ignore
                fingerprint=key,
            )
    except DatasetGenerationError as error:
        # The cause names the file and the line; the wrapper of `datasets` does not.
        raise (error.__cause__ or error) from None
    assert isinstance(dataset, Dataset)
    return dataset


def fingerprint(reading: Reading) -> str:
    """Return what the rows of a file depend on: its bytes and how they are read.

    The path is not included, except for the file name in format ``folder``, which is
    the label. For parallel files, the bytes of both files are included.

    Args:
        reading: the file and how it is read.
    """
    digests = []
    for path in filter(None, (reading.path, reading.targets)):
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "blake2b").hexdigest())
    label = reading.path.name if reading.format == "folder" else ""
    without_paths = reading._replace(path=Path(label), targets=None, remarks=())
    return " ".join([repr(without_paths), *digests])


def cache_key(*parts: str) -> str:
    """Return the key of a cache entry.

    Args:
        *parts: all that the rows depend on, apart from the code that reads them.
    """
    return digest(code_digest(), *parts)


def digest(*parts: str) -> str:
    """Return a digest of texts.

    Args:
        *parts: the texts.
    """
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


@cache
def code_digest() -> str:
    """Return a digest of the source code that makes the rows."""
    folder = Path(__file__).parent
    sources = [
        *sorted((folder / "formats").glob("*.py")),
        folder / "hub.py",
        folder / "loading.py",
        folder.parents[1] / "zoo" / "text" / "tokenizer.py",
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
