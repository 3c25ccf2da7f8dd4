"""Datasets of the Hugging Face hub, or of a local folder that `datasets` can read."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.tasks.data.files import split_of
from zoo.tasks.data.formats import column_choice, parquet, records, survey
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Columns, Kind, Parsed

if TYPE_CHECKING:
    from datasets import Dataset, Features, IterableDataset

PREFIX = "hub:"


def load(name: str, cache_dir: Path | None) -> dict[str, "Dataset"]:
    """Return the splits train, dev and test of a dataset, unchanged.

    Args:
        name: ``NAME``, ``NAME/CONFIG``, ``OWNER/NAME`` or ``OWNER/NAME/CONFIG``; two
            parts are first tried as owner and name. Or a folder.
        cache_dir: directory of the downloads; None is the default of `datasets`.

    Raises:
        DataError: if the dataset cannot be reached or read, or has none of the splits.
    """
    return _load(name, cache_dir, streaming=False)


def stream(name: str, cache_dir: Path | None) -> dict[str, "IterableDataset"]:
    """Return the splits train, dev and test of a dataset, without downloading them.

    Args:
        name: as for `load`.
        cache_dir: as for `load`.

    Raises:
        DataError: as for `load`.
    """
    return _load(name, cache_dir, streaming=True)


def materialize(data: "IterableDataset", where: str) -> "Dataset":
    """Return the records of a split that is streamed, in memory.

    Args:
        data: the split.
        where: its name, for error messages.

    Raises:
        DataError: if it is empty or cannot be read.
    """
    from datasets import Dataset

    try:
        rows = list(data)
    except Exception as error:  # as in `_records`
        raise DataError(f"{where}: cannot be read ({error})") from error
    if not rows:
        raise DataError(f"{where} is empty")
    return Dataset.from_list(rows, features=data.features)


def sample(data: "IterableDataset", where: str) -> list[records.Record]:
    """Return the first records of a split, which decide the columns.

    Args:
        data: the split.
        where: its name, for error messages.

    Raises:
        DataError: if they cannot be read.
    """
    first = itertools.islice(_records(data, where), column_choice.SAMPLE_SIZE)
    return [record for _, record in first]


def _load(name: str, cache_dir: Path | None, *, streaming: bool) -> dict[str, Any]:
    """Return the splits train, dev and test of a dataset."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    directory: Any = None if cache_dir is None else str(cache_dir)
    dataset: Any = None
    candidates: Any = _candidates(name)
    for number, arguments in enumerate(candidates):
        try:
            dataset = load_dataset(*arguments, cache_dir=directory, streaming=streaming)
            break
        except DatasetNotFoundError as error:
            if number == len(candidates) - 1:
                raise DataError(f"hub:{name}: {error}") from error
        except (DatasetsError, ValueError, RuntimeError) as error:
            # No such configuration, a script, or files that cannot be read.
            raise DataError(f"hub:{name}: {error}") from error
        except Exception as error:
            # From several libraries: no network, a truncated response, a full disk.
            raise DataError(
                f"hub:{name} cannot be loaded ({error}); without a network, use local "
                "files with --data"
            ) from error
    splits: dict[str, Any] = {}
    for key, rows in dict(dataset or {}).items():
        split = split_of(str(key))
        if split and split not in splits:
            splits[split] = rows
    if not splits:
        names = ", ".join(map(str, dataset or ()))
        raise DataError(f"hub:{name} has no split train, dev or test: {names}")
    return splits


def rows(
    data: "Dataset | IterableDataset",
    where: str,
    kind: Kind,
    columns: Columns,
    scheme: str | None,
    skip_bad_rows: bool = False,
    tokenizer: str = "words",
    sample: Sequence[records.Record] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a split, as the parsers of files do.

    The columns are those that the user names; otherwise those of the right type
    (``ClassLabel``, ``List(ClassLabel)``, string); otherwise those of usual names.

    Args:
        data: the split.
        where: its name, for error messages.
        kind: the kind of the rows.
        columns: the columns that the user names.
        scheme: tag scheme of the entities, from `inspect`.
        skip_bad_rows: leave out rows that lack a column, instead of an error.
        tokenizer: as for `zoo.tasks.data.formats.Reading`.
        sample: the records that decide the columns; the first of `data` by default.

    Raises:
        DataError: if the columns cannot be determined, or a row lacks one.
    """
    parsed = _parse(data, where, kind, columns, tokenizer, sample)
    return survey.to_rows(where, scheme, parsed, skip_bad_rows=skip_bad_rows)


def inspect(
    data: "Dataset | IterableDataset",
    where: str,
    kind: Kind,
    columns: Columns,
    skip_bad_rows: bool = False,
    tokenizer: str = "words",
) -> survey.Survey:
    """Return the tag scheme of a split, and remarks on it, for the user.

    Args:
        data: as for `rows`.
        where: as for `rows`.
        kind: as for `rows`.
        columns: as for `rows`.
        skip_bad_rows: as for `rows`.
        tokenizer: as for `rows`.

    Raises:
        DataError: as for `rows`.
    """
    if kind != "entities" and not skip_bad_rows:
        return survey.Survey(None, ())
    return survey.survey(
        where,
        kind,
        lambda: _parse(data, where, kind, columns, tokenizer),
        skip_bad_rows=skip_bad_rows,
    )


def _parse(
    data: "Dataset | IterableDataset",
    where: str,
    kind: Kind,
    columns: Columns,
    tokenizer: str,
    sample: Sequence[records.Record] | None = None,
) -> Iterator[Parsed]:
    class_columns = parquet.class_columns(_features(data))
    numbered = _records(data, where)
    return records.rows(
        where, kind, columns, numbered, class_columns, tokenizer, sample
    )


def describe(
    data: "Dataset | IterableDataset", where: str, kind: Kind, columns: Columns
) -> str:
    """Return which columns of a split are read, for the user.

    Args:
        data: as for `rows`.
        where: as for `rows`.
        kind: as for `rows`.
        columns: as for `rows`.

    Raises:
        DataError: if the columns cannot be determined.
    """
    class_columns = parquet.class_columns(_features(data))
    return records.describe(where, kind, columns, _records(data, where), class_columns)


def is_unlabelled(data: "Dataset") -> bool:
    """Return whether every label of a ``ClassLabel`` column is -1, as in test sets.

    Args:
        data: the split.
    """
    class_columns = parquet.class_columns(data.features)
    return any(all(value == -1 for value in data[name]) for name in class_columns)


def _candidates(name: str) -> list[tuple[str, ...]]:
    """Return the arguments for `datasets.load_dataset`, in the order to try them."""
    parts = name.split("/")
    if Path(name).expanduser().is_dir():
        return [(str(Path(name).expanduser()),)]
    if len(parts) == 3:
        return [("/".join(parts[:2]), parts[2])]
    return [(name,), tuple(parts)] if len(parts) == 2 else [(name,)]


def _features(data: "Dataset | IterableDataset") -> "Features":
    """Return the types of the columns; none if a stream does not know them yet."""
    from datasets import Features

    return data.features or Features()


def _records(
    data: "Dataset | IterableDataset", where: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the numbered rows of a split, with class indices decoded to names."""
    number = 0
    try:
        decoders = parquet.class_decoders(_features(data))
        for number, record in enumerate(data, 1):
            record = dict(record)
            for column, decode in decoders.items():
                record[column] = decode(record[column])
            yield number, record
    except Exception as error:
        # Of several libraries: a value that cannot be decoded, or no network.
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{where}: cannot be read after row {number} ({reason})"
        ) from error
