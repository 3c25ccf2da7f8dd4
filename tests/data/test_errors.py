"""Every error of reading is one short line that names the file, or the flag."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.data_files import labelled_lines, parse
from zoo.tasks.data import DataError, FormatError, Kind, Source, formats, load, paths
from zoo.tasks.data.formats.errors import MAX_LENGTH

TEXTS = st.text(st.characters(), max_size=2000)  # with surrogates and controls


@given(TEXTS, TEXTS)
def test_a_message_is_one_short_line(path: str, got: str) -> None:
    for error in (
        DataError(f"{path}: {got}"),
        FormatError(path, 3, "a label", got),
        FormatError(path, None, got, {"text": [got]}, got),
    ):
        assert str(error).isprintable() and len(str(error)) < MAX_LENGTH


def test_a_long_message_keeps_its_start_and_its_end() -> None:
    message = str(DataError(f"a.csv: {'column, ' * 5000}; name one with --text-column"))
    assert message.startswith("a.csv: column, column")
    assert message.endswith("column, ; name one with --text-column")
    assert str(DataError("a\x1b[2J\n\u202e\udcffü")) == r"a\x1b[2J\n\u202e\udcffü"


def test_values_that_have_no_representation_are_shown() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    for value in (nested, 10**5000):
        assert "that is too large to show" in str(FormatError("a", 1, "b", value))
    while nested:  # piece by piece: as a whole, it is too deep to be freed
        nested = nested.pop()  # pyright: ignore[reportAssignmentType]


def test_names_are_escaped_in_errors_and_notes(
    write: Callable[..., Path], cache: Path
) -> None:
    path = write("a\x1b[2J\n.tsv", labelled_lines(30))
    splits = load(Source(str(path)), "labelled", cache_dir=cache)
    assert splits.notes[0].startswith(r"train: a\x1b[2J\n.tsv (format tsv")
    path.write_text("text\tlabel\n\na\tb\n")
    with pytest.raises(FormatError, match=r"a\\x1b\[2J\\n\.tsv:2: expected cells"):
        load(Source(str(path)), "labelled", cache_dir=cache)


def test_a_class_file_whose_name_is_no_text(tmp_path: Path, cache: Path) -> None:
    for name in (b"good", b"\xff"):
        (tmp_path / os.fsdecode(name)).write_text("a\nb\n")
    with pytest.raises(FormatError, match=r"\\udcff: expected a file name in UTF-8"):
        load(Source(str(tmp_path)), "labelled", cache_dir=cache)


@pytest.mark.parametrize("kind", ["labelled", "text"])
def test_only_regular_files_are_read(tmp_path: Path, kind: Kind) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    for name, message in {
        "pipe": "pipe is a pipe: data are read from regular files, several times",
        "device": "device is a device",
        "loop": r"loop: cannot be read \(Too many levels of symbolic links\)",
        "folder": "folder is a folder",
        "none": r"none: cannot be read \(No such file or directory\)",
        "a\0b": r"a\\x00b: no file can have this name",
        "a\ud800": r"a\\ud800: no file can have this name",
    }.items():
        with pytest.raises(DataError, match=message):
            formats.plan(tmp_path / name, kind, format=kind)


def test_flags_that_name_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "lost").symlink_to("nowhere")
    for name, message in {
        "pipe": "pipe is a pipe",
        "lost": "lost is a link to a file that does not exist",
        "a\0b": r"no file or folder .*a\\x00b",
        "x" * 5000: "cannot be read|no file or folder",
    }.items():
        with pytest.raises(DataError, match=message):
            paths.expand(str(tmp_path / name))


def test_an_ending_of_other_rows(write: Callable[..., Path]) -> None:
    path = write("a.conll", "a X\nb Y\n\nc X\nd Y\n")
    with pytest.raises(FormatError, match="labelled rows; a file that ends in .conll "):
        parse(path, "labelled")
    with pytest.raises(FormatError, match=r"\.dict holds pairs rows"):
        parse(write("a.dict", "a b\n"), "tagged")
    assert len(parse(path, "tagged")) == 2


def test_no_split_of_a_folder_is_left_out(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    train = write("train.txt", "")
    (tmp_path / "sub").mkdir()
    assert paths.expand(str(tmp_path)) == ([train], True)
    (dev := tmp_path / "dev.txt").symlink_to("lost")
    for spec in (tmp_path, tmp_path / "*.txt"):
        with pytest.raises(DataError, match="dev.txt is a link to a file that does"):
            paths.expand(str(spec))
    dev.unlink()
    os.mkfifo(dev)
    for spec in (tmp_path, tmp_path / "*.txt"):
        with pytest.raises(DataError, match="dev.txt is a pipe"):
            paths.expand(str(spec))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_missing_permissions_are_named(write: Callable[..., Path]) -> None:
    path = write("a.tsv", labelled_lines(3))
    path.chmod(0)
    with pytest.raises(DataError, match=r"a\.tsv: cannot be read \(Permission denied"):
        parse(path, "labelled")


def test_globs_do_not_follow_links_to_folders(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    names = ["b.txt", "sub/a.txt", "sub/sub/c.txt", "sub/.hidden/d.txt"]
    written = [write(name, "") for name in names]
    for name in ("x", "y"):
        (tmp_path / "sub" / name).symlink_to("..")
    for pattern, numbers in {
        "**/*.txt": [0, 1, 2],
        "**": [0, 1, 2],
        "**/**/c.*": [2],
        "s*/**/?.txt": [1, 2],
        "sub/.hidden/**/*": [3],
        "**/sub/*.txt": [1, 2],
    }.items():
        expanded, _ = paths.expand(str(tmp_path / pattern))
        assert expanded == sorted(written[k] for k in numbers), pattern


def test_globs_relative_to_the_current_folder(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.txt", "")
    write("sub/b.txt", "")
    monkeypatch.chdir(tmp_path)
    assert paths.expand("**/*.txt")[0] == [Path("a.txt"), Path("sub/b.txt")]


def test_a_file_that_changes_while_it_is_read(write: Callable[..., Path]) -> None:
    path = write("a.txt", "one\n")
    rows = formats.rows(formats.plan(path, "text"))
    assert next(rows) == {"text": "one\n"}
    write("a.txt", "one\ntwo\n")
    with pytest.raises(DataError, match=r"a\.txt has changed while it was read"):
        list(rows)
    rows = formats.rows(formats.plan(path, "text"))
    path.unlink()
    with pytest.raises(DataError, match=r"a\.txt: cannot be read \(No such file"):
        list(rows)
