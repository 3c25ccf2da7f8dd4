"""The Arrow cache: what its keys cover, and errors of the parsers."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.data import FormatError, Source, load, read
from tests.helpers.data_files import labelled_lines

ROOT = Path(__file__).parents[2]


def test_an_edited_file_is_read_again(write: Callable[..., Path], cache: Path) -> None:
    path = write("lines.txt", "one\ntwo\n")
    source = Source(str(path))
    first = read(source, "text", "train", cache_dir=cache).rows
    again = read(source, "text", "train", cache_dir=cache).rows
    assert first.cache_files == again.cache_files != []
    stat = os.stat(path)
    write("lines.txt", "one\nsix\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (
        list(read(source, "text", "train", cache_dir=cache).rows["text"])[1] == "six\n"
    )
    assert list(first["text"])[1] == "two\n"


def test_arguments_are_part_of_the_key(write: Callable[..., Path], cache: Path) -> None:
    path = write("a.conll", "a X Y\n")
    for column, tag in {"1": "X", "2": "Y", None: "Y"}.items():
        source = Source(str(path), tag_column=column)
        assert read(source, "tagged", "train", cache_dir=cache).rows[0]["tags"] == [tag]


def test_errors_of_parsers_are_raised_unchanged(
    write: Callable[..., Path], cache: Path
) -> None:
    path = write("a.conll", "a X\n\nb\n")
    with pytest.raises(FormatError, match=r"a\.conll:3: expected 2 columns"):
        load(Source(str(path)), "tagged", cache_dir=cache)
    path.write_bytes(b"a X\n\xff Y\n")
    with pytest.raises(FormatError, match=r"a\.conll:2: expected text in utf-8"):
        load(Source(str(path)), "tagged", cache_dir=cache)


def test_loading_prints_nothing(
    write: Callable[..., Path], cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write("a.tsv", labelled_lines(30, 500))
    load(Source(str(path)), "labelled", cache_dir=cache)
    assert capfd.readouterr() == ("", "")


def test_data_code_does_not_import_jax() -> None:
    code = "import sys, tasks.data; print({'jax', 'torch', 'zoo'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "set()", run.stderr
