"""Which files hold which split: from paths, folders and globs, by the files' names."""

import difflib
import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.data import formats
from tasks.data.formats import conllu, parallel
from tasks.data.formats.errors import DataError
from tasks.data.formats.reading import Columns, Kind

SPLITS = ("train", "dev", "test")
_WORDS = {
    "train": ("train", "training", "trainset"),
    "dev": ("dev", "devel", "development", "devset", "valid", "validation", "val"),
    "test": ("test", "testing", "testset", "testb"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_SPLIT_OF["testa"] = "dev"  # CoNLL's name for it
_NO_DATA = re.compile(r"\..*|(readme|licen[cs]e|copying|changelog).*|.*\.md", re.I)


class Part(NamedTuple):
    """A file, its format if that is known, and the part of it that is meant.

    ``part`` is a value of the metadata ``split`` of CoNLL-U; None is the whole file.
    ``targets`` is the file of the targets, of two that are parallel.
    """

    path: Path
    format: str | None = None
    part: str | None = None
    targets: Path | None = None


class Files(NamedTuple):
    """The files of each split, those that name none, and what was decided."""

    splits: dict[str, list[Part]]
    rest: list[Part]
    notes: list[str]


def split_of(name: str) -> str | None:
    """Return the split that a file's name tells: train, dev, test or None.

    Its words are what stands between digits, signs and changes to upper case:
    ``eng.testa`` is dev, ``wnut17train.conll`` and ``train_5k.csv`` are train.

    Args:
        name: the name, without its folder.

    Raises:
        DataError: if it tells more than one.
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    found = {_SPLIT_OF[w.lower()] for w in words if w.lower() in _SPLIT_OF}
    if len(found) > 1:
        raise DataError(
            f"the name {name} tells several splits ({', '.join(sorted(found))}): "
            "use --train-file, --dev-file and --test-file"
        )
    return found.pop() if found else None


def find(
    data: str | None,
    given: Mapping[str, Sequence[str]],
    kind: Kind,
    format: str | None,
    encoding: str,
    columns: Columns,
) -> Files:
    """Return the files of each split.

    Args:
        data: a file, a folder, a glob, or None.
        given: files, folders and globs of splits named by flags; they replace what
            `data` has for that split.
        kind: what a row shall be; labelled reads a folder as one file a class.
        format: the format that the user names.
        encoding: the encoding of the files.
        columns: the columns that the user named: of parallel files, the endings.

    Raises:
        DataError: if a file is missing (near names are suggested), a folder has no
            file of data, or it cannot be told which files are parallel.
    """
    found = Files({}, [], [])
    if data is not None:
        paths, folder = expand(data)
        parts, notes = _coupled([Part(path) for path in paths], kind, format, columns)
        found = _divided(parts, folder, kind, format, encoding)
        found.notes[:0] = notes
    for split, specs in given.items():
        parts: list[Part] = []
        for spec in specs:
            paths, folder = expand(spec)
            one = "folder" if folder and _classes(paths, kind, format) else None
            parts += [Part(path, one) for path in paths]
        if parts:
            found.splits[split], notes = _coupled(parts, kind, format, columns)
            found.notes.extend(notes)
    return found


def expand(spec: str) -> tuple[list[Path], bool]:
    """Return the files of a path or a glob, sorted, and whether it is a folder.

    Hidden files, read-mes and licences in a folder are no data.

    Args:
        spec: a file, a folder or a glob.

    Raises:
        DataError: if there is none; near names are suggested.
    """
    path = Path(spec).expanduser()
    if path.is_file():
        return [path], False
    if path.is_dir():
        inside = sorted(path.iterdir())
        files = [p for p in inside if p.is_file() and not _NO_DATA.fullmatch(p.name)]
        if not files:
            listed = ", ".join(p.name for p in inside[:10]) or "nothing"
            raise DataError(f"the folder {path} has no file of data; in it: {listed}")
        return files, True
    files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    files = [file for file in files if file.is_file()]
    if not files:
        what = "file fits the glob" if glob.has_magic(spec) else "file or folder"
        raise DataError(f"no {what} {spec}{_near(path)}")
    return files, False


def _divided(
    parts: list[Part], folder: bool, kind: Kind, format: str | None, encoding: str
) -> Files:
    """Divide files by their names, or by the metadata in them."""
    if format == "folder" and not folder:
        raise DataError("--format folder wants a folder in --data: one file a class")
    if format == "folder":
        return Files({}, [part._replace(format="folder") for part in parts], [])
    named: dict[str, list[Part]] = {}
    rest: list[Part] = []
    for part in parts:
        split = split_of(part.path.name)
        (named.setdefault(split, []) if split else rest).append(part)
    if named:
        notes = []
        if rest:
            listed = ", ".join(part.path.name for part in rest)
            notes = [f"left out, as no split stands in their names: {listed}"]
        return Files(named, [], notes)
    if folder and _classes((part.path for part in parts), kind, format):
        note = f"a folder of one file a class: {len(parts)} classes"
        return Files({}, [part._replace(format="folder") for part in parts], [note])
    whole = []
    for part in rest:
        divided = _metadata(part.path, kind, part.format or format, encoding)
        for split, some in divided.items():
            named.setdefault(split, []).extend(some)
        if not divided:
            whole.append(part)
    if not named:
        return Files({}, whole, [])
    notes = ["divided by the metadata `# split = ...`"]
    if whole:
        listed = ", ".join(part.path.name for part in whole)
        notes.append(f"left out, as their sentences name no split: {listed}")
    return Files(named, [], notes)


def _coupled(
    parts: list[Part], kind: Kind, format: str | None, columns: Columns
) -> tuple[list[Part], list[str]]:
    """Return the files, of pairs two that are parallel as one part; and notes."""
    flags = "".join(filter(None, (columns.source, columns.target)))
    tables = format not in (None, "parallel") or re.fullmatch(r"[\d,\s-]+", flags)
    if kind != "pairs" or tables:
        return parts, []
    paths = [part.path for part in parts]
    couples, rest = parallel.match_files(paths, columns)
    if not couples:
        _refuse_parallel(paths)
        return parts, []
    notes = []
    if rest:
        endings = " or ".join(path.suffix for path in couples[0])
        listed = ", ".join(path.name for path in rest)
        notes = [f"left out, as their names do not end in {endings}: {listed}"]
    return [Part(path, "parallel", None, other) for path, other in couples], notes


def _refuse_parallel(paths: Iterable[Path]) -> None:
    """Raise an error if files look parallel: one name, endings that tell nothing."""
    known = {ending for one in formats.FORMATS.values() for ending in one.endings}
    for alike in parallel.group_by_stem(paths):
        endings = [path.suffix for path in alike]
        if not any(ending.lower() in known or split_of(ending) for ending in endings):
            listed = ", ".join(ending[1:] for ending in endings)
            raise DataError(
                f"{alike[0].with_suffix('')}.*: parallel files end in {listed}: name "
                "two of these with --source-column and --target-column (or, if they "
                "are no such files, their format with --format)"
            )


def _metadata(
    path: Path, kind: Kind, format: str | None, encoding: str
) -> dict[str, list[Part]]:
    """Return the parts of a CoNLL-U file whose sentences name their splits."""
    if kind not in formats.FORMATS["conllu"].kinds:
        return {}
    if (format or formats.detect(path, kind, encoding)) != "conllu":
        return {}
    found: dict[str, list[Part]] = {}
    for value in conllu.split_values(path, encoding):
        split = split_of(value)
        if split is None:
            raise DataError(f"{path}: `# split = {value}` is not train, dev or test")
        found.setdefault(split, []).append(Part(path, "conllu", value))
    return found


def _classes(paths: Iterable[Path], kind: Kind, format: str | None) -> bool:
    """Whether the files of a folder are one a class: several plain text files."""
    if format is not None:
        return format == "folder"
    paths = list(paths)
    plain = all(path.suffix.lower() in ("", ".txt") for path in paths)
    return kind == "labelled" and plain and len(paths) > 1


def _near(path: Path) -> str:
    """Return a hint: the existing names nearest to the first part that is missing."""
    while not path.parent.exists():
        path = path.parent
    names = (
        sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    )
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(str(path.parent / n) for n in near)}?"
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"; in {path.parent} there is {listed or 'nothing'}"
