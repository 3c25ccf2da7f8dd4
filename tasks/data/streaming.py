"""Training data that are read in chunks; dev and test are read as a whole."""

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.tasks.data import arrow_cache, checks, files, formats, hub, loading
from zoo.tasks.data.formats.errors import DataError, printable
from zoo.tasks.data.formats.reading import Kind
from zoo.tasks.data.source import Files
from zoo.tasks.data.streams import RowStream, Shard

if TYPE_CHECKING:
    from datasets import IterableDataset

HELD_OUT = ("dev", "test")


class Streamed(NamedTuple):
    """The splits of a task whose training rows are read in chunks.

    Attributes:
        stream: the training rows.
        splits: the first training rows as train, dev and test; notes and digests.
    """

    stream: RowStream
    splits: loading.Splits


def stream(
    source: Files,
    kind: Kind,
    *,
    seed: int = 0,
    head_rows: int = 100_000,
    strict_labels: bool = True,
    tokenizer: str = "words",
    cache_dir: Path | None = None,
    remark: Callable[[str], object] = warnings.warn,
) -> Streamed:
    """Read dev, test and the first rows of train.

    The shards of train are the files of train, or the shards that a dataset of the hub
    has. Nothing is held out from train.

    Args:
        source: where the data come from.
        kind: the kind of the rows.
        seed: of the order of the shards.
        head_rows: how many rows of train to read.
        strict_labels: as for `zoo.tasks.data.load`.
        tokenizer: as for `zoo.tasks.data.load`.
        cache_dir: as for `zoo.tasks.data.load`.
        remark: is called with what is left out or repaired in a file of train, when the
            file is reached for the first time.

    Raises:
        DataError: if a split is missing, empty or cannot be read; the message says what
            to do.
        FormatError: if a file breaks its format.
    """
    is_of_hub = bool(source.data and source.data.startswith(hub.PREFIX))
    if is_of_hub:
        shards, loaded = _of_hub(source, kind, cache_dir, tokenizer, head_rows)
    else:
        shards, loaded = _of_files(source, kind, cache_dir, tokenizer, remark)
    notes, digests = loaded.notes, loaded.digests
    rows = RowStream(shards, kind, seed)
    head = rows.head(head_rows)
    digests[f"the first {len(head):,} rows of train"] = arrow_cache.table_digest(
        head.data.table
    )
    number = f"{len(shards):,} shard{'' if len(shards) == 1 else 's'}"
    notes.append(
        f"train: {number}; vocabulary, labels, batch lengths and baselines are those "
        f"of the first {len(head):,} rows (--vocab-rows)"
    )
    datasets = {"train": head, **loaded.datasets}
    if kind not in ("text", "pairs"):
        notes += checks.label_notes("train", head, kind, loading.is_named(source))
        checks.same_labels(datasets, kind, strict=strict_labels)
    notes = tuple(map(printable, notes))
    splits = loading.Splits(head, datasets["dev"], datasets["test"], notes, digests)
    return Streamed(rows, splits)


def _of_files(
    source: Files,
    kind: Kind,
    cache_dir: Path | None,
    tokenizer: str,
    remark: Callable[[str], object],
) -> tuple[list[Shard], loading.Loaded]:
    """Return the files of train as shards, and the rows of dev and test."""
    split_files = {split: getattr(source, f"{split}_file") for split in files.SPLITS}
    result = files.find(
        source.data,
        split_files,
        kind,
        source.format,
        source.encoding,
        source.columns,
    )
    train = result.splits.get("train") or result.unassigned
    if not train:
        raise DataError("--streaming: nothing to train on: give --train-file")
    for split in HELD_OUT:
        if split not in result.splits:
            raise _missing(split)
    plan = partial(loading.plan, source, kind, tokenizer=tokenizer)
    first = plan(train[0])
    columns, said = _columns(first), set(first.remarks)

    def rows(file: files.DataFile) -> Iterator[dict[str, Any]]:
        reading = plan(file)
        if (actual := _columns(reading)) != columns:
            raise DataError(
                f"{file.path} is read as {actual}, but {first.path} as {columns}: name "
                "the format and the columns by flags"
            )
        for text in reading.remarks:
            if text not in said:
                said.add(text)
                remark(printable(text))
        yield from formats.rows(reading)

    shards = [Shard(str(file.path), partial(rows, file)) for file in train]
    named = formats.describe(first)
    notes = [*result.notes, f"train: {train[0].path.name} ({named})", *first.remarks]
    sizes = [(file.path.name, file.path.stat().st_size) for file in train]
    loaded = loading.Loaded({}, notes, {"the files of train": _digest(sizes)})
    for split in HELD_OUT:
        _add(
            loaded, loading.from_files(source, kind, None, cache_dir, tokenizer, split)
        )
    return shards, loaded


