"""Tokenizers, vocabularies, encoders and padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.text import BEGIN, END, PAD, UNK, Text, Vocabulary, Words, pad, shape, tokenize
from zoo.text.subwords import UNKNOWN
from zoo.text.tokenizer import TOKENIZERS


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't panic, it's 5.30!", "Do n't panic , it 's 5.30 !"),
        ("I can't; they won't... (yet)", "I ca n't ; they wo n't ... ( yet )"),
        ("Mr. O'Neil's well-known dog", "Mr. O'Neil 's well - known dog"),
        (
            "See www.foo.com/bar or a.b@c.org :-)",
            "See www.foo.com/bar or a.b@c.org :-)",
        ),
        ("From the U.S. for $30, 20%", "From the U.S. for $ 30 , 20 %"),
        ("«Да», — сказал он.", "« Да » , — сказал он ."),
        ("already do n't split", "already do n't split"),
    ],
)
def test_tokenize(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split()


@given(st.text())
def test_tokenize_keeps_every_character(text: str) -> None:
    for tokenizer in TOKENIZERS:
        assert "".join(tokenize(text, tokenizer)) == "".join(text.split())


def test_shapes() -> None:
    words = ["dog", "Dog", "NATO", "I", "McKay", "1,984", "B2", "..."]
    assert [shape(word) for word in words] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_vocabulary_is_sorted_by_count_then_by_token() -> None:
    vocabulary = Vocabulary.build("b a c a b a d".split(), min_count=1, max_size=3)
    assert vocabulary.tokens == [PAD, UNK, "a", "b", "c"]
    assert vocabulary.counts == [0, 1, 3, 2, 1]
    assert vocabulary.encode(["a", "d", "new"]).tolist() == [2, 1, 1]
    assert vocabulary.decode([3, 2]) == ["b", "a"]
    labels = Vocabulary.build(["x", "y"], special=False)
    assert labels.encode(["y", "x"]).tolist() == [1, 0]
    with pytest.raises(
        ValueError, match="'z' is not in the vocabulary of 2 tokens: x, y"
    ):
        labels.encode(["z"])
    with pytest.raises(ValueError, match="got 'x' twice"):
        Vocabulary(["x", "y", "x"])


def test_shapes_and_characters_keep_case_and_digits() -> None:
    words = Words.build([["The", "1999", "cats"], ["the", "cat"]], digits=True)
    assert words.words.tokens[2:] == ["the", "0000", "cat", "cats"]
    arrays = words.encode(["THE", "2024", "dog"])
    assert arrays["words"].tolist() == [2, 3, 1]
    assert arrays["shapes"].tolist() == [3, 6, 1]
    assert words.chars.decode(arrays["chars"][0][:3]) == ["T", UNK, UNK]
    loaded = Words.from_json(words.to_json())
    assert (loaded.encode(["Cats"])["chars"] == words.encode(["Cats"])["chars"]).all()


def test_long_words_keep_their_first_and_last_characters() -> None:
    words = Words.build([list("abcdefghij")], max_chars=4)
    chars = words.encode(["abcdefghij"])["chars"][0]
    assert words.chars.decode(chars) == ["a", "b", "i", "j"]


@pytest.mark.parametrize("units", Text.UNITS)
def test_text_round_trip(units: str) -> None:
    text = Text.build(["a b  c \n"], units)
    ids = text.encode("a b c")
    assert text.join(text.vocabulary.decode(ids)) == "a b c"
    assert (Text.from_json(text.to_json()).encode("b z") == text.encode("b z")).all()


@given(st.text(st.characters(exclude_characters="▁", codec="utf-8")))
def test_bpe_round_trip(text: str) -> None:
    corpus = [text, "the cat  sat on the mat", "the mats"]
    encoder = Text.build(corpus, "bpe", max_size=60 + len(set(text)))
    assert encoder.join(encoder.split(text)) == text
    assert UNKNOWN not in encoder.split(text)


def test_bpe_merges_frequent_pairs() -> None:
    encoder = Text.build(["low low lower newest newest newest"], "bpe", max_size=20)
    pieces = encoder.split("lowest newest")
    assert "".join(pieces) == "lowest▁newest"
    assert "▁newest" in pieces
    assert len(encoder.vocabulary) <= 20 + 1  # and padding
    assert encoder.split("low z") == ["low", "▁", UNKNOWN]
    assert encoder.encode("z").tolist() == [encoder.vocabulary.unknown]


def test_begin_and_end_tokens() -> None:
    text = Text.build(["b a"], "symbols", marks=True)
    assert text.vocabulary.tokens == [PAD, UNK, BEGIN, END, "a", "b"]
    assert (text.vocabulary.number(BEGIN), text.vocabulary.number(END)) == (2, 3)


def test_pad() -> None:
    rows = [
        {"words": np.array([5, 6], np.int32), "label": np.asarray(3)},
        {"words": np.array([7], np.int32), "label": np.asarray(4)},
    ]
    batch = pad(rows, 3, 4)
    assert batch["words"].tolist() == [[5, 6, 0], [7, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert batch["mask"].sum(axis=1).tolist() == [2, 1, 0, 0]
    assert batch["label"].tolist() == [3, 4, 0, 0]
