"""Loads the splits of a task from files, folders, globs or the hub.

Rows are ``{"text", "label"}`` (labelled), ``{"tokens", "tags"}`` (tagged; entities in
BIO2), ``{"source", "targets"}`` (pairs) or ``{"text"}`` (text: a line with its line
end, so that the joined rows are the file). They are written once to the Arrow cache of
`datasets` and memory-mapped from there. The cache key covers the bytes of the files,
the arguments and the code that reads them.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.tasks.data import arrow_cache, checks, files, formats, hub, splits
from zoo.tasks.data.formats.errors import DataError, printable
from zoo.tasks.data.formats.reading import Kind, Reading
from zoo.tasks.data.source import Files

if TYPE_CHECKING:
    from datasets import Dataset


_CHOICE = "the choice of the held-out rows"


class Split(NamedTuple):
    """One split of a task.

    Attributes:
        rows: its rows.
        notes: what was decided, for the user.
    """

    rows: "Dataset"
    notes: tuple[str, ...]


class Splits(NamedTuple):
    """The splits of a task.

    Attributes:
        train: rows to train on.
        dev: rows that choose the best epoch.
        test: rows that are scored at the end.
        notes: what was decided, for the user.
        digests: of the rows that were read, and of which of them were held out, by
            what the user calls each.
    """

    train: "Dataset"
    dev: "Dataset"
    test: "Dataset"
    notes: tuple[str, ...]
    digests: dict[str, str]


class Loaded(NamedTuple):
    """The splits that a source has, with `Splits.notes` and `Splits.digests`."""

    datasets: dict[str, "Dataset"]
    notes: list[str]
    digests: dict[str, str]


def load(
    source: Files,
    kind: Kind,
    *,
    seed: int = 0,
    sample: Path | None = None,
    cache_dir: Path | None = None,
    strict_labels: bool = True,
    tokenizer: str = "words",
) -> Splits:
    """Read all splits.

    A single file is train. A missing dev or test split is taken from train: a random
    10 % of its distinct texts (of its sources, for pairs). For kind text, dev is the
    last 10 % of train, and test is dev.

    Args:
        source: where the data come from.
        kind: the kind of the rows.
        seed: seed of the dev and test splits that are taken from train.
        sample: the file to read if `source` names none.
        cache_dir: directory of the Arrow files; None is the default of `datasets`.
        strict_labels: refuse a label of dev or test that train lacks; otherwise refuse
            only a split that has no label of train.
        tokenizer: a key of `zoo.text.CURRENT_TOKENIZERS`, which splits texts whose
            entities are character offsets.

    Raises:
        DataError: if something is missing, empty or cannot be determined; the message
            says what to do.
        FormatError: if a file breaks its format; the message names file, line and
            expectation.
    """
    if source.data and source.data.startswith(hub.PREFIX):
        loaded = _from_hub(source, kind, cache_dir, tokenizer)
    else:
        loaded = from_files(source, kind, sample, cache_dir, tokenizer)
    datasets, notes, digests = loaded
    if "train" not in datasets:
        names = ", ".join(datasets)
        raise DataError(f"nothing to train on, only {names}: give --train-file")
    notes += _equal_splits(datasets)
    missing = [split for split in ("dev", "test") if split not in datasets]
    if kind == "text" and "dev" not in datasets:
        datasets["train"], datasets["dev"] = splits.by_position(datasets["train"])
        digests[_CHOICE] = splits.digest(datasets["train"], datasets["dev"])
        notes.append("no dev file: the last 10 % of train, by position")
    if kind == "text" and "test" not in datasets:
        datasets["test"] = datasets["dev"]
        notes.append("no test file: test is dev")
    elif kind != "text" and missing:
        train, *held_out = splits.by_text(datasets["train"], len(missing), seed)
        digests[_CHOICE] = splits.digest(train, *held_out)
        datasets |= {"train": train, **dict(zip(missing, held_out, strict=True))}
        units = "sources" if kind == "pairs" else "texts"
        for split in missing:
            notes.append(f"no {split} file: 10 % of the {units} of train, seed {seed}")
    if kind not in ("text", "pairs"):
        checks.same_labels(datasets, kind, strict=strict_labels)
    notes = tuple(map(printable, notes))
    return Splits(datasets["train"], datasets["dev"], datasets["test"], notes, digests)


def read(
    source: Files,
    kind: Kind,
    split: str,
    *,
    sample: Path | None = None,
    cache_dir: Path | None = None,
    tokenizer: str = "words",
) -> Split:
    """Read one split, for example to evaluate a trained model on it.

    Nothing is held out: a file whose name contains no split is read as a whole.

    Args:
        source: where the data come from.
        kind: the kind of the rows.
        split: ``"train"``, ``"dev"`` or ``"test"``.
        sample: the file to read if `source` names none.
        cache_dir: directory of the Arrow files; None is the default of `datasets`.
        tokenizer: as for `load`.

    Raises:
        DataError: as for `load`, and if there is no such split.
        FormatError: as for `load`.
    """
    if split not in files.SPLITS:
        raise DataError(f"--split must be train, dev or test, got {split!r}")
    if source.data and source.data.startswith(hub.PREFIX):
        loaded = _from_hub(source, kind, cache_dir, tokenizer, split)
    else:
        loaded = from_files(source, kind, sample, cache_dir, tokenizer, split)
    return Split(loaded.datasets[split], tuple(map(printable, loaded.notes)))


def from_files(
    source: Files,
    kind: Kind,
    sample: Path | None,
    cache_dir: Path | None,
    tokenizer: str,
    only: str | None = None,
) -> Loaded:
    """Read the splits that have files, or only one of them.

    Args:
        source: where the data come from.
        kind: the kind of the rows.
        sample: the file to read if `source` names none.
        cache_dir: as for `load`.
        tokenizer: as for `load`.
        only: the split to read.

    Raises:
        DataError: as for `read`.
        FormatError: as for `read`.
    """
    split_files = {split: getattr(source, f"{split}_file") for split in files.SPLITS}
    data = source.data
    if data is None and not any(split_files.values()):
        if sample is None:
            raise DataError("no data: give --data")
        data = str(sample)
    columns = source.columns
    result = files.find(
        data, split_files, kind, source.format, source.encoding, columns
    )
    chosen, notes = result.splits, result.notes
    single = sum(map(len, chosen.values())) == 1 and not any(split_files.values())
    if only is None and single and "train" not in chosen:
        (data_files,) = chosen.values()
        chosen = {"train": data_files}
    elif result.unassigned and (not chosen or "train" not in chosen and only is None):
        chosen = {**chosen, only or "train": result.unassigned}
    if only is not None and only not in chosen:
        names = ", ".join(chosen) or "nothing"
        raise DataError(f"no {only} among the files, only {names}: give --{only}-file")
    datasets, digests = {}, {}
    plans = {
        split: [plan(source, kind, data_file, tokenizer) for data_file in chosen[split]]
        for split in ([only] if only else [s for s in files.SPLITS if s in chosen])
    }
    checks.same_columns(reading for readings in plans.values() for reading in readings)
    for split, readings in plans.items():
        notes += [note for note in _notes(split, readings) if note not in notes]
        notes += [remark for reading in readings for remark in reading.remarks]
        fingerprints = [arrow_cache.fingerprint(reading) for reading in readings]
        key = arrow_cache.cache_key(kind, *fingerprints)
        listed = _listed([reading.path.name for reading in readings])
        name = f"{split} ({', '.join(str(reading.path) for reading in readings)})"
        make_rows = partial(_rows, readings)
        datasets[split] = arrow_cache.cached_dataset(
            make_rows, kind, key, cache_dir, name
        )
        digests[f"{split} ({listed})"] = arrow_cache.content_digest(datasets[split])
        if kind not in ("text", "pairs"):
            notes += checks.label_notes(split, datasets[split], kind, is_named(source))
    return Loaded(datasets, notes, digests)


def _from_hub(
    source: Files,
    kind: Kind,
    cache_dir: Path | None,
    tokenizer: str,
    only: str | None = None,
) -> Loaded:
    """Read the splits of a dataset of the hub, or only one."""
    name = str(source.data).removeprefix(hub.PREFIX)
    with arrow_cache.quiet():
        splits = hub.load(name, cache_dir)
    if only is not None and only not in splits:
        raise DataError(f"{source.data} has no {only}, only {', '.join(splits)}")
    chosen = {only: splits[only]} if only else splits
    loaded = of_hub(source, kind, chosen, cache_dir, tokenizer)
    if only is not None and only not in loaded.datasets:
        raise DataError(f"{source.data}:{only} has no labels")
    return loaded


def of_hub(
    source: Files,
    kind: Kind,
    loaded: Mapping[str, "Dataset"],
    cache_dir: Path | None,
    tokenizer: str,
) -> Loaded:
    """Return the rows of splits of a dataset of the hub, without unlabelled ones.

    Args:
        source: where the data come from.
        kind: the kind of the rows.
        loaded: the splits, unchanged.
        cache_dir: as for `load`.
        tokenizer: as for `load`.

    Raises:
        DataError: as for `load`.
    """
    columns = source.columns
    datasets, notes, digests = {}, [], {}
    for split in [s for s in files.SPLITS if s in loaded]:
        where = f"{source.data}:{split}"
        if kind == "labelled" and hub.is_unlabelled(loaded[split]):
            notes.append(f"{split} of {source.data} has no labels: left out")
            continue
        notes.append(f"{split}: {hub.describe(loaded[split], where, kind, columns)}")
        skip = source.skip_bad_rows
        scheme, remarks = hub.inspect(
            loaded[split], where, kind, columns, skip, tokenizer
        )
        notes += remarks
        fingerprint = loaded[split]._fingerprint
        options = (repr(columns), repr(skip), tokenizer)
        key = arrow_cache.cache_key(kind, fingerprint, *options)
        make_rows = partial(
            hub.rows, loaded[split], where, kind, columns, scheme, skip, tokenizer
        )
        datasets[split] = arrow_cache.cached_dataset(
            make_rows, kind, key, cache_dir, where
        )
        digests[where] = arrow_cache.content_digest(datasets[split])
        if kind not in ("text", "pairs"):
            notes += checks.label_notes(split, datasets[split], kind, is_named(source))
    return Loaded(datasets, notes, digests)


def _equal_splits(datasets: Mapping[str, "Dataset"]) -> Iterator[str]:
    """Yield a note for each two splits with the same rows."""
    for first, second in itertools.combinations(datasets, 2):
        digests = {arrow_cache.content_digest(datasets[s]) for s in (first, second)}
        if len(digests) == 1:
            yield f"{first} and {second} have the same rows"


def is_named(source: Files) -> bool:
    """Return whether the user says where the labels are.

    Args:
        source: where the data come from.
    """
    return bool(source.format or source.columns.label)


def plan(
    source: Files, kind: Kind, data_file: files.DataFile, tokenizer: str
) -> Reading:
    """Return how a file is read, see `zoo.tasks.data.formats.plan`.

    Args:
        source: the flags.
        kind: the kind of the rows.
        data_file: the file.
        tokenizer: as for `load`.

    Raises:
        DataError: as for `load`.
        FormatError: as for `load`.
    """
    return formats.plan(
        data_file.path,
        kind,
        format=data_file.format or source.format,
        encoding=source.encoding,
        columns=source.columns,
        metadata_split=data_file.metadata_split,
        targets=data_file.targets,
        label=data_file.label,
        skip_bad_rows=source.skip_bad_rows,
        tokenizer=tokenizer,
    )


def _notes(split: str, readings: Iterable[Reading]) -> list[str]:
    """Return how the files of a split are read: a note for all that are read alike."""
    names_of: dict[str, list[str]] = {}
    for reading in readings:
        names_of.setdefault(formats.describe(reading), []).append(reading.path.name)
    notes = []
    for description, names in names_of.items():
        notes.append(f"{split}: {_listed(names)} ({description})")
    return notes


def _listed(names: list[str]) -> str:
    """Return the names of files, of many only their number."""
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} files"


def _rows(readings: Iterable[Reading]) -> Iterator[dict[str, Any]]:
    for reading in readings:
        yield from formats.rows(reading)