def _columns(reading: formats.Reading) -> str:
    """Return the format of a file and which columns are read."""
    return formats.describe(reading._replace(scheme=None))


def _of_hub(
    source: Files,
    kind: Kind,
    cache_dir: Path | None,
    tokenizer: str,
    head_rows: int,
) -> tuple[list[Shard], loading.Loaded]:
    """Return the shards of a dataset of the hub, and the rows of dev and test."""
    name = str(source.data)
    with arrow_cache.quiet():
        streams = hub.stream(name.removeprefix(hub.PREFIX), cache_dir)
    if "train" not in streams:
        raise DataError(f"{name} has no train, only {', '.join(streams)}")
    shards, loaded = _hub_shards(source, kind, streams["train"], tokenizer, head_rows)
    local = dataclasses.replace(source, data=None, train_file=())
    for split in HELD_OUT:
        if getattr(source, f"{split}_file"):
            more = loading.from_files(local, kind, None, cache_dir, tokenizer, split)
        elif split in streams:
            rows = {split: hub.materialize(streams[split], f"{name}:{split}")}
            more = loading.of_hub(source, kind, rows, cache_dir, tokenizer)
        else:
            raise _missing(split)
        _add(loaded, more)
        if split not in loaded.datasets:  # without labels
            raise _missing(split)
    return shards, loaded


def _hub_shards(
    source: Files,
    kind: Kind,
    train: "IterableDataset",
    tokenizer: str,
    head_rows: int,
) -> tuple[list[Shard], loading.Loaded]:
    """Return the shards of train; the first rows decide the columns and the scheme."""
    name, skip = f"{source.data}:train", source.skip_bad_rows
    sample = hub.sample(train, name)
    description = hub.describe(train, name, kind, source.columns)
    # The tag scheme, and which rows are bad.
    scheme, remarks = hub.inspect(
        train.take(head_rows), name, kind, source.columns, skip, tokenizer
    )
    count = train.num_shards
    shards = []
    for number in range(count):
        shard = train.shard(num_shards=count, index=number)
        where = name if count == 1 else f"{name}, shard {number + 1} of {count}"
        rows = partial(
            hub.rows,
            shard,
            where,
            kind,
            source.columns,
            scheme,
            skip,
            tokenizer,
            sample,
        )
        shards.append(Shard(where, rows))
    first = f"first {head_rows:,} rows of train"
    notes = [f"train: {description}", *(f"in the {first}: {text}" for text in remarks)]
    if skip:
        notes.append(f"bad rows after the {first} are left out without a note")
    return shards, loading.Loaded({}, notes, {"the shards of train": str(count)})


def _add(loaded: loading.Loaded, more: loading.Loaded) -> None:
    """Add a split to others."""
    loaded.datasets.update(more.datasets)
    loaded.notes.extend(note for note in more.notes if note not in loaded.notes)
    loaded.digests.update(more.digests)


def _missing(split: str) -> DataError:
    return DataError(
        f"--streaming takes no {split} split from train, and the data have none: give "
        f"--{split}-file"
    )


def _digest(value: Any) -> str:
    return arrow_cache.digest(repr(value))
