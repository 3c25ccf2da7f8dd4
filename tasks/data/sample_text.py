"""Files of samples that are made, not shipped: in the user's temporary folder."""

import getpass
import tempfile
from pathlib import Path


def kept(name: str, text: str) -> Path:
    """Write a text to a file, unless it is there already, and return its path.

    Args:
        name: of the file, folders included.
        text: all of it.
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
