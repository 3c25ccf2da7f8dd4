"""Datasets of the Hugging Face hub, or of a local folder that `datasets` can read."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.tasks.data.files import split_of
from zoo.tasks.data.formats import parquet, records, survey
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Columns, Kind, Parsed

if TYPE_CHECKING:
    from datasets import Dataset

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
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    directory: Any = None if cache_dir is None else str(cache_dir)
    dataset: Any = None
    candidates: Any = _candidates(name)
    for number, arguments in enumerate(candidates):
        try:
            dataset = load_dataset(*arguments, cache_dir=directory)
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
    splits: dict[str, Dataset] = {}
    for key, rows in dict(dataset or {}).items():
        split = split_of(str(key))
        if split and split not in splits:
            splits[split] = rows
    if not splits:
        names = ", ".join(map(str, dataset or ()))
        raise DataError(f"hub:{name} has no split train, dev or test: {names}")
    return splits


def rows(
    data: "Dataset",
    where: str,
    kind: Kind,
    columns: Columns,
    scheme: str | None,
    skip_bad_rows: bool = False,
    tokenizer: str = "words",
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

    Raises:
        DataError: if the columns cannot be determined, or a row lacks one.
    """
    parsed = _parse(data, where, kind, columns, tokenizer)
    return survey.to_rows(where, scheme, parsed, skip_bad_rows=skip_bad_rows)


def inspect(
    data: "Dataset",
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
    data: "Dataset", where: str, kind: Kind, columns: Columns, tokenizer: str
) -> Iterator[Parsed]:
    class_columns = parquet.class_columns(data.features)
    numbered = _records(data, where)
    return records.rows(where, kind, columns, numbered, class_columns, tokenizer)


def describe(data: "Dataset", where: str, kind: Kind, columns: Columns) -> str:
    """Return which columns of a split are read, for the user.

    Args:
        data: as for `rows`.
        where: as for `rows`.
        kind: as for `rows`.
        columns: as for `rows`.

    Raises:
        DataError: if the columns cannot be determined.
    """
    class_columns = parquet.class_columns(data.features)
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


def _records(data: "Dataset", where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the numbered rows of a split, with class indices decoded to names."""
    number = 0
    try:
        decoders = parquet.class_decoders(data.features)
        for number, record in enumerate(data, 1):
            record = dict(record)
            for column, decode in decoders.items():
                record[column] = decode(record[column])
            yield number, record
    except Exception as error:  # of several libraries: a value that cannot be decoded
        reason = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{where}: cannot be read after row {number} ({reason})"
        ) from error
