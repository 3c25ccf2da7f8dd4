"""Rows in Arrow files: written once to the cache of `datasets`, mapped from there.

Here, as in all of `tasks`, libraries that take long to import are imported where they
are used: a program that only shows its flags, or an error in them, does not wait.
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


def stored(
    rows: Callable[[], Iterator[dict[str, Any]]],
    kind: Kind,
    key: str,
    cache_dir: Path | None,
    what: str,
) -> "Dataset":
    """Return rows from the cache; write them there first if it has none by their key.

    Args:
        rows: makes a generator of the rows.
        kind: what a row is.
        key: what `key` returned for them.
        cache_dir: where the Arrow files go; None is the library's own place.
        what: the name of the rows, for a message.

    Raises:
        DataError: if there are no rows; and whatever the generator raises, without the
            library's wrapping of it.
    """
    from datasets import Dataset, Features, List, Value
    from datasets.exceptions import DatasetGenerationError

    def some() -> Iterator[dict[str, Any]]:
        row = None
        for row in rows():
            yield row
        if row is None:
            raise DataError(f"{what} is empty")

    word = Value("string")
    if kind in ("tagged", "entities"):
        features = {"tokens": List(word), "tags": List(word)}
    elif kind == "pairs":
        features = {"source": word, "targets": List(word)}
    else:
        features = {"text": word} | ({"label": word} if kind == "labelled" else {})
    try:
        with quiet():
            found = Dataset.from_generator(
                some,
                features=Features(features),
                cache_dir=str(cache_dir) if cache_dir else None,  # type: ignore
                fingerprint=key,
            )
    except DatasetGenerationError as error:
        # The library wraps what went wrong in its own words; ours name file and line.
        raise (error.__cause__ or error) from None
    assert isinstance(found, Dataset)
    return found


def content(reading: Reading) -> str:
    """Return what a file's rows hang on: its bytes and how it is read, not its place.

    Of parallel files, the bytes of both.

    Args:
        reading: the file.
    """
    digests = []
    for path in filter(None, (reading.path, reading.targets)):
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "blake2b").hexdigest())
    label = reading.path.stem if reading.format == "folder" else ""
    placeless = reading._replace(path=Path(label), targets=None)
    return " ".join([repr(placeless), *digests])


def key(*parts: str) -> str:
    """Return the name of an entry of the cache.

    Args:
        *parts: all that the rows hang on, besides this code.
    """
    whole = "\n".join([_code(), *parts])
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


@cache
def _code() -> str:
    """Return a digest of the source code that makes the rows."""
    here = Path(__file__).parent
    sources = [
        *sorted((here / "formats").glob("*.py")),
        here / "hub.py",
        here / "loading.py",
    ]
    whole = b"".join(source.read_bytes() for source in sources)
    return hashlib.blake2b(whole).hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's bars and messages off the screen."""
    import datasets

    bars = not datasets.are_progress_bars_disabled()
    level = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
