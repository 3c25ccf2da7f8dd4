"""Data sets of the Hugging Face hub, or of a local folder that `datasets` can read."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.data import formats
from tasks.data.files import split_of
from tasks.data.formats import parquet, records
from tasks.data.formats.errors import DataError
from tasks.data.formats.reading import Columns, Kind

if TYPE_CHECKING:
    from datasets import Dataset

PREFIX = "hub:"


def load(name: str, cache_dir: Path | None) -> dict[str, "Dataset"]:
    """Return the splits train, dev and test of a data set, as they are.

    Args:
        name: ``NAME``, ``NAME/CONFIG``, ``OWNER/NAME`` or ``OWNER/NAME/CONFIG``; a
            name of two parts is first taken for an owner and a name. Or a folder.
        cache_dir: where to keep it; None is the library's own place.

    Raises:
        DataError: if it cannot be reached or read, or names no split.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    place: Any = None if cache_dir is None else str(cache_dir)
    found: Any = None
    tries: Any = _candidates(name)
    for number, arguments in enumerate(tries):
        try:
            found = load_dataset(*arguments, cache_dir=place)
            break
        except DatasetNotFoundError as error:
            if number == len(tries) - 1:
                raise DataError(f"hub:{name}: {error}") from error
        except (DatasetsError, ValueError, RuntimeError) as error:
            # No such configuration, a script, or files that cannot be read.
            raise DataError(f"hub:{name}: {error}") from error
        except Exception as error:
            # Of several libraries: no network, a broken answer, a full disk.
            raise DataError(
                f"hub:{name} cannot be loaded ({error}); without a network, name files "
                "that are here with --data"
            ) from error
    splits: dict[str, Dataset] = {}
    for key, rows in dict(found or {}).items():
        split = split_of(str(key))
        if split and split not in splits:
            splits[split] = rows
    if not splits:
        listed = ", ".join(map(str, found or ()))
        raise DataError(f"hub:{name} has no split train, dev or test: {listed}")
    return splits


def rows(
    data: "Dataset", where: str, kind: Kind, columns: Columns
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split, in the form that `tasks.data` wants.

    The columns are those that the user names, else those of the right type
    (``ClassLabel``, ``List(ClassLabel)``, string), else those of usual names.

    Args:
        data: the split.
        where: its name, for messages.
        kind: what a row shall be.
        columns: the columns that the user named.

    Raises:
        DataError: if the columns cannot be told, or a row lacks one.
    """
    hints = parquet.class_columns(data.features)

    def read() -> Iterator:
        return records.rows(where, kind, columns, _records(data), hints)

    scheme = formats.detect_scheme(where, read()) if kind == "entities" else None
    return formats.to_rows(where, scheme, read())


def note(data: "Dataset", where: str, kind: Kind, columns: Columns) -> str:
    """Return in words which columns of a split are read.

    Args:
        data: as for `rows`.
        where: as for `rows`.
        kind: as for `rows`.
        columns: as for `rows`.

    Raises:
        DataError: if the columns cannot be told.
    """
    hints = parquet.class_columns(data.features)
    return records.describe(where, kind, columns, _records(data), hints)


def unlabelled(data: "Dataset") -> bool:
    """Tell whether a column of labels holds no class at all, as in some test sets.

    Args:
        data: the split.
    """
    hints = parquet.class_columns(data.features)
    return any(all(value == -1 for value in data[name]) for name in hints)


def _candidates(name: str) -> list[tuple[str, ...]]:
    """Return the arguments of `datasets.load_dataset` to try, in order."""
    parts = name.split("/")
    if Path(name).expanduser().is_dir():
        return [(str(Path(name).expanduser()),)]
    if len(parts) == 3:
        return [("/".join(parts[:2]), parts[2])]
    return [(name,), tuple(parts)] if len(parts) == 2 else [(name,)]


def _records(data: "Dataset") -> Iterator[tuple[int, dict[str, Any]]]:
    decoders = parquet.class_decoders(data.features)
    for number, record in enumerate(data, 1):
        record = dict(record)
        for column, decode in decoders.items():
            record[column] = decode(record[column])
        yield number, record
