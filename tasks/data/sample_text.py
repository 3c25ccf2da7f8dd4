"""Sample files that are generated, not shipped: kept in the temporary directory."""

import getpass
import tempfile
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
