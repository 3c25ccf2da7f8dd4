"""Each format of word vectors is detected from the content, and read exactly."""

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import vector_files
from tests.helpers.training import ROOT
from zoo.text import vectors
from zoo.text.vectors import VectorError, opening, text_rows, word2vec_binary

WORDS = ["the", "Paris", "naïve", "日本", "1984", "</s>", "a_b"]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
ZOO_DATA = Path(os.environ.get("ZOO_DATA") or ROOT.parent / "shared" / "data")


def path_of(folder: Path, name: str, *, packed: bool = False) -> Path:
    """Write WORDS and TABLE in a format; return the path, which does not name it."""
    path = folder / "vectors.xyz"
    vector_files.WRITERS[name][0](path, WORDS, TABLE)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", vector_files.WRITERS)
def test_read(tmp_path: Path, name: str, packed: bool) -> None:
    path = path_of(tmp_path, name, packed=packed)
    file = vectors.open_vectors(path)
    assert (file.format, file.dim) == (vector_files.WRITERS[name][1], 5)
    words, table, notes = vectors.read(path)
    assert (words, notes) == (WORDS, [])
    assert table.dtype == np.float32
    np.testing.assert_array_equal(table, TABLE)
    some = vectors.read(path, ["日本", "the", "absent"])
    assert some.words == ["the", "日本"]
    np.testing.assert_array_equal(some.table, TABLE[[0, 3]])
    first = vectors.read(str(path), limit=2)
    assert first.words == WORDS[:2]
    np.testing.assert_array_equal(first.table, TABLE[:2])


@pytest.mark.parametrize("name", vector_files.WRITERS)
def test_blocks_may_end_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = path_of(tmp_path, name)
    for size in (1, 7, 64):
        for module in (text_rows, word2vec_binary):
            monkeypatch.setattr(module, "_CHUNK", size)
        words, table, _ = vectors.read(path)
        assert words == WORDS
        np.testing.assert_array_equal(table, TABLE)


WORD = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=9)
NUMBER = st.floats(-1e3, 1e3, width=32)


@given(data=st.data())
@pytest.mark.parametrize("name", vector_files.WRITERS)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    dim = data.draw(st.integers(2, 4))
    words = data.draw(st.lists(WORD, min_size=1, max_size=5, unique=True))
    # A number is no word of a file without a header: its size could not be derived.
    words = [f"{word}w" for word in words]
    rows = st.lists(NUMBER, min_size=dim, max_size=dim)
    table = np.array(
        data.draw(st.lists(rows, min_size=len(words), max_size=len(words))), np.float32
    )
    path = tmp_path_factory.getbasetemp() / "round-trip"
    vector_files.WRITERS[name][0](path, words, table)
    result = vectors.read(path)
    assert result.words == list(dict.fromkeys(words))
    rows_of = [words.index(word) for word in result.words]
    np.testing.assert_array_equal(result.table, table[rows_of])


def test_words_with_spaces_tabs_and_odd_white_space(tmp_path: Path) -> None:
    path = tmp_path / "glove"
    lines = ["the 1 2 3", "at name@domain.com 4 5 6", ". . . 7 8 9", "5 1e-2 +.5 -1"]
    lines += [
        "tab\t1\t2\t3",
        "crlf 1 2 3\r",
        "two  1  2  3 ",
        "\xa0 9 9 9",
        " 1 1 1",
        "",
    ]
    path.write_text("\ufeff" + "\n".join(lines) + "\n", newline="")
    words, table, notes = vectors.read(path)
    assert words == [
        "the",
        "at name@domain.com",
        ". . .",
        "5",
        "tab",
        "crlf",
        "two",
        "\xa0",
    ]
    assert table.tolist()[:3] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    np.testing.assert_array_equal(table[3], np.array([0.01, 0.5, -1], np.float32))
    assert notes == ["lines without a word were skipped: 2"]


