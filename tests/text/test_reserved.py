"""Texts and labels that contain the names of reserved tokens."""

import pytest

from zoo.text import BEGIN, END, PAD, UNK, Text, Vocabulary, Words

MARKS = f"{PAD} {UNK} {BEGIN} {END}"


@pytest.mark.parametrize("units", ["symbols", "bpe"])
def test_a_text_never_has_a_reserved_token(units: str) -> None:
    text = Text.build([f"a {MARKS} b {MARKS}"] * 3, units, marks=True)
    assert text.vocabulary.tokens[:4] == [PAD, UNK, BEGIN, END]
    assert [text.vocabulary.number(mark) for mark in (BEGIN, END)] == [2, 3]
    ids = text.encode(f"a {MARKS}")
    assert ids.min() >= 4
    assert text.join(text.vocabulary.decode(ids)) == f"a {MARKS}"
    loaded = Text.from_json(text.to_json())
    assert loaded.encode(f"a {MARKS}").tolist() == ids.tolist()
    assert loaded.vocabulary == text.vocabulary
    other = Text.build(["a b"], units, marks=True)
    assert set(other.encode(UNK).tolist()) == {other.vocabulary.unknown}
    assert set(other.encode(END).tolist()) == {other.vocabulary.unknown}


def test_words_of_a_sentence() -> None:
    words = Words.build([["a", PAD], [UNK, PAD]])
    assert words.words.tokens == [PAD, UNK, PAD, UNK, "a"]
    assert words.encode([PAD, "new", UNK])["words"].tolist() == [2, 1, 3]


def test_labels() -> None:
    labels = Vocabulary(sorted([PAD, UNK, "x"]), reserved=0)
    assert labels.unknown is None
    assert labels.encode([UNK, PAD]).tolist() == [1, 0]
    assert Vocabulary(**labels.to_json()).encode([UNK, PAD]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="'new' is not in the vocabulary"):
        labels.encode(["new"])


def test_older_vocabularies() -> None:
    saved = {"tokens": [PAD, UNK, BEGIN, END, "a"], "counts": [0] * 5}
    vocabulary = Vocabulary(**saved)
    assert vocabulary.reserved == 4
    assert vocabulary.encode(["a", END, "b"]).tolist() == [4, 1, 1]
    assert Vocabulary(["no", "yes"]).reserved == 0
    with pytest.raises(ValueError, match="got '<unk>' twice"):
        Vocabulary([UNK, UNK], reserved=2)
