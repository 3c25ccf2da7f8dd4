"""Numbered units, and the vocabularies counted from them, are those of a plain loop."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.text import Subwords, Text, Vocabulary, Words, tokenize
from zoo.text.numbering import Numbering
from zoo.text.tokenizer import TOKENIZERS, RepeatedTokenizer

ASCII = st.text(
    st.sampled_from("ab1 .@-+_'’:/)D\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\0~\x7f"), max_size=30
)
TEXTS = st.lists(
    st.one_of(ASCII, st.text(max_size=12), st.text("ab e\u0301É\u0130Σ", max_size=12)),
    max_size=6,
)


def units_of(numbering: Numbering, rows: list[str]) -> list[list[str]]:
    """Return the units of rows, numbered in two blocks."""
    half = len(rows) // 2
    parts = [numbering(rows[:half]), numbering(rows[half:])]
    ids, lengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    assert len(lengths) == len(rows) and lengths.sum() == len(ids)
    units = [numbering.units[k] for k in ids]
    ends = np.cumsum(lengths)
    return [units[end - n : end] for n, end in zip(lengths, ends, strict=True)]


@pytest.mark.parametrize("name", TOKENIZERS)
@given(texts=st.lists(ASCII, max_size=4))
@example(texts=["http://a\x1cb@c.d", "a@b.c\x1fd", ":-D.a@b.c U.S. don't a\x1c\x1d"])
@settings(max_examples=300, deadline=None)
def test_parts_have_the_tokens_of_the_whole(name: str, texts: list[str]) -> None:
    repeated = RepeatedTokenizer(name)
    for text in [*texts, *texts, "".join(texts), " ".join(texts)]:
        assert repeated(text) == tokenize(text, name)


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize(
    "units", ["words", "words-1", "whitespace", "chars", "symbols"]
)
@given(texts=TEXTS)
@settings(max_examples=60, deadline=None)
def test_units_and_vocabularies(lowercase: bool, units: str, texts: list[str]) -> None:
    tokenizer = {"words": "words-2"}.get(units, units)
    of_words = tokenizer in TOKENIZERS
    text = Text(
        Vocabulary([]),
        "words" if of_words else units,
        lowercase=lowercase,
        tokenizer=tokenizer if of_words else "words-2",
    )
    expected = [text.split(row) for row in texts]
    numbering = text.numbering()
    assert units_of(numbering, texts) == expected
    # In the order of the first occurrence, each once.
    first = dict.fromkeys(unit for row in expected for unit in row)
    assert numbering.units == list(first)
    tokens = [unit for row in expected for unit in row]
    for min_count, max_size in ((1, None), (2, None), (1, 3), (2, 2)):
        limits = {"min_count": min_count, "max_size": max_size}
        built = Vocabulary.build(tokens, marks=True, **limits)
        counts = {unit: tokens.count(unit) for unit in reversed(first)}
        counted = Vocabulary.from_counts(counts, marks=True, **limits)
        assert counted.to_json() == built.to_json()
        ranked = sorted(Counter(tokens).items(), key=lambda item: (-item[1], item[0]))
        kept = [unit for unit, count in ranked if count >= min_count][:max_size]
        assert built.tokens[4:] == kept


@given(texts=TEXTS)
@settings(max_examples=60, deadline=None)
def test_subwords(texts: list[str]) -> None:
    subwords = Subwords.train(["low lower newest a b", ["widest É"]], 60)
    for lowercase in (False, True):
        text = Text(Vocabulary([]), "bpe", lowercase=lowercase, subwords=subwords)
        assert units_of(text.numbering(), texts) == [text.split(t) for t in texts]


@given(sentences=st.lists(st.lists(st.text("aB1é", min_size=1, max_size=3))))
@settings(max_examples=60, deadline=None)
def test_vocabularies_of_words(sentences: list[list[str]]) -> None:
    for digits, min_count, max_size in ((True, 1, None), (False, 2, 3)):
        words = Words.build(
            sentences, digits=digits, min_count=min_count, max_size=max_size
        )
        flat = [word for sentence in sentences for word in sentence]
        normalized = Vocabulary.build(
            map(words.normalize, flat), min_count=min_count, max_size=max_size
        )
        assert words.words.to_json() == normalized.to_json()
        assert words.chars.to_json() == Vocabulary.build("".join(flat)).to_json()


def test_the_rules_of_a_text_name_its_options() -> None:
    texts = [
        Text(Vocabulary([])),
        Text(Vocabulary([]), lowercase=True),
        Text(Vocabulary([]), tokenizer="whitespace"),
        Text(Vocabulary([]), "chars"),
        Text.build(["low lower"], "bpe", max_size=9),
        Text.build(["low lower"], "bpe", max_size=8),
    ]
    assert len({text.rules() for text in texts}) == len(texts)
    assert texts[0].rules() == Text.build(["other words"]).rules()