@pytest.mark.parametrize("header", [b"", b"3 2\n"])
def test_words_that_end_in_a_number(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "glove"
    path.write_bytes(header + b"Area 51 1 2\n7 3 4\nb 5 6\n")
    words, table, _ = vectors.read(path)
    assert words == ["Area 51", "7", "b"]
    assert table.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_the_first_of_equal_words_counts(tmp_path: Path) -> None:
    path = tmp_path / "glove"
    path.write_bytes(b"a 1 2\nb 3 4\na 5 6\nb\xff 7 8\nc\xff 9 9\n")
    words, table, notes = vectors.read(path)
    assert words == ["a", "b", "b\ufffd", "c\ufffd"]
    assert table[:, 0].tolist() == [1, 3, 7, 9]
    assert notes == [
        "2 words are not in UTF-8, first 'b\ufffd'; wrong bytes were replaced"
    ]


def test_a_file_without_a_last_line_end_may_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "glove"
    path.write_bytes(b"a 1 2\nb 3 4")
    assert vectors.read(path).notes == [
        "the last line has no line end: the file may be cut off"
    ]
    path.write_bytes(b"2 2\na 1 2\nb 3 4")  # has all words of its header
    assert vectors.read(path).notes == []


# The rows of n-grams that fastText 0.9.2 uses with 18 words and 64 buckets, for n-grams
# of 2 to 4 and of 1 to 3 characters; the first one is that of the word itself.
FASTTEXT_WORDS = (
    "</s> the naïve Дома #### 1984 été a Paris paris дом I sat 日本 cat ёлка"
)
FASTTEXT_WORDS += " mat on"
NGRAMS = {
    "cat": (
        [14, 26, 29, 63, 27, 25, 77, 26, 20, 57],
        [14, 26, 29, 36, 27, 25, 62, 26, 20, 53, 57],
    ),
    "ёлка": (
        [15, 47, 54, 36, 44, 30, 62, 76, 60, 78, 57, 45, 59],
        [15, 47, 54, 41, 44, 30, 46, 76, 60, 65, 57, 45, 63, 59],
    ),
    "日本": ([13, 65, 77, 49, 35, 79, 39], [13, 65, 77, 79, 35, 79, 27, 39]),
    "a": ([7, 64, 66, 40], [7, 64, 66, 62, 40]),
    "</s>": ([0], [0]),
}
NGRAMS_OF_UNKNOWN = {
    "cats": (
        [26, 29, 63, 27, 25, 46, 26, 51, 31, 66, 28, 70],
        [26, 29, 36, 27, 25, 62, 26, 51, 53, 66, 28, 20, 70],
    ),
    "日": ([65, 21, 75], [65, 21, 79, 75]),
    "é": ([37, 41, 63], [37, 41, 19, 63]),
}


@pytest.mark.parametrize("case, lengths", [(0, (2, 4)), (1, (1, 3))])
def test_fasttext_adds_up_ngrams(
    tmp_path: Path, case: int, lengths: tuple[int, int]
) -> None:
    path = tmp_path / "model"
    words = list(map(str, FASTTEXT_WORDS.split()))
    matrix = np.random.default_rng(1).normal(size=(18 + 64, 3)).astype(np.float32)
    shortest, longest = lengths
    vector_files.fasttext_binary(
        path, words, matrix, shortest=shortest, longest=longest, labels=["__label__x"]
    )
    result = vectors.read(path)
    assert result.words == words
    for word, rows in NGRAMS.items():
        expected = matrix[rows[case]].mean(axis=0)
        got = result.table[words.index(word)]
        np.testing.assert_allclose(got, expected, atol=1e-6)
    composed, has_parts = vectors.open_vectors(path).compose([*NGRAMS_OF_UNKNOWN, ""])
    for got, rows in zip(composed, NGRAMS_OF_UNKNOWN.values(), strict=False):
        np.testing.assert_allclose(got, matrix[rows[case]].mean(axis=0), atol=1e-6)
    # The marks alone are an n-gram of two characters.
    assert has_parts.tolist() == [True, True, True, True]


def test_fasttext_without_ngrams_composes_nothing(tmp_path: Path) -> None:
    path = path_of(tmp_path, "fastText")
    composed, has_parts = vectors.open_vectors(path).compose(["new"])
    assert not composed.any() and has_parts.tolist() == [False]


def test_navec_is_an_optional_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "navec"
    path.write_bytes(bytes(257) + b"ustar" + bytes(2000))
    monkeypatch.setitem(sys.modules, "navec", None)
    with pytest.raises(ImportError, match=r'navec: pip install "rnn-zoo\[vectors\]"'):
        vectors.open_vectors(path)


@pytest.mark.parametrize("packed", [False, True])
def test_navec(tmp_path: Path, packed: bool) -> None:
    navec: Any = pytest.importorskip("navec", reason="needs the extra vectors")
    words, counts = ["ёж", "да", "и", "<unk>", "<pad>"], [3, 20, 20, 0, 0]
    rng = np.random.default_rng(2)
    indexes = rng.integers(0, 4, (5, 2)).astype(np.uint8)
    codes = rng.normal(size=(2, 4, 3)).astype(np.float32)
    path = tmp_path / "archive"
    archive = navec.navec
    parts = archive.Vocab(words, counts), archive.PQ(5, 6, 2, 4, indexes, codes)
    navec.Navec(archive.Meta("test"), *parts).dump(path)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    file = vectors.open_vectors(path)
    assert (file.format, file.dim, file.size) == ("navec", 6, 5)
    result = vectors.read(path)
    assert result.words == ["да", "и", "ёж", "<unk>", "<pad>"]  # by their counts
    expected = np.concatenate(
        [codes[0][indexes[:, 0]], codes[1][indexes[:, 1]]], axis=1
    )
    np.testing.assert_array_equal(result.table, expected[[1, 2, 0, 3, 4]])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if packed else 1300])
    with pytest.raises(VectorError, match="navec|gzip"):
        vectors.open_vectors(path)


def test_other_archives_are_not_of_navec(tmp_path: Path) -> None:
    pytest.importorskip("navec", reason="needs the extra vectors")
    path = tmp_path / "archive"
    metas = [b"[]", b"3", b"\xff", b'{"id": 1, "protocol": 1}']
    for meta, vocab in [
        *((meta, b"") for meta in metas),
        (metas[-1], gzip.compress(b"")),
    ]:
        with tarfile.open(path, "w") as archive:
            for name, content in {"meta.json": meta, "vocab.bin": vocab}.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        with pytest.raises(VectorError, match="archive: is .* navec archive: "):
            vectors.open_vectors(path)


def test_google_news() -> None:
    folder = ZOO_DATA / "vectors" / "google_news"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set ZOO_DATA")
    (path,) = folder.glob("*.bin")
    words, table, notes = vectors.read(path, ["king", "queen", "man", "woman", "oslo"])
    assert opening.open_vectors(path).size == 26_423
    assert not notes and set(words) == {"king", "queen", "man", "woman"}
    np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1, atol=1e-5)
    of = dict(zip(words, table, strict=True))
    analogy = of["king"] - of["man"] + of["woman"]
    assert max(of, key=lambda w: of[w] @ analogy if w != "king" else -1) == "queen"
