"""Fixtures of the data tests: files to read, and a cache of Arrow files."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for Arrow files, shared by the tests of a process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a text to a file, and returns its path."""

    def write(name: str, text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text.encode(encoding))
        return path

    return write
