"""Sample files that are generated, not shipped: kept in the temporary directory."""

import getpass
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_sample(name: str, text: str) -> Path:
    """Write a text to a file unless the file holds it already, and return its path.

    The file is replaced atomically, so that processes can write it at the same time.

    Args:
        name: name of the file; may contain folders.
        text: the content of the file.
    """
    path = Path(tempfile.gettempdir()) / f"rnn-zoo-{getpass.getuser()}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != text.encode():
        with tempfile.NamedTemporaryFile(
            "wb", dir=path.parent, delete=False, prefix="."
        ) as file:
            file.write(text.encode())
        Path(file.name).replace(path)
    return path


def write_splits(
    name: str, header: tuple[str, str], splits: Mapping[str, Iterable[tuple[str, str]]]
) -> Path:
    """Write each split to a TSV file, and return the folder of the files.

    Args:
        name: name of the folder.
        header: names of the two columns.
        splits: the rows of each split.
    """
    path = Path()
    for split, rows in splits.items():
        text = "".join(f"{a}\t{b}\n" for a, b in (header, *rows))
        path = write_sample(f"{name}/{split}.tsv", text)
    return path.parent
