"""Which vector of a file a word of a vocabulary gets, and which words are added."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import vector_files
from zoo.text.vectors import LookUp, look_up, open_vectors

FILE = "</s> PARIS Paris The the I pi iPhone 2008 1984 #### 7 x# Q4 zero".split()
TABLE = np.stack([np.arange(1, 16), np.ones(15)], axis=1).astype(np.float32)
TABLE[-1] = 0


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., LookUp]:
    """Return a function that looks words up in a file of FILE and TABLE."""
    path = tmp_path / "file"
    vector_files.glove(path, FILE, TABLE)
    return lambda words, **options: look_up(open_vectors(path), words, **options)


def written(result: LookUp) -> dict[str, tuple[str, str]]:
    """Return the word of FILE whose vector each word has, and how it was looked up."""
    return {
        word: (FILE[int(result.table[row, 0]) - 1], result.kind_of[word])
        for word, row in result.row_of.items()
    }


def test_the_order(search: Callable[..., LookUp]) -> None:
    words = ["paris", "Paris", "the", "THE", "i", "iphone", "Pi", "new"]
    assert written(search(words)) == {
        "paris": ("PARIS", "case"),  # the first in the file
        "Paris": ("Paris", "exact"),  # although it comes later
        "the": ("the", "exact"),
        "THE": ("The", "case"),
        "i": ("I", "case"),
        "iphone": ("iPhone", "case"),
        "Pi": ("pi", "case"),
    }


def test_digits(search: Callable[..., LookUp]) -> None:
    assert written(search(["1984", "2001", "7", "8", "x3", "q4", "12"])) == {
        "1984": ("1984", "exact"),
        "2001": ("####", "digits"),
        "7": ("7", "exact"),
        "q4": ("Q4", "case"),
    }
    # A vocabulary whose digits are 0.
    assert written(search(["0000", "0", "q0", "x0", "00"], digits=True)) == {
        "0000": ("2008", "digits"),  # the first of 2008, 1984, ####
        "0": ("7", "digits"),
        "q0": ("Q4", "digits"),
    }


def test_more_words_in_the_order_of_the_file(search: Callable[..., LookUp]) -> None:
    result = search(["the", "new"], num_more=3)
    assert result.more == ["PARIS", "Paris", "The"] and result.is_limited
    assert written(result)["Paris"] == ("Paris", "exact")
    result = search(["the"], num_more=99, normalize=str.lower)
    assert result.more == "paris i pi iphone 2008 1984 #### 7 x# q4".split()
    assert not result.is_limited
    assert result.notes == ["words with a vector of zeros were skipped: 1"]
    assert result.counts(["the", "paris", "absent"]) == {"exact": 1, "case": 1}
    assert len(result.table) == len(result.row_of) == 11
    # What can be no word of the vocabulary is not counted.
    result = search(["the"], num_more=2, normalize=lambda w: w if w.islower() else None)
    assert result.more == ["pi", "x#"]


def test_no_words(search: Callable[..., LookUp]) -> None:
    result = search([])
    assert result.table.shape == (0, 2) and not result.row_of and not result.more


def test_ngrams_come_last(tmp_path: Path) -> None:
    path = tmp_path / "file"
    matrix = np.random.default_rng(0).normal(size=(2 + 30, 4)).astype(np.float32)
    vector_files.fasttext_binary(path, ["Cat", "dog"], matrix, shortest=3, longest=6)
    file = open_vectors(path)
    result = look_up(file, ["cat", "dog", "dogs"])
    assert result.kind_of == {"cat": "case", "dog": "exact", "dogs": "n-grams"}
    expected, _ = file.compose(["dogs"])
    np.testing.assert_array_equal(result.table[result.row_of["dogs"]], expected[0])
