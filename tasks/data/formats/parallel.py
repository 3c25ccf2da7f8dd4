"""Two files of one name, aligned by line: ``train.de`` and ``train.en``."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tasks.data.formats.errors import DataError, FormatError
from tasks.data.formats.lines import numbered
from tasks.data.formats.pairs import USUAL
from tasks.data.formats.reading import Columns, Reading, Row


def rows(reading: Reading) -> Iterator[Row]:
    """Yield the pairs of two files.

    Args:
        reading: the files, that of the targets in ``targets``.

    Raises:
        FormatError: if one file has more lines than the other, or a line is blank
            (but not the last ones of both).
    """
    source, target = reading.path, reading.targets
    assert target is not None
    blank = None
    sides = (numbered(path, reading.encoding) for path in (source, target))
    for number, pair in enumerate(itertools.zip_longest(*sides), 1):
        first, second = (side and side[1].strip() for side in pair)
        if not first and not second:
            blank = blank or number
        elif first is None or second is None:
            counts = [_count(path, reading.encoding) for path in (source, target)]
            wanted = f"as many lines as in {target} ({counts[1]})"
            raise FormatError(source, None, wanted, counts[0])
        elif blank or not first or not second:
            path = source if blank or not first else target
            what = "a source" if path == source else "a target"
            raise FormatError(path, blank or number, what, "")
        else:
            yield {"source": first, "targets": [second]}


def note(reading: Reading) -> str:
    """Return in words which file is which.

    Args:
        reading: the files.
    """
    assert reading.targets is not None
    return f"source = {reading.path.suffix}, target = {reading.targets.suffix}"


def couples(
    paths: Sequence[Path], columns: Columns
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Return the files of sources and targets that go together, and those left over.

    The flags name the endings, else these are usual ones, such as ``.src`` and
    ``.tgt``. One of two files is enough: the other one stands beside it.

    Args:
        paths: the files.
        columns: the user's flags.

    Raises:
        DataError: if one file has an ending of the two, and the other is not there.
    """
    given = columns.source is not None and columns.target is not None
    endings = [(columns.source, columns.target)] if given else USUAL
    if not given and (columns.source or columns.target):
        return [], list(paths)
    for source, target in endings:
        found: dict[tuple[Path, Path], None] = {}  # in order, none twice
        rest, alone = [], []
        for path in paths:
            ending = next((e for e in (source, target) if _ends(path, e)), None)
            if ending is None:
                rest.append(path)
                continue
            name = path.name.removesuffix(ending)
            couple = (
                path.with_name(f"{name}{source}"),
                path.with_name(f"{name}{target}"),
            )
            if missing := [one for one in couple if not one.is_file()]:
                alone.append((path, missing[0].name, name))
            else:
                found[couple] = None
        if alone and (found or given):
            path, missing, name = alone[0]
            beside = sorted(p.name for p in path.parent.iterdir())
            beside = ", ".join(other for other in beside if other.startswith(name))
            raise DataError(f"{path}: no {missing} beside it, only {beside}")
        if found:
            return list(found), rest
    return [], list(paths)


def alike(paths: Iterable[Path]) -> list[list[Path]]:
    """Return the files that differ in nothing but their endings: two or more each.

    Args:
        paths: the files.
    """
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        if path.suffix:
            groups.setdefault(path.with_suffix(""), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _ends(path: Path, ending: str | None) -> bool:
    return ending is not None and path.name.endswith(f".{ending}")


def _count(path: Path, encoding: str) -> int:
    return sum(1 for _ in numbered(path, encoding))
