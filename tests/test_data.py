"""Data by their paths: the real corpora, shares, the cache, and the sample."""

import collections
import itertools
import os
from pathlib import Path

import datasets
import pytest

from tasks import data
from tasks.data import DataError, Source, from_features
from tasks.formats import FormatError, Options
from tasks.rows import SAMPLE
from zoo.text import tokenize

DATA = Path(os.environ.get("ZOO_DATA", Path(__file__).parents[2] / "shared" / "data"))
corpora = pytest.mark.skipif(
    not (DATA / "pos").is_dir(), reason="no corpora: ZOO_DATA names their folder"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache that ends with the tests."""
    return tmp_path_factory.mktemp("arrow")


def load(cache, kind, spec, **flags):
    """Load a corpus by its path below the folder of corpora."""
    flags = {k: tuple(str(DATA / f) for f in v) for k, v in flags.items()}
    return data.load(Source(str(DATA / spec), **flags), kind, cache_dir=cache)


def counts(rows):
    """Return the numbers of sentences, words and entities."""
    begun = sum(tag.startswith("B-") for row in rows for tag in row["tags"])
    return len(rows), sum(len(row["tokens"]) for row in rows), begun


@corpora
@pytest.mark.parametrize(
    ("kind", "spec", "flags", "expected"),
    [
        (
            "tagged",
            "pos/en_ewt",
            {},
            [(12544, 204577, 0), (2001, 25147, 0), (2077, 25094, 0)],
        ),
        (
            "tagged",
            "pos/ru_grameval",
            {
                "train_file": ["pos/ru_grameval/*train*", "pos/ru_grameval/*gold*"],
                "test_file": ["pos/ru_gsd/ru_gsd-ud-test.conllu"],
            },
            [(4414, 56172, 0), (211, 3041, 0), (601, 11385, 0)],
        ),
        (
            "entities",
            "ner/conll2003",
            {},
            [(14041, 203621, 23499), (3250, 51362, 5942), (3453, 46435, 5648)],
        ),
        (
            "entities",
            "ner/wnut17",
            {},
            [(3394, 62730, 1975), (1009, 15733, 836), (1287, 23394, 1079)],
        ),
    ],
)
def test_tagged_corpora(cache, kind, spec, flags, expected):
    splits = load(cache, kind, spec, **flags)
    assert [counts(rows) for rows in splits[:3]] == expected


@corpora
def test_corpora_without_a_dev_split(cache):
    splits = load(cache, "entities", "ner/ru_factrueval")
    parts = [counts(splits.train), counts(splits.dev)]
    assert [sum(n) for n in zip(*parts, strict=True)] == [1769, 30940, 2420]
    assert counts(splits.test) == (3138, 59382, 4582)
    assert "176 rows of train are used, drawn with seed 0" in splits.notes[0]
    gsd = Source(str(DATA / "pos/ru_gsd"))
    assert counts(data.read(gsd, "tagged", "dev", cache_dir=cache)) == (579, 11709, 0)
    with pytest.raises(DataError, match="no training data: found only dev .579"):
        data.load(gsd, "tagged", cache_dir=cache)


@corpora
@pytest.mark.parametrize(
    ("spec", "sizes", "labels"),
    [
        ("classification/sst2", (6920, 872, 1821), 2),
        ("classification/sst5", (8544, 1101, 2210), 5),
        ("classification/ag_news/train_5k.csv", (4000, 500, 500), 4),
        ("classification/ag_news/test.csv", (6080, 760, 760), 4),
    ],
)
def test_labelled_corpora(cache, spec, sizes, labels):
    splits = load(cache, "labelled", spec)
    assert tuple(map(len, splits[:3])) == sizes
    assert len(set(splits.train["label"])) == labels
    assert min(len(text) for text in splits.test["text"]) > 1


@corpora
def test_names_are_split_by_name(cache):
    splits = load(cache, "labelled", "classification/names")
    assert sum(map(len, splits[:3])) == 20050
    assert len(set(splits.train["label"])) == 18
    for one, other in itertools.combinations(splits[:3], 2):
        assert not set(one["text"]) & set(other["text"])


@corpora
@pytest.mark.parametrize(
    ("spec", "sizes"),
    [
        ("charlm/tiny_shakespeare", (1003854, 111540)),
        ("charlm/russian", (1418861, 157652)),
        ("charlm/ptb/ptb.char.*.txt", (10034965, 786085)),
        ("charlm/ptb/ptb.[tv]*.txt", (5101618, 399782)),
    ],
)
def test_texts(cache, spec, sizes):
    splits = load(cache, "text", spec)
    assert (
        sum(map(len, splits.train["text"])),
        sum(map(len, splits.dev["text"])),
    ) == sizes


@corpora
def test_a_text_is_cut_by_position(cache):
    splits = load(cache, "text", "charlm/tiny_shakespeare/input.txt")
    text = (DATA / "charlm/tiny_shakespeare/input.txt").read_text()
    assert "".join(splits.train["text"]) == text[:1003854]
    assert "".join(splits.dev["text"]) == text[1003854:]
    assert "".join(splits.test["text"]) == text[1003854:]


def test_an_edited_file_is_read_anew(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("".join(f"good {k}\t1\nbad {k}\t0\n" for k in range(20)))
    source = Source(str(path))
    first = data.load(source, "labelled", cache_dir=tmp_path / "cache")
    assert {text.split()[0] for text in first.train["text"]} == {"good", "bad"}
    path.write_text(path.read_text().replace("good", "fine"))
    again = data.load(source, "labelled", cache_dir=tmp_path / "cache")
    assert {text.split()[0] for text in again.train["text"]} == {"fine", "bad"}


def test_shares_are_drawn_by_the_seed_and_keep_equal_texts_together(tmp_path):
    path = tmp_path / "all.tsv"
    lines = [f"text {k % 70}\t{k % 2}\n" for k in range(200)]
    path.write_text("".join(lines))

    def drawn(seed):
        return data.load(Source(str(path)), "labelled", seed=seed, cache_dir=tmp_path)

    assert drawn(1).test["text"] == drawn(1).test["text"]
    assert drawn(1).test["text"] != drawn(2).test["text"]
    assert sum(map(len, drawn(1)[:3])) == 200
    for one, other in itertools.combinations(drawn(1)[:3], 2):
        assert not set(one["text"]) & set(other["text"])


def test_errors_tell_what_to_do(tmp_path):
    (tmp_path / "train.conllu").write_text("1\ta\tb\n")
    (tmp_path / "dev.conllu").write_text("")

    def loading(kind="tagged", **flags):
        return data.load(Source(**flags), kind, cache_dir=tmp_path / "cache")

    with pytest.raises(FormatError, match=r"train\.conllu, line 1: expected ten"):
        loading(data=str(tmp_path))
    with pytest.raises(DataError, match=r"no such file.*trian.*holds.*train\.conllu"):
        loading(data=str(tmp_path / "trian.conllu"))
    with pytest.raises(DataError, match="--format must be one of conllu, .* 'conl'"):
        loading(data=str(tmp_path), format="conl")
    good = CONLLU_WORD + "\n" + CONLLU_WORD
    (tmp_path / "train.conllu").write_text(good)
    with pytest.raises(DataError, match="the dev split is empty"):
        loading(
            train_file=(str(tmp_path / "train.conllu"),),
            dev_file=(str(tmp_path / "dev.conllu"),),
            test_file=(str(tmp_path / "train.conllu"),),
        )
    (tmp_path / "ner.conll").write_text("a O\nb B-X\n\nc O\nd I-X\n")
    with pytest.raises(FormatError, match=r"ner\.conll, line 4: word 2 of this"):
        loading("entities", data=str(tmp_path / "ner.conll"))


CONLLU_WORD = "1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n"


def test_hub_columns_by_their_features():
    rows = datasets.Dataset.from_dict(
        {
            "id": ["1"],
            "tokens": [["Bonn", "is"]],
            "pos": [[0, 1]],
            "ner_tags": [[1, 0]],
        },
        features=datasets.Features(
            {
                "id": datasets.Value("string"),
                "tokens": datasets.List(datasets.Value("string")),
                "pos": datasets.List(datasets.ClassLabel(names=["N", "V"])),
                "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "I-LOC"])),
            }
        ),
    )
    assert from_features(rows, Options("entities"))[0] == {
        "tokens": ["Bonn", "is"],
        "tags": ["B-LOC", "O"],
    }
    found = from_features(rows, Options("tagged", tag_column="pos"))
    assert found[0]["tags"] == ["N", "V"]
    with pytest.raises(DataError, match="expected a column of labels"):
        from_features(rows, Options("labelled", label_column="stars"))
    rated = datasets.Dataset.from_dict(
        {"text": ["fine"], "label": [1]},
        features=datasets.Features(
            {
                "text": datasets.Value("string"),
                "label": datasets.ClassLabel(names=["neg", "pos"]),
            }
        ),
    )
    assert from_features(rated, Options("labelled"))[0] == {
        "text": "fine",
        "label": "pos",
    }


UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
UPOS = set(UPOS.split())
# What words of the closed classes may be.
CLOSED = {
    "the": {"DET"},
    "a": {"DET"},
    "an": {"DET"},
    "and": {"CCONJ"},
    "or": {"CCONJ"},
    "of": {"ADP", "SCONJ"},
    "n't": {"PART"},
    "'s": {"PART", "AUX"},
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


def test_the_sample_is_rich_and_consistent(cache):
    tagged = data.load(Source(), "tagged", sample=SAMPLE, cache_dir=cache)
    named = data.load(Source(), "entities", sample=SAMPLE, cache_dir=cache)
    topics = data.load(Source(), "labelled", sample=SAMPLE, cache_dir=cache)
    rows = [row for split in tagged[:3] for row in split]
    words = [word for row in rows for word in row["tokens"]]
    assert len(rows) >= 500
    assert len(words) >= 6000
    assert len(set(words)) >= 2000
    assert len(set(topics.train["label"])) == 5
    for split in topics[:3]:
        shares = collections.Counter(split["label"])
        assert max(shares.values()) < 0.3 * len(split)
    entity_types = set()
    for row in (row for split in named[:3] for row in split):
        before = "O"
        for tag in row["tags"]:
            assert tag[0] != "I" or before[2:] == tag[2:], row
            entity_types.add(tag[2:])
            before = tag
    assert entity_types == {"", "PER", "ORG", "LOC", "MISC"}
    for row in rows:
        for k, (word, tag) in enumerate(zip(row["tokens"], row["tags"], strict=True)):
            assert tag in UPOS, row
            assert tag in CLOSED.get(word.lower(), {tag}), row
            without_letters = not any(c.isalnum() for c in word)
            assert (tag in ("PUNCT", "SYM") or word == "&") == without_letters, row
            follows = row["tags"][k + 1] if k + 1 < len(row["tags"]) else ""
            if word.lower() == "to" and follows in ("DET", "PRON", "PROPN", "NUM"):
                assert tag == "ADP", row
    for split in topics[:3]:
        for text in split["text"]:
            assert tokenize(text)


def test_no_two_sentences_of_the_sample_share_half_of_their_trigrams(cache):
    tagged = data.load(Source(), "tagged", sample=SAMPLE, cache_dir=cache)
    grams = []
    for row in (row for split in tagged[:3] for row in split):
        words = [word.lower() for word in row["tokens"]]
        grams.append(set(zip(words, words[1:], words[2:], strict=False)))
    for one, other in itertools.combinations(grams, 2):
        if one and other:
            assert len(one & other) < 0.5 * min(len(one), len(other))
