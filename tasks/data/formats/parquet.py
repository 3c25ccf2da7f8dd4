"""Parquet; class indices (`datasets.ClassLabel`) are decoded to class names."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.tasks.data.formats import records
from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.opening import open_binary
from zoo.tasks.data.formats.reading import Columns, Kind, Parsed, Reading

if TYPE_CHECKING:
    from datasets import ClassLabel, Features
    from pyarrow.parquet import ParquetFile


def is_parquet(path: Path) -> bool:
    """Return whether a file starts as a Parquet file does.

    Args:
        path: the file.

    Raises:
        DataError: if it cannot be read.
    """
    with open_binary(path) as file:
        return file.read(4) in (b"PAR1", b"PARE")  # PARE: an encrypted one


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
        "".join(feature.names).encode()  # an error for names that are not Unicode
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
    with _open(reading.path) as file:
        features = _features(file)
        class_decoders(features)
    stream = _records(reading, features)
    where = str(reading.path)
    return where, reading.kind, reading.columns, stream, class_columns(features)


def _features(file: "ParquetFile") -> "Features":
    """Return the types that `datasets` has written to a file; none without them."""
    from datasets import Features

    schema = file.schema_arrow
    if b"huggingface" in (schema.metadata or {}):
        return Features.from_arrow_schema(schema)
    return Features()


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


@contextmanager
def _open(path: Path) -> Iterator["ParquetFile"]:
    """Open a file; what is wrong with it is a `FormatError`."""
    with open_binary(path) as binary:
        try:
            from pyarrow.parquet import ParquetFile

            with ParquetFile(binary, page_checksum_verification=True) as file:
                names = Counter(file.schema_arrow.names)
                repeated = [name for name, count in names.items() if count > 1]
                if repeated:
                    expected = "columns with distinct names"
                    raise FormatError(path, None, expected, repeated[0])
                yield file
        except DataError:
            raise
        except Exception as error:
            # Of pyarrow, and of what reads the types and the values: of many types.
            reason = f"{type(error).__name__}: {error}"
            expected = "a Parquet file that is complete and not encrypted"
            raise FormatError(path, None, expected, None, reason) from None
