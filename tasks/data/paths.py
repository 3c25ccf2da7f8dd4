"""The files that a path, a folder or a glob stands for."""

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from zoo.tasks.data.formats.errors import DataError, similar_names
from zoo.tasks.data.formats.opening import check_regular, system_errors

_NO_DATA = re.compile(
    r"\..*|(.*[._-])?(readme|licen[cs]e|copying|changelog)([._-].*)?|.*\.md", re.I
)


def expand(spec: str) -> tuple[list[Path], bool]:
    """Return the files of a path or a glob, sorted, and whether it is a folder.

    In a folder, hidden files, read-mes and licences are skipped. The ``**`` of a glob
    does not follow links to folders.

    Args:
        spec: a file, a folder or a glob.

    Raises:
        DataError: if there are no files; similar names are suggested. If a path cannot
            be read, or is a pipe or a device.
    """
    with system_errors(spec):
        return _expand(spec)


def _expand(spec: str) -> tuple[list[Path], bool]:
    path = Path(os.path.expanduser(spec))
    if path.is_dir():
        inside = sorted(path.iterdir())
        files = _files(p for p in inside if not _NO_DATA.fullmatch(p.name))
        if not files:
            names = ", ".join(p.name for p in inside[:10]) or "nothing"
            raise DataError(f"the folder {path} has no data files; it holds: {names}")
        return files, True
    if path.exists():
        check_regular(path)
        return [path], False
    files = _files(map(Path, sorted(_glob(str(path)))))
    if not files:
        _check_link(path)
        what = "file matches the glob" if glob.has_magic(spec) else "file or folder"
        raise DataError(f"no {what} {spec}{_similar_names(path)}")
    return files, False


def _files(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that are no folders: regular files, or an error is raised."""
    files = [path for path in paths if not path.is_dir()]
    for path in files:
        _check_link(path)
        check_regular(path)
    return files


def _check_link(path: Path) -> None:
    """Raise an error if a path is a dangling link."""
    if path.is_symlink() and not path.exists():
        raise DataError(f"{path} is a link to a file that does not exist")


def _glob(pattern: str) -> set[str]:
    """Return the paths that match a glob.

    Unlike in `glob.glob`, ``**`` does not follow links to folders: two links to their
    own folder would have more paths than can be listed.
    """
    match = re.fullmatch(r"(.*?/)?\*\*(?:/\*\*)*(?:/(.*))?", pattern, re.S)
    if not match:
        return set(glob.glob(pattern))
    names: set[str] = set()
    for root in glob.glob(match[1] or "./"):
        for folder, subfolders, _ in os.walk(root, onerror=_raise):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            names |= _glob(os.path.join(glob.escape(folder), match[2] or "*"))
    return names if match[1] else {name.removeprefix("./") for name in names}


def _raise(error: OSError) -> None:
    raise error


def _similar_names(path: Path) -> str:
    """Return a hint: existing names similar to the first missing part of a path."""
    while not path.parent.exists():
        path = path.parent
    names = (
        sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    )
    similar = similar_names(path.name, names, 3, 0.5)
    if similar:
        return f"; did you mean {' or '.join(str(path.parent / n) for n in similar)}?"
    some = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"; {path.parent} holds {some or 'nothing'}"
