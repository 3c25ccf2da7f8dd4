"""Parquet; integers that the file names (`datasets.ClassLabel`) become their names."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.data.formats import records
from tasks.data.formats.errors import FormatError
from tasks.data.formats.reading import Reading, Row, Sentence

if TYPE_CHECKING:
    from datasets import ClassLabel, Features
    from pyarrow.parquet import ParquetFile


def rows(reading: Reading) -> Iterator[Row | Sentence]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be told.
        FormatError: if it is no Parquet file, or a row (counted from 1) lacks a column.
    """
    return records.rows(*_arguments(reading))


def note(reading: Reading) -> str:
    """Return in words which columns are read.

    Args:
        reading: the file.
    """
    return records.note(*_arguments(reading))


def names(features: "Features") -> dict[str, Callable[[Any], Any]]:
    """Return, for each column of named integers, what turns a value into names.

    A value that is no class, such as the -1 of test sets without labels, becomes None.

    Args:
        features: the columns and their types.
    """
    from datasets import ClassLabel

    def decoder(label: "ClassLabel") -> Callable[[Any], Any]:
        known = dict(enumerate(label.names))
        return lambda value: known.get(value)

    found = {}
    for column, feature in features.items():
        if isinstance(feature, ClassLabel):
            found[column] = decoder(feature)
        elif isinstance(getattr(feature, "feature", None), ClassLabel):
            one = decoder(feature.feature)
            found[column] = lambda values, one=one: [one(v) for v in values or []]
    return found


def labels(features: "Features") -> list[str]:
    """Return the columns whose type says that they are labels.

    Args:
        features: the columns and their types.
    """
    from datasets import ClassLabel

    return [c for c, f in features.items() if isinstance(f, ClassLabel)]


def _arguments(reading: Reading) -> tuple:
    from datasets import Features
    from pyarrow import ArrowInvalid

    try:
        with _open(reading.path) as file:
            features = Features.from_arrow_schema(file.schema_arrow)
    except ArrowInvalid as error:
        raise FormatError(reading.path, None, f"a Parquet file ({error})") from None
    stream = _records(reading, features)
    where = str(reading.path)
    return where, reading.kind, reading.columns, stream, labels(features)


def _records(
    reading: Reading, features: "Features"
) -> Iterator[tuple[int, dict[str, object]]]:
    decoders = names(features)
    number = 0
    with _open(reading.path) as file:
        for batch in file.iter_batches(batch_size=1000):
            for record in batch.to_pylist():
                number += 1
                for column, decode in decoders.items():
                    record[column] = decode(record[column])
                yield number, record


def _open(path: Path) -> "ParquetFile":
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path)
