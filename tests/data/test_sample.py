"""The sample of the tagging tasks is rich, and annotated consistently."""

import collections
import itertools
from pathlib import Path
from typing import Any

from tests.helpers.typed import untyped
from zoo.tasks import data
from zoo.tasks.data import Source
from zoo.tasks.rows import SAMPLE
from zoo.text import tokenize

UPOS = set(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN".split()
    + "PUNCT SCONJ SYM VERB X".split()
)
# The tags that words of closed classes may have.
CLOSED = {
    "the": {"DET"},
    "a": {"DET"},
    "an": {"DET"},
    "and": {"CCONJ"},
    "or": {"CCONJ"},
    "of": {"ADP", "SCONJ"},
    "n't": {"PART"},
    "'s": {"PART", "AUX", "PRON", "VERB"},  # let 's, there 's
    "to": {"ADP", "PART"},
    "my": {"PRON"},
    "his": {"PRON"},
    "their": {"PRON"},
    "it": {"PRON"},
    "if": {"SCONJ"},
    "is": {"AUX", "VERB"},
    "would": {"AUX"},
    "can": {"AUX"},
    "must": {"AUX"},
    "with": {"ADP"},
    "than": {"ADP", "SCONJ"},
    "that": {"SCONJ", "PRON", "DET"},
    "not": {"PART"},
}


def rows_of(splits: data.Splits) -> list[dict[str, Any]]:
    """Return the rows of train, dev and test."""
    return [row for split in splits[:3] for row in untyped(split)]


def test_the_sample_is_rich_and_consistent(cache: Path) -> None:
    tagged = data.load(Source(), "tagged", sample=SAMPLE, cache_dir=cache)
    named = data.load(Source(), "entities", sample=SAMPLE, cache_dir=cache)
    topics = data.load(Source(), "labelled", sample=SAMPLE, cache_dir=cache)
    rows = rows_of(tagged)
    words = [word for row in rows for word in row["tokens"]]
    assert len(rows) >= 850
    assert len(words) >= 12_000
    assert len(set(words)) >= 4000
    assert len(set(topics.train["label"])) == 5
    for split in topics[:3]:
        label_counts = collections.Counter(split["label"])
        assert max(label_counts.values()) < 0.3 * len(split)
    entity_types = set()
    for row in rows_of(named):
        previous = "O"
        for tag in row["tags"]:
            assert tag[0] != "I" or previous[2:] == tag[2:], row
            entity_types.add(tag[2:])
            previous = tag
    assert entity_types == {"", "PER", "ORG", "LOC", "MISC"}
    for row in rows:
        for k, (word, tag) in enumerate(zip(row["tokens"], row["tags"], strict=True)):
            assert tag in UPOS, row
            assert tag in CLOSED.get(word.lower(), {tag}), row
            without_letters = not any(c.isalnum() for c in word)
            is_symbol = tag in ("PUNCT", "SYM") or word == "&"
            # The apostrophe of "the workers' wages" is a particle.
            is_symbol |= (word, tag) == ("'", "PART")
            assert is_symbol == without_letters, row
            next_tag = row["tags"][k + 1] if k + 1 < len(row["tags"]) else ""
            if word.lower() == "to" and next_tag in ("DET", "PRON", "PROPN", "NUM"):
                assert tag == "ADP", row
    for split in topics[:3]:
        for text in split["text"]:
            assert tokenize(text)


def test_no_two_sentences_of_the_sample_share_half_of_their_trigrams(
    cache: Path,
) -> None:
    tagged = data.load(Source(), "tagged", sample=SAMPLE, cache_dir=cache)
    trigrams = []
    for row in rows_of(tagged):
        words = [word.lower() for word in row["tokens"]]
        trigrams.append(set(zip(words, words[1:], words[2:], strict=False)))
    for first, second in itertools.combinations(trigrams, 2):
        if first and second:
            assert len(first & second) < 0.5 * min(len(first), len(second))
