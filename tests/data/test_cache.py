"""The Arrow cache: what its keys cover, and errors of the parsers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.data_files import labelled_lines
from zoo.tasks.data import (
    DataError,
    FormatError,
    Source,
    arrow_cache,
    entries,
    load,
    read,
)

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
    heavy = {"jax", "torch", "flax"}
    code = f"import sys, zoo.tasks.data; print({heavy} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "set()", run.stderr


def entry_files(cache: Path, ending: str = "arrow") -> list[Path]:
    """Return the files of a cache with an ending."""
    return sorted((cache / "rnn_zoo").glob(f"*.{ending}"))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 8),
    "empty": lambda path: os.truncate(path, 0),
    "altered": lambda path: path.write_bytes(path.read_bytes().replace(b"two", b"2wo")),
    "missing": lambda path: path.unlink(),
    "another": lambda path: path.rename(path.with_name(f"{path.stem[:-1]}_.arrow")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_written_again(
    write: Callable[..., Path], tmp_path: Path, damage: str
) -> None:
    source, cache = Source(str(write("a.txt", "one\ntwo\n"))), tmp_path / "cache"
    rows = list(read(source, "text", "train", cache_dir=cache).rows["text"])
    (entry,) = entry_files(cache)
    content = entry.read_bytes()
    DAMAGE[damage](entry)
    again = read(source, "text", "train", cache_dir=cache).rows
    assert list(again["text"]) == rows == ["one\n", "two\n"]
    assert entry_files(cache) == [entry] and entry.read_bytes() == content


WRITE = """
import os, signal, sys, time
from pathlib import Path
from zoo.tasks.data import arrow_cache

def rows():
    for number in range(5000):
        if number == 4000 and sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"text": f"{number} {sys.argv[2]}"}
    (folder / sys.argv[2]).touch()

folder = Path(sys.argv[1])
rows = arrow_cache.cached_dataset(rows, "text", "key", folder, "rows")
print(len(rows), rows[4999]["text"])
"""


def writer(folder: Path, name: str) -> subprocess.Popen[str]:
    """Start a process that writes an entry of 5,000 rows; "killed" is killed."""
    command = [sys.executable, "-c", WRITE, str(folder), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_an_entry_of_killed_and_of_simultaneous_processes(tmp_path: Path) -> None:
    killed = writer(tmp_path, "killed")
    assert killed.communicate() == ("", None)
    assert killed.returncode == -signal.SIGKILL
    assert entry_files(tmp_path, "incomplete") and not entry_files(tmp_path)
    processes = [writer(tmp_path, name) for name in ("first", "second")]
    printed = {process.communicate()[0] for process in processes}
    wrote = [name for name in ("first", "second") if (tmp_path / name).exists()]
    assert len(wrote) == 1 and printed == {f"5000 4999 {wrote[0]}\n"}
    assert len(entry_files(tmp_path)) == 1 and not entry_files(tmp_path, "incomplete")


def test_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "rnn_zoo").mkdir()
    (tmp_path / "rnn_zoo" / "other.incomplete").write_bytes(b"half")
    arrow_cache.cached_dataset(
        lambda: iter([{"text": "a"}]), "text", "key", tmp_path, "rows"
    )
    assert not entry_files(tmp_path, "incomplete")


def test_the_least_recently_used_entries_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(key: str) -> Path:
        fill = lambda file: file.write(b"x" * 100)  # noqa: E731
        return entries.entry(fill, key, "ids", tmp_path)

    a, b, c, d = map(add, "abcd")
    mapped = np.memmap(b, np.uint8, "r")
    for path, hours in ((a, 9), (b, 8), (c, 7), (d, 0.5)):
        then = time.time() - 3600 * hours
        os.utime(path, (then, then))
    assert add("a") == a  # is now the latest
    monkeypatch.setattr(entries, "MAX_BYTES", 350)
    e = add("e")
    assert set(entry_files(tmp_path, "ids")) == {a, d, e}
    assert bytes(mapped) == b"x" * 100
    # Entries of the last hour are kept, however many they are.
    monkeypatch.setattr(entries, "MAX_BYTES", 50)
    f = add("f")
    assert set(entry_files(tmp_path, "ids")) == {a, d, e, f}
    assert not c.exists()


def test_a_cache_that_cannot_be_written(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(str(write("a.txt", "one\n")))
    with pytest.raises(DataError, match=r"cache .*/a\.txt/rnn_zoo cannot be written"):
        read(source, "text", "train", cache_dir=tmp_path / "a.txt")
    full = lambda *_: open("/dev/full", "wb")  # noqa: E731
    monkeypatch.setattr(entries, "open", full, raising=False)
    message = (
        r"\(No space left on device; .* MB are free there\).* set HF_DATASETS_CACHE"
    )
    with pytest.raises(DataError, match=message):
        read(source, "text", "train", cache_dir=tmp_path)
    assert not entry_files(tmp_path) and not entry_files(tmp_path, "incomplete")


def test_a_large_row_has_a_batch_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_cache, "_MAX_CHARACTERS", 10)
    texts = ["a", "b" * 20, "c", "d", ""]
    make_rows = lambda: ({"text": text} for text in texts)  # noqa: E731
    rows = arrow_cache.cached_dataset(make_rows, "text", "key", tmp_path, "rows")
    assert list(rows["text"]) == texts
    assert [len(chunk) for chunk in rows.data.column("text").chunks] == [2, 3]
