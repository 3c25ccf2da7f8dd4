"""Damaged files of word vectors, and other files: the error says what and where."""

import functools
import gzip
import re
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import vector_files
from zoo.text import vectors
from zoo.text.vectors import VectorError, text_rows

TABLE = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
WORDS = ["a", "b", "c", "d"]


def message(path: Path, content: bytes) -> str:
    """Return the error of a file with some content, without the name of the file."""
    path.write_bytes(content)
    with pytest.raises(VectorError) as error:
        vectors.read(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


TEXTS = {
    b"": "the file is empty",
    b"\n \n": "the file is empty",
    b"Once there was a dog.\nIt had 2 ears.\n": "line 1: expected word vectors: GloVe",
    b"the 12\nof 34\n": "line 1: expected word vectors",  # counts of words
    b"a 1 2 3\nb 4 5\n": r"line 1: expected a word and 2 numbers, got 3 .* after 'a'",
    b"4 3\na 1 2 3\nb 4 5\n": r"line 3: expected a word and 3 numbers, got 2 .* 'b'",
    b"1 3\na 1 2 3 4\n": "line 2: expected a word and 3 numbers, got 4 numbers",
    b"1 4\na 1 2 3\n": "line 2: expected a word and 4 numbers, got 3 numbers after 'a'",
    b"3 2\na 1 2\nb 3 4\n": "line 4: the header says 3 words, the file has 2: .* cut",
    b"1 2\na 1 2\nb 3 4\n": "line 4: the header says 1 word, the file has 2$",
    b"2 2\na 1 2\nb 3 x\n": "line 3: expected 2 numbers, got 'x' among them",
    b"2 2\na 1 2\nb nan 4\n": "line 3: a number is NaN or infinite",
    b"a 1 2\nb 1 1e39\n": "line 2: a number is NaN or infinite",
    b"0 2\n": "line 1: expected the number of words and the size .* got 0 and 2",
    b"2 0\n": "line 1: expected the number of words",
    b"2 3\n": "the file ends after line 1: it is cut off",
    b"2 3\n" + b"no numbers at all\n" * 20: "line 2: expected word vectors",
    b"PK\x03\x04rest": "is a zip file; expected word vectors.* unpack it",
    b"\xfd7zXZ\x00rest": "is an xz file",
    # A number is missing, but there are as many spaces, or other white space.
    b"2 3\na 1 2 3\nb  1 2\n": "line 3: expected a word and 3 numbers, got 2 .* 'b'",
    b"2 3\na 1 2 3\nb 1  2\n": "line 3: expected a word and 3 numbers, got 2 .* 'b'",
    b"2 3\na 1 2\r3 4\nb 1 \v 2\n": "line 2: expected a word and 3 numbers, got 4",
    b"2 3\na 1 2 3\n b 1 2\n": "line 3: expected a word and 3 numbers, got 2 .* 'b'",
    # Two lines without a line end between them.
    b"2 2\nb 1 2\na 1 2 5 3 4\n": "line 3: expected a word and 2 numbers, got 5",
    b"a 1 2 3\n" * 5 + b"b 1 2\n": "line 1: expected a word and 2 numbers, got 3",
    b"1" * 5000 + b" 3\n": "line 1: expected word vectors",
}


@pytest.mark.parametrize("content", TEXTS)
def test_text(tmp_path: Path, content: bytes) -> None:
    assert re.match(TEXTS[content], message(tmp_path / "file", content))


def test_a_full_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    opened = functools.partial(Path("/dev/full").open, "wb")
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", opened)
    vector_files.fasttext_binary(tmp_path / "raw", WORDS, TABLE)
    error = message(tmp_path / "file", gzip.compress((tmp_path / "raw").read_bytes()))
    assert error.startswith("cannot be unpacked in the temporary folder /dev: No space")


def test_an_endless_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rows, "_LONGEST", 30)
    error = message(tmp_path / "file", b"a 1 2\nb " + b"3 " * 20)
    assert error.startswith("a line has more than 30 bytes")


def test_no_file(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a dir")):
        with pytest.raises(VectorError, match=f"cannot be read: {reason}"):
            vectors.read(path)


def binary(path: Path) -> bytes:
    vector_files.word2vec_binary(path, WORDS, TABLE)
    return path.read_bytes()


def test_word2vec_binary(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = binary(path)
    assert len(content) == 4 + 4 * 14
    for size in (8, 17, 30, 59):
        error = message(path, content[:size])
        assert error.endswith("it is cut off")
        word = (size - 4) // 14 + 1
        assert error.startswith(f"byte {size}: the file ends in word {word} of 4")
    assert message(path, content + b"more") == (
        "byte 60: expected the end of the file after 4 words, as the header says, got "
        "b'more'"
    )
    infinite = content[:20] + struct.pack("<f", np.inf) + content[24:]
    assert message(path, infinite) == "byte 20: a number is NaN or infinite"
    garbage = b"9 2\nw " + bytes(8) + b"\xff" * 5000
    assert message(path, garbage).startswith(
        "byte 14: expected word 2 and a space, got"
    )


def test_packed_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    packed = gzip.compress(binary(path))
    for size in (12, 30, len(packed) - 5):
        assert "gzip data end early: the file is cut" in message(path, packed[:size])
    wrong = packed[:-6] + b"\0\0" + packed[-4:]
    assert message(path, wrong).startswith("the gzip data are damaged: CRC")
    assert message(path, packed[:14] + b"\xff\xff" + packed[16:]).startswith("the gzip")
    assert message(path, gzip.compress(b"")).startswith("the file is empty")


def test_fasttext_binary(tmp_path: Path) -> None:
    path = tmp_path / "file"
    table = np.concatenate([TABLE, TABLE])
    options: dict[str, Any] = {"shortest": 2, "longest": 3}

    def written(**more: Any) -> bytes:
        vector_files.fasttext_binary(path, WORDS, table, **options, **more)
        return path.read_bytes()

    content = written()
    for size in (20, 80, 100, 130, 150, len(content) - 40):
        error = f"byte {size}: the file ends early: it is cut off"
        assert message(path, content[:size]) == error
    assert "quantised model of fastText" in message(path, written(is_quantised=True))
    assert "pruned model of fastText" in message(path, written(num_pruned=2))
    assert "byte 4: is of version 11" in message(path, written(version=11))
    matrix = content.index(TABLE.tobytes())
    infinite = struct.pack("<f", np.nan)
    broken = content[: matrix + 12] + infinite + content[matrix + 16 :]
    assert message(path, broken) == "the vector of 'b': a number is NaN or infinite"
    sizes = content[: matrix - 16] + struct.pack("<2q", 9, 3) + content[matrix:]
    assert f"byte {matrix - 16}: expected a matrix (8, 3), got (9, 3)" in message(
        path, sizes
    )
    names = content[:92] + b"\xff" * 40 + content[132:]
    assert message(path, names).startswith("byte ")
