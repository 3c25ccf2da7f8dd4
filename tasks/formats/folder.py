"""A folder with one file for each class: the file's name is the label."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.formats.base import FormatError, Options, lines


def read(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the lines of all files, with the file's name as the label.

    Args:
        path: the folder.
        options: the encoding of the files.

    Raises:
        FormatError: if there are not two files or more.
    """
    files = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
    if len(files) < 2:
        raise FormatError(path, None, "expected two files or more, one for each class")
    for file in files:
        for _, line in lines(file, options.encoding):
            if line.strip():
                yield {"text": line.strip(), "label": file.stem}
