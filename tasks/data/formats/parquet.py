"""Parquet; class indices (`datasets.ClassLabel`) are decoded to class names."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.data.formats import records
from tasks.data.formats.errors import FormatError
from tasks.data.formats.reading import Columns, Kind, Parsed, Reading

if TYPE_CHECKING:
    from datasets import ClassLabel, Features
    from pyarrow.parquet import ParquetFile


def rows(reading: Reading) -> Iterator[Parsed]:
    """Yield the rows of a file.

    Args:
        reading: the file.

    Raises:
        DataError: if the columns cannot be determined.
        FormatError: if it is not a Parquet file, or a row (counted from 1) lacks a
            column.
    """
    return records.rows(*_arguments(reading), tokenizer=reading.tokenizer)


def describe(reading: Reading) -> str:
    """Return which columns are read, for the user.

    Args:
        reading: the file.

    Raises:
        DataError: as for `rows`.
        FormatError: as for `rows`.
    """
    return records.describe(*_arguments(reading))


def class_decoders(features: "Features") -> dict[str, Callable[[Any], Any]]:
    """Return, for each column of class indices, the function that returns their names.

    An index without a class, such as the -1 of unlabelled test sets, becomes None.

    Args:
        features: the columns and their types.
    """
    from datasets import ClassLabel

    def decoder(feature: "ClassLabel") -> Callable[[Any], Any]:
        names = dict(enumerate(feature.names))
        return lambda index: names.get(index)

    def list_decoder(feature: "ClassLabel") -> Callable[[Any], Any]:
        decode = decoder(feature)
        return lambda indices: [decode(index) for index in indices or []]

    decoders = {}
    for column, feature in features.items():
        if isinstance(feature, ClassLabel):
            decoders[column] = decoder(feature)
        elif isinstance(getattr(feature, "feature", None), ClassLabel):
            decoders[column] = list_decoder(feature.feature)
    return decoders


def class_columns(features: "Features") -> list[str]:
    """Return the columns of type ``ClassLabel``.

    Args:
        features: the columns and their types.
    """
    from datasets import ClassLabel

    return [c for c, f in features.items() if isinstance(f, ClassLabel)]


def _arguments(
    reading: Reading,
) -> tuple[str, Kind, Columns, Iterator[tuple[int, dict[str, object]]], Sequence[str]]:
    """Return the arguments of `records.rows` and `records.describe`."""
    from datasets import Features
    from pyarrow import ArrowInvalid

    try:
        with _open(reading.path) as file:
            features = Features.from_arrow_schema(file.schema_arrow)
    except ArrowInvalid as error:
        raise FormatError(reading.path, None, f"a Parquet file ({error})") from None
    stream = _records(reading, features)
    where = str(reading.path)
    return where, reading.kind, reading.columns, stream, class_columns(features)


def _records(
    reading: Reading, features: "Features"
) -> Iterator[tuple[int, dict[str, object]]]:
    decoders = class_decoders(features)
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
