"""Real corpora load with the flags of docs/data.md, and have their published sizes."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import datasets
import pytest
import tyro

from tests.helpers.typed import present
from zoo.tasks.data import DataError, Kind, Source, files, load, read
from zoo.tasks.data.formats import schemes
from zoo.tasks.data.splits import labels as labels_of

ROOT = Path(__file__).parents[2]
ZOO_DATA = Path(os.environ.get("ZOO_DATA") or ROOT.parent / "shared" / "data")
pytestmark = pytest.mark.skipif(
    not ZOO_DATA.is_dir(), reason=f"no corpora in {ZOO_DATA}: set ZOO_DATA"
)


def paths(*names: str) -> tuple[str, ...]:
    """Return the paths of corpora."""
    return tuple(str(ZOO_DATA / name) for name in names)


def corpus(name: str, **flags: Any) -> Source:
    """Return a corpus as a source of data.

    Args:
        name: of its file or folder.
        **flags: of the source.
    """
    return Source(str(ZOO_DATA / name), **flags)


def counts(rows: datasets.Dataset, kind: Kind) -> tuple[int, ...]:
    """Return the sizes of a split: characters, or rows, tokens and entities."""
    if kind == "text":
        return (sum(map(len, rows["text"])),)
    if kind == "labelled":
        return (len(rows),)
    tokens = sum(map(len, rows["tokens"]))
    if kind == "tagged":
        return len(rows), tokens
    return len(rows), tokens, sum(len(schemes.entities(t)) for t in rows["tags"])


COUNTS = {
    "pos/en_ewt": ((12_544, 204_577), (2_001, 25_147), (2_077, 25_094)),
    "ner/conll2003": (
        (14_041, 203_621, 23_499),
        (3_250, 51_362, 5_942),
        (3_453, 46_435, 5_648),
    ),
    "ner/wnut17": (
        (3_394, 62_730, 1_975),
        (1_009, 15_733, 836),
        (1_287, 23_394, 1_079),
    ),
    "classification/sst2": ((6_920,), (872,), (1_821,)),
    "classification/sst5": ((8_544,), (1_101,), (2_210,)),
}
KINDS: dict[str, Kind] = {
    "pos": "tagged",
    "ner": "entities",
    "classification": "labelled",
    "charlm": "text",
    "seq2seq": "pairs",
}


@pytest.mark.parametrize("name", COUNTS)
def test_corpora_with_three_files(name: str, cache: Path) -> None:
    kind = KINDS[name.split("/")[0]]
    splits = load(corpus(name), kind, cache_dir=cache)
    assert tuple(counts(rows, kind) for rows in splits[:3]) == COUNTS[name]


def test_russian_tagging(cache: Path) -> None:
    grameval = "pos/ru_grameval/"
    source = Source(
        train_file=paths(grameval + "*train*", grameval + "*gold*"),
        dev_file=paths(grameval + "*dev*"),
        test_file=paths("pos/ru_gsd/*test*"),
    )
    splits = load(source, "tagged", cache_dir=cache)
    assert [counts(rows, "tagged") for rows in splits[:3]] == [
        (4_414, 56_172),
        (58 + 88 + 65, 1_009 + 1_028 + 1_004),
        (601, 11_385),
    ]
    dev = read(corpus("pos/ru_gsd"), "tagged", "dev", cache_dir=cache).rows
    assert counts(dev, "tagged") == (579, 11_709)
    assert len(labels_of(dev)) == 16
    with pytest.raises(DataError, match="nothing to train on, only dev, test"):
        load(corpus("pos/ru_gsd"), "tagged", cache_dir=cache)


def test_russian_entities(cache: Path) -> None:
    splits = load(corpus("ner/ru_factrueval"), "entities", cache_dir=cache)
    parts = [counts(rows, "entities") for rows in splits[:2]]
    assert tuple(map(sum, zip(*parts, strict=True))) == (1_769, 30_940, 2_420)
    assert counts(splits.test, "entities") == (3_138, 59_382, 4_582)
    assert any("no dev file: 10 %" in note for note in splits.notes)


def test_contents_of_the_corpora(cache: Path) -> None:
    sst2 = load(corpus("classification/sst2"), "labelled", cache_dir=cache)
    assert [list(rows["label"]).count("1") for rows in sst2[:3]] == [3_610, 444, 909]
    conll = load(corpus("ner/conll2003"), "entities", cache_dir=cache)
    for rows in conll[:3]:
        assert labels_of(rows) == {"O"} | {
            f"{p}-{t}" for p in "BI" for t in ("PER", "ORG", "LOC", "MISC")
        }
    assert "IOB1, converted to BIO2" in conll.notes[0]
    ewt = read(corpus("pos/en_ewt"), "tagged", "train", cache_dir=cache).rows
    assert sum(tokens.count("_") for tokens in ewt["tokens"]) == 5
    assert len(labels_of(ewt)) == 17
    xpos = corpus("pos/en_ewt", tag_column="xpos")
    assert len(labels_of(read(xpos, "tagged", "train", cache_dir=cache).rows)) == 49
    wnut = read(corpus("ner/wnut17"), "entities", "dev", cache_dir=cache).rows
    words = [token for tokens in wnut["tokens"] for token in tokens]
    assert sum("\ufeff" in word for word in words) == 1
    assert sum("\u200b" in word for word in words) == 1


def test_news(cache: Path) -> None:
    folder = "classification/ag_news"
    splits = load(corpus(f"{folder}/train_5k.csv"), "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [4_000, 500, 500]
    labels = [label for rows in splits[:3] for label in rows["label"]]
    assert [labels.count(k) for k in "0123"] == [1_259, 1_257, 1_281, 1_203]
    source = corpus(f"{folder}/test.csv")
    test = read(source, "labelled", "test", cache_dir=cache).rows
    assert [list(test["label"]).count(k) for k in "1234"] == [1_900] * 4
    assert test[0]["text"].startswith("Fears for T N pension after talks Unions")
    with pytest.raises(DataError, match="test has the label '4', which train lacks"):
        load(corpus(folder), "labelled", cache_dir=cache)


def test_names(cache: Path) -> None:
    source = corpus("classification/names")
    splits = load(source, "labelled", cache_dir=cache)
    assert sum(len(rows) for rows in splits[:3]) == 20_050
    assert len(labels_of(splits.train)) == 18
    assert list(splits.train["label"]).count("Russian") > 7_000
    train, dev, test = (set(rows["text"]) for rows in splits[:3])
    assert not train & dev and not train & test and not dev & test
    labels = list(read(source, "labelled", "train", cache_dir=cache).rows["label"])
    assert [labels.count(k) for k in ("Vietnamese", "Russian")] == [73, 9_384]


def test_texts(cache: Path) -> None:
    source = corpus("charlm/tiny_shakespeare")
    splits = load(source, "text", cache_dir=cache)
    train, dev = "".join(splits.train["text"]), "".join(splits.dev["text"])
    path = ZOO_DATA / "charlm" / "tiny_shakespeare" / "input.txt"
    assert train + dev == path.read_bytes().decode()
    assert (len(train), len(train + dev)) == (int(0.9 * 1_115_394), 1_115_394)
    assert len(set(train + dev)) == 65

    splits = load(corpus("charlm/ptb/ptb.[tv]*.txt"), "text", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [42_068, 3_370, 3_761]
    words = [sum(len(text.split()) for text in rows["text"]) for rows in splits[:3]]
    assert words == [887_521, 70_390, 78_669]

    splits = load(corpus("charlm/ptb/ptb.char.*"), "text", cache_dir=cache)
    spaces = [sum(text.count(" ") for text in rows["text"]) for rows in splits[:3]]
    assert spaces == [5_017_482, 393_042, 442_423]  # one after each symbol

    novels = read(corpus("charlm/russian"), "text", "train", cache_dir=cache).rows
    assert counts(novels, "text") == (1_076_543 + 355_913 + 144_057,)
    novel = corpus("charlm/russian/EugeneOnegin.txt")
    assert counts(read(novel, "text", "train", cache_dir=cache).rows, "text") == (
        144_057,
    )


def pairs(name: str, **flags: str) -> Source:
    """Return the source of a corpus of pairs."""
    return corpus(f"seq2seq/{name}", **flags)


def test_pronunciations(cache: Path) -> None:
    source = corpus(
        "seq2seq/g014b2b/g014b2b.train",
        test_file=paths("seq2seq/g014b2b/g014b2b.ref"),
    )
    splits = load(source, "pairs", cache_dir=cache)
    train, dev, test = (set(rows["source"]) for rows in splits[:3])
    assert len(splits.train) + len(splits.dev) == 113_438
    assert (len(train | dev), len(dev), len(test)) == (106_837, 10_684, 12_000)
    assert not train & dev and not (train | dev) & test
    assert len(splits.test) == 12_000
    assert sum(len(targets) > 1 for targets in splits.test["targets"]) == 673
    phones = set()
    for rows in splits[:3]:
        for targets in rows["targets"]:
            phones.update(*map(str.split, targets))
    assert len(phones) == 39
    assert len(set().union(*train, *dev, *test)) == 27

    source = pairs("cmudict/cmudict.dict")
    rows = read(source, "pairs", "train", cache_dir=cache).rows
    assert (len(rows), len(set(rows["source"]))) == (135_166, 126_052)
    assert len({p for (target,) in rows["targets"] for p in target.split()}) == 69
    assert not any(set("#()") & set(word) for word in rows["source"])


@pytest.mark.parametrize(
    ("language", "words", "longest"), [("de", 18_722, 44), ("fr", 11_219, 50)]
)
def test_translations(cache: Path, language: str, words: int, longest: int) -> None:
    flags = {"source_column": language, "target_column": "en"}
    source = pairs("multi30k", **flags)
    splits = load(source, "pairs", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [29_000, 1_014, 2_000]
    assert len({w for text in splits.train["source"] for w in text.split()}) == words
    assert len({w for (t,) in splits.train["targets"] for w in t.split()}) == 10_210
    lines = [text for rows in splits[:3] for text in rows["source"]]
    assert max(len(text.split()) for text in lines) == longest
    for year in ("2016", "2017"):
        source = pairs(f"multi30k/test_{year}*", **flags)
        assert len(read(source, "pairs", "test", cache_dir=cache).rows) == 1_000
    with pytest.raises(DataError, match=r"parallel files end in de, en, fr: name two"):
        load(pairs("multi30k"), "pairs", cache_dir=cache)

    source = pairs("tatoeba_ru_en", source_column="rus", target_column="eng")
    splits = load(source, "pairs", cache_dir=cache)
    assert sum(len(rows) for rows in splits[:3]) == 1_000


@pytest.mark.parametrize("language", ["russian", "german", "english"])
def test_inflection(cache: Path, language: str) -> None:
    sizes = {
        "train-high": 10_000,
        "train-medium": 1_000,
        "train-low": 100,
        "dev": 1_000,
        "uncovered-test": 1_000,
    }
    for name, size in sizes.items():
        file = f"sigmorphon2017/{language}-{name}"
        source = pairs(file, source_column="0,2", target_column="1")
        rows = read(
            source, "pairs", present(files.split_of(name)), cache_dir=cache
        ).rows
        assert len(rows) == size
        path = ZOO_DATA / "seq2seq" / file
        lemma, form, tags = path.read_text().split("\n")[0].split("\t")
        assert rows[0] == {"source": f"{lemma} {tags}", "targets": [form]}


def documented() -> list[tuple[str, str]]:
    """Return the tasks and flags of the table of corpora in docs/data.md."""
    text = (ROOT / "docs" / "data.md").read_text()
    lines = text.partition("## Corpora")[2].splitlines()
    cells = [
        line.split("|") for line in lines if "$ZOO_DATA" in line and line[0] == "|"
    ]
    return [(c[1].strip(), " ".join(re.findall("`(.*?)`", c[3]))) for c in cells]


@pytest.mark.parametrize(("task", "flags"), documented())
def test_documented_flags(task: str, flags: str, cache: Path) -> None:
    args = shlex.split(flags.replace("$ZOO_DATA", str(ZOO_DATA)))
    source = tyro.cli(Source, args=args)
    splits = load(source, KINDS[task], cache_dir=cache)
    assert all(len(rows) for rows in splits[:3])
