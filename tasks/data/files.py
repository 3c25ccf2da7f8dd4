"""The files of each split, from paths, folders and globs, by the files' names."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from zoo.tasks.data import class_files, formats
from zoo.tasks.data.formats import conllu, parallel
from zoo.tasks.data.formats.errors import DataError
from zoo.tasks.data.formats.reading import Columns, Kind
from zoo.tasks.data.paths import expand

SPLITS = ("train", "dev", "test")
_WORDS = {
    "train": ("train", "training", "trainset"),
    "dev": ("dev", "devel", "development", "devset", "valid", "validation", "val"),
    "test": ("test", "testing", "testset", "testb"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_SPLIT_OF["testa"] = "dev"  # as in CoNLL-2003


class DataFile(NamedTuple):
    """A file of a split.

    Attributes:
        path: the file.
        format: its format, if known.
        metadata_split: the rows are the sentences with this value of the CoNLL-U
            metadata ``split``; None for the whole file.
        targets: the file of the targets, for parallel files.
        label: the label of all rows, for a file of one class.
    """

    path: Path
    format: str | None = None
    metadata_split: str | None = None
    targets: Path | None = None
    label: str | None = None


class Files(NamedTuple):
    """The files of each split.

    Attributes:
        splits: the files by split.
        unassigned: the files that belong to no split, if no name contains one.
        notes: what was decided, for the user.
    """

    splits: dict[str, list[DataFile]]
    unassigned: list[DataFile]
    notes: list[str]


def split_of(name: str) -> str | None:
    """Return the split that a file name contains: train, dev, test or None.

    Words end at digits, punctuation and upper-case letters: ``eng.testa`` is dev,
    ``wnut17train.conll`` and ``train_5k.csv`` are train.

    Args:
        name: the name, without its folder.

    Raises:
        DataError: if the name contains more than one split.
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    splits = {_SPLIT_OF[w.lower()] for w in words if w.lower() in _SPLIT_OF}
    if len(splits) > 1:
        raise DataError(
            f"the name {name} contains several splits ({', '.join(sorted(splits))}): "
            "use --train-file, --dev-file and --test-file"
        )
    return splits.pop() if splits else None


def find(
    data: str | None,
    split_files: Mapping[str, Sequence[str]],
    kind: Kind,
    format: str | None,
    encoding: str,
    columns: Columns,
) -> Files:
    """Return the files of each split.

    Args:
        data: a file, a folder, a glob, or None.
        split_files: for each split, its files, folders and globs. They replace what
            `data` has for that split.
        kind: the kind of the rows. For labelled rows, a folder may have one file per
            class.
        format: the format that the user names; None detects it.
        encoding: the encoding of the files.
        columns: the columns that the user names; for parallel files, the endings.

    Raises:
        DataError: if a file is missing (similar names are suggested), a folder has no
            data files, or the parallel files cannot be determined.
    """
    files = Files({}, [], [])
    if data is not None:
        paths, is_folder = expand(data)
        data_files = [DataFile(path) for path in paths]
        data_files, notes = _join_parallel(data_files, kind, format, columns)
        files = _assign_splits(data_files, is_folder, kind, format, encoding)
        files.notes[:0] = notes
    for split, specs in split_files.items():
        data_files: list[DataFile] = []
        for spec in specs:
            paths, _ = expand(spec)
            data_files += [DataFile(path) for path in paths]
        _check_distinct(split, [file.path for file in data_files])
        if data_files:
            labelled = _file_per_class(data_files, kind, format, encoding)
            if labelled:
                note = f"{split}: {class_files.note(labelled)}"
                files.splits[split] = labelled
                files.notes.append(note)
                continue
            data_files, notes = _join_parallel(data_files, kind, format, columns)
            files.splits[split] = data_files
            files.notes.extend(notes)
    return files


def _check_distinct(split: str, paths: Sequence[Path]) -> None:
    """Raise an error if a file is named twice."""
    counts = Counter(path.resolve() for path in paths)
    for path, count in counts.items():
        if count > 1:
            raise DataError(f"--{split}-file names {path} {count} times")


