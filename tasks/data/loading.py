"""From a file, a folder, a glob or the hub to the splits of a task, as Arrow files.

Rows are ``{"text", "label"}`` (labelled), ``{"tokens", "tags"}`` (tagged; entities in
BIO2), ``{"source", "targets"}`` (pairs) or ``{"text"}`` (text: a line with its line
end, so that the joined rows are the file). They are written once to the cache of
`datasets` and mapped into memory from there; what is written hangs on the content of
the files, the arguments and this code.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.data import arrow_cache, files, formats, hub, splits
from tasks.data.formats.errors import DataError
from tasks.data.formats.reading import Columns, Kind, Reading

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Source:
    """Where the data come from and how they are read."""

    data: str | None = None
    """A file, a folder, a glob, or hub:NAME[/CONFIG]; else the sample of the task."""
    train_file: tuple[str, ...] = ()
    """Files and globs to train on, instead of what --data has for that."""
    dev_file: tuple[str, ...] = ()
    """Files and globs that choose the best epoch."""
    test_file: tuple[str, ...] = ()
    """Files and globs that are scored once, at the end."""
    format: str | None = None
    """Of the files, one of those in docs/data.md, such as csv or conllu; else told."""
    encoding: str = "utf-8"
    """Of the files, such as utf-8, utf-16, latin-1, cp1251."""
    text_column: str | None = None
    """The text: a name, a number from 0, or several with commas between them."""
    label_column: str | None = None
    """The label: a name or a number from 0; in CoNLL-U a key of the metadata."""
    token_column: str | None = None
    """The token: a name or a number from 0."""
    tag_column: str | None = None
    """The tag: a name, a number from 0, or in CoNLL-U a key of MISC."""
    source_column: str | None = None
    """The source: column(s), the ending of parallel files, or the language."""
    target_column: str | None = None
    """The target: column(s) of right answers, the ending, or the language."""


class Splits(NamedTuple):
    """The rows to train on, to choose by and to score; and what was decided."""

    train: "Dataset"
    dev: "Dataset"
    test: "Dataset"
    notes: tuple[str, ...]


def load(
    source: Source,
    kind: Kind,
    *,
    seed: int = 0,
    sample: Path | None = None,
    cache_dir: Path | None = None,
) -> Splits:
    """Read all splits.

    A lone file is train. A missing dev or test is a seeded tenth of the different texts
    of train, of pairs of its sources; of a text, dev is its last tenth, and test is
    dev.

    Args:
        source: where the data come from.
        kind: what a row shall be.
        seed: of the shares.
        sample: the file that is read if the source names none.
        cache_dir: where the Arrow files go; None is the library's own place.

    Raises:
        DataError: if something is missing, empty or cannot be told; the message says
            what to do.
        FormatError: if a file is not what it should be: file, line, what was expected.
    """
    if source.data and source.data.startswith(hub.PREFIX):
        found, notes = _from_hub(source, kind, cache_dir)
    else:
        found, notes = _from_files(source, kind, sample, cache_dir)
    if "train" not in found:
        names = ", ".join(found)
        raise DataError(f"nothing to train on, only {names}: give --train-file")
    missing = [split for split in ("dev", "test") if split not in found]
    if kind == "text" and "dev" not in found:
        found["train"], found["dev"] = splits.by_position(found["train"])
        notes.append("no dev file: the last 10 % of train, by position")
    if kind == "text" and "test" not in found:
        found["test"] = found["dev"]
        notes.append("no test file: test is dev")
    elif kind != "text" and missing:
        rest, *parts = splits.by_text(found["train"], len(missing), seed)
        found |= {"train": rest, **dict(zip(missing, parts, strict=True))}
        what = "sources" if kind == "pairs" else "texts"
        for split in missing:
            notes.append(f"no {split} file: 10 % of the {what} of train, seed {seed}")
    if kind not in ("text", "pairs"):
        _check_labels(found, kind)
    return Splits(found["train"], found["dev"], found["test"], tuple(notes))


def read(
    source: Source,
    kind: Kind,
    split: str,
    *,
    sample: Path | None = None,
    cache_dir: Path | None = None,
) -> "Dataset":
    """Read one split alone, such as to evaluate a trained model on it.

    No share is taken: files whose names tell no split are read whole.

    Args:
        source: where the data come from.
        kind: what a row shall be.
        split: train, dev or test.
        sample: the file that is read if the source names none.
        cache_dir: where the Arrow files go; None is the library's own place.

    Raises:
        DataError: as for `load`, and if there is no such split.
        FormatError: as for `load`.
    """
    if split not in files.SPLITS:
        raise DataError(f"--split must be train, dev or test, got {split!r}")
    if source.data and source.data.startswith(hub.PREFIX):
        found, _ = _from_hub(source, kind, cache_dir, only=split)
    else:
        found, _ = _from_files(source, kind, sample, cache_dir, only=split)
    return found[split]


def _from_files(
    source: Source,
    kind: Kind,
    sample: Path | None,
    cache_dir: Path | None,
    only: str | None = None,
) -> tuple[dict[str, "Dataset"], list[str]]:
    """Read the splits that have files, or only one of them."""
    given = {split: getattr(source, f"{split}_file") for split in files.SPLITS}
    data = source.data
    if data is None and not any(given.values()):
        if sample is None:
            raise DataError("no data: give --data")
        data = str(sample)
    columns = _columns(source)
    found = files.find(data, given, kind, source.format, source.encoding, columns)
    chosen, notes = found.splits, found.notes
    lone = sum(map(len, chosen.values())) == 1 and not any(given.values())
    if only is None and lone and "train" not in chosen:
        (parts,) = chosen.values()
        chosen = {"train": parts}
    elif found.rest and (not chosen or "train" not in chosen and only is None):
        chosen = {**chosen, only or "train": found.rest}
    if only is not None and only not in chosen:
        named = ", ".join(chosen) or "nothing"
        raise DataError(f"no {only} among the files, but {named}: give --{only}-file")
    rows = {}
    for split in [only] if only else [s for s in files.SPLITS if s in chosen]:
        readings = [_planned(source, kind, part) for part in chosen[split]]
        notes += [note for note in _notes(split, readings) if note not in notes]
        key = arrow_cache.cache_key(kind, *map(arrow_cache.fingerprint, readings))
        what = f"{split} ({', '.join(str(reading.path) for reading in readings)})"
        stream = partial(_rows, readings)
        rows[split] = arrow_cache.cached_dataset(stream, kind, key, cache_dir, what)
    return rows, notes


def _from_hub(
    source: Source, kind: Kind, cache_dir: Path | None, only: str | None = None
) -> tuple[dict[str, "Dataset"], list[str]]:
    """Read the splits of a data set of the hub, or only one of them."""
    name = str(source.data).removeprefix(hub.PREFIX)
    columns = _columns(source)
    rows, notes = {}, []
    with arrow_cache.quiet():
        found = hub.load(name, cache_dir)
    if only is not None and only not in found:
        raise DataError(f"{source.data} has no {only}, but {', '.join(found)}")
    for split in [only] if only else [s for s in files.SPLITS if s in found]:
        where = f"{source.data}:{split}"
        if kind == "labelled" and hub.unlabelled(found[split]):
            if only:
                raise DataError(f"{where} has no labels")
            notes.append(f"{split} of {source.data} has no labels: left out")
            continue
        notes.append(f"{split}: {hub.note(found[split], where, kind, columns)}")
        key = arrow_cache.cache_key(kind, found[split]._fingerprint, repr(columns))
        stream = partial(hub.rows, found[split], where, kind, columns)
        rows[split] = arrow_cache.cached_dataset(stream, kind, key, cache_dir, where)
    return rows, notes


def _columns(source: Source) -> Columns:
    return Columns(
        source.text_column,
        source.label_column,
        source.token_column,
        source.tag_column,
        source.source_column,
        source.target_column,
    )


def _planned(source: Source, kind: Kind, part: files.Part) -> Reading:
    return formats.plan(
        part.path,
        kind,
        format=part.format or source.format,
        encoding=source.encoding,
        columns=_columns(source),
        metadata_split=part.part,
        targets=part.targets,
    )


def _notes(split: str, readings: Iterable[Reading]) -> list[str]:
    """Return how the files of a split are read, once for those read alike."""
    alike: dict[str, list[str]] = {}
    for reading in readings:
        alike.setdefault(formats.describe(reading), []).append(reading.path.name)
    return [
        f"{split}: {', '.join(names) if len(names) <= 6 else f'{len(names)} files'} "
        f"({note})"
        for note, names in alike.items()
    ]


def _rows(readings: Iterable[Reading]) -> Iterator[dict[str, Any]]:
    for reading in readings:
        yield from formats.rows(reading)


def _check_labels(found: dict[str, "Dataset"], kind: Kind) -> None:
    """Raise an error if dev or test has a label that train lacks."""

    def known(split: str) -> set[str]:
        labels = splits.labels(found[split])
        return {x[2:] for x in labels} - {""} if kind == "entities" else labels

    train = known("train")
    for split in ("dev", "test"):
        if new := sorted(known(split) - train):
            what, option = ("tag", "tag") if kind == "tagged" else ("label", "label")
            what, option = (
                ("entity type", "tag") if kind == "entities" else (what, option)
            )
            some = ", ".join(map(repr, sorted(train)[:20]))
            raise DataError(
                f"{split} has the {what} {new[0]!r}, which train lacks (train has "
                f"{some}): if the files number or name the {what}s differently, give "
                f"another one with --{split}-file, or the column with --{option}-column"
            )
