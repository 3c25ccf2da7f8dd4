"""Parallel files, aligned by line: ``train.de`` and ``train.en``."""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.lines import numbered_lines, without_gz
from zoo.tasks.data.formats.opening import system_errors
from zoo.tasks.data.formats.pair_columns import USUAL_NAMES
from zoo.tasks.data.formats.reading import Columns, Reading, Row


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the pairs of two files.

    Args:
        reading: the file of the sources; its `targets` is the file of the targets.

    Raises:
        FormatError: if the files differ in length, or a line is blank (except the last
            lines of both).
    """
    source_path, target_path = reading.path, reading.targets
    assert target_path is not None
    paths = (source_path, target_path)
    first_blank = None
    sides = (numbered_lines(path, reading.encoding, "\n") for path in paths)
    for number, pair in enumerate(itertools.zip_longest(*sides), 1):
        source, target = (line and line[1].strip() for line in pair)
        if not source and not target:
            first_blank = first_blank or number
        elif source is None or target is None:
            counts = [_num_lines(path, reading.encoding) for path in paths]
            expected = f"as many lines as in {target_path} ({counts[1]})"
            raise FormatError(source_path, None, expected, counts[0])
        elif first_blank or not source or not target:
            in_source = bool(first_blank) or not source
            path = source_path if in_source else target_path
            expected = "a source" if in_source else "a target"
            raise FormatError(path, first_blank or number, expected, "")
        else:
            yield {"source": source, "targets": [target]}


def describe(reading: Reading) -> str:
    """Return which file holds the sources and which the targets, for the user.

    Args:
        reading: the files.
    """
    assert reading.targets is not None
    source, target = without_gz(reading.path), without_gz(reading.targets)
    return f"source = {source.suffix}, target = {target.suffix}"


def match_files(
    paths: Sequence[Path], columns: Columns
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Return the pairs of parallel files, and the files that are in no pair.

    The user names the endings; otherwise usual ones are tried, such as ``.src`` and
    ``.tgt``. If `paths` has one file of a pair, the other is taken from the same
    folder.

    Args:
        paths: the files.
        columns: the columns that the user names: here the two endings.

    Raises:
        DataError: if one file of a pair is missing.
    """
    named = columns.source is not None and columns.target is not None
    endings = [(columns.source, columns.target)] if named else USUAL_NAMES
    if not named and (columns.source or columns.target):
        return [], list(paths)
    for source, target in endings:
        pairs: dict[tuple[Path, Path], None] = {}  # an ordered set
        others, incomplete = [], []
        for path in paths:
            ending = next((e for e in (source, target) if _has_ending(path, e)), None)
            if ending is None:
                others.append(path)
                continue
            stem = without_gz(path).name.removesuffix(ending)
            pair = (
                _with_gz(path.parent / f"{stem}{source}"),
                _with_gz(path.parent / f"{stem}{target}"),
            )
            if missing := [side for side in pair if not os.path.isfile(side)]:
                incomplete.append((path, missing[0].name, stem))
            else:
                pairs[pair] = None
        if incomplete and (pairs or named):
            path, missing, stem = incomplete[0]
            with system_errors(path.parent):
                names = sorted(p.name for p in path.parent.iterdir())
            similar = ", ".join(name for name in names if name.startswith(stem))
            raise DataError(
                f"{path}: {missing} is not in the same folder, only {similar}"
            )
        if pairs:
            return list(pairs), others
    return [], list(paths)


def group_by_stem(paths: Iterable[Path]) -> list[list[Path]]:
    """Return the groups of two or more files that differ only in their endings.

    Args:
        paths: the files.
    """
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        if path.suffix:
            groups.setdefault(path.with_suffix(""), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _has_ending(path: Path, ending: str | None) -> bool:
    return ending is not None and without_gz(path).name.endswith(f".{ending}")


def _with_gz(path: Path) -> Path:
    """Return a path, or that of the compressed file, if only this one exists."""
    compressed = path.parent / f"{path.name}.gz"
    is_compressed = os.path.isfile(compressed) and not os.path.isfile(path)
    return compressed if is_compressed else path


def _num_lines(path: Path, encoding: str) -> int:
    return sum(1 for _ in numbered_lines(path, encoding, "\n"))