def _assign_splits(
    data_files: list[DataFile],
    is_folder: bool,
    kind: Kind,
    format: str | None,
    encoding: str,
) -> Files:
    """Assign files to splits by their names, otherwise by the metadata in them."""
    if format == "folder" and not is_folder:
        raise DataError("--format folder needs a folder as --data: one file per class")
    if format == "folder":
        labelled = _file_per_class(data_files, kind, format, encoding)
        return Files({}, labelled, [class_files.note(labelled)])
    splits: dict[str, list[DataFile]] = {}
    unnamed: list[DataFile] = []
    for file in data_files:
        split = split_of(file.path.name)
        (splits.setdefault(split, []) if split else unnamed).append(file)
    if splits:
        notes = []
        for split, split_files in splits.items():
            if labelled := _file_per_class(split_files, kind, format, encoding):
                splits[split] = labelled
                notes.append(f"{split}: {class_files.note(labelled)}")
        if unnamed:
            names = ", ".join(file.path.name for file in unnamed)
            notes.append(f"left out, as their names contain no split: {names}")
        return Files(splits, [], notes)
    if labelled := _file_per_class(data_files, kind, format, encoding):
        return Files({}, labelled, [class_files.note(labelled)])
    undivided = []
    for file in unnamed:
        parts = _split_by_metadata(file.path, kind, file.format or format, encoding)
        for split, split_parts in parts.items():
            splits.setdefault(split, []).extend(split_parts)
        if not parts:
            undivided.append(file)
    if not splits:
        return Files({}, undivided, [])
    notes = ["split by the metadata `# split = ...`"]
    if undivided:
        names = ", ".join(file.path.name for file in undivided)
        notes.append(f"left out, as their sentences name no split: {names}")
    return Files(splits, [], notes)


def _join_parallel(
    data_files: list[DataFile], kind: Kind, format: str | None, columns: Columns
) -> tuple[list[DataFile], list[str]]:
    """Return the files, with two parallel files as one `DataFile`; and notes."""
    flags = "".join(filter(None, (columns.source, columns.target)))
    numbers = re.fullmatch(r"[\d,\s-]+", flags)  # columns of a table
    if kind != "pairs" or format not in (None, "parallel") or numbers:
        return data_files, []
    paths = [file.path for file in data_files]
    pairs, others = parallel.match_files(paths, columns)
    if not pairs:
        _refuse_parallel(paths)
        return data_files, []
    notes = []
    if others:
        endings = " or ".join(path.suffix for path in pairs[0])
        names = ", ".join(path.name for path in others)
        notes = [f"left out, as their names do not end in {endings}: {names}"]
    joined = [DataFile(path, "parallel", None, targets) for path, targets in pairs]
    return joined, notes


def _refuse_parallel(paths: Iterable[Path]) -> None:
    """Raise an error if files differ only in endings that are no format or split."""
    known = {ending for format in formats.FORMATS.values() for ending in format.endings}
    for group in parallel.group_by_stem(paths):
        endings = [path.suffix for path in group]
        if not any(ending.lower() in known or split_of(ending) for ending in endings):
            names = ", ".join(ending[1:] for ending in endings)
            raise DataError(
                f"{group[0].with_suffix('')}.*: parallel files end in {names}: name "
                "two of these with --source-column and --target-column (or, if the "
                "files are not parallel, name their format with --format)"
            )


def _split_by_metadata(
    path: Path, kind: Kind, format: str | None, encoding: str
) -> dict[str, list[DataFile]]:
    """Return the splits of a CoNLL-U file with metadata ``split``; otherwise none."""
    if kind not in formats.FORMATS["conllu"].kinds:
        return {}
    if (format or formats.detect(path, kind, encoding)) != "conllu":
        return {}
    splits: dict[str, list[DataFile]] = {}
    for value in conllu.split_values(path, encoding):
        split = split_of(value)
        if split is None:
            raise DataError(f"{path}: `# split = {value}` is not train, dev or test")
        splits.setdefault(split, []).append(DataFile(path, "conllu", value))
    return splits


def _file_per_class(
    data_files: Sequence[DataFile], kind: Kind, format: str | None, encoding: str
) -> list[DataFile]:
    """Return the files with their labels, if they are one per class; otherwise none."""
    paths = [file.path for file in data_files]
    if kind != "labelled" or format not in (None, "folder"):
        return []
    if format is None and not class_files.are_likely(paths, encoding):
        return []
    return [
        DataFile(path, "folder", label=label)
        for path, label in zip(paths, class_files.labels(paths), strict=True)
    ]
