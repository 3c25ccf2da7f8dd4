"""From a source to splits: files, the cache, shares, the hub, and errors."""

import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from tasks.data import DataError, FormatError, Source, files, load, read
from tasks.data.splits import labels as labels_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def write(tmp_path):
    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8", newline="")
        return str(path)

    return write


# -- Files and splits -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("eng.train", "train"),
        ("eng.testa", "dev"),
        ("eng.testb", "test"),
        ("wnut17train.conll", "train"),
        ("emerging.dev.conll", "dev"),
        ("emerging.test.annotated", "test"),
        ("stsa.fine.train", "train"),
        ("train_5k.csv", "train"),
        ("ptb.char.valid.txt", "dev"),
        ("GramEval2020-RuEval2017-Lenta-news-dev.conllu", "dev"),
        ("myValidation.tsv", "dev"),
        ("test2016.en", "test"),
        ("latest.csv", None),
        ("input.txt", None),
        ("MorphoRuEval2017-JZ-gold.conllu", None),
    ],
)
def test_the_name_tells_the_split(name, split):
    assert files.split_of(name) == split


def test_a_name_of_two_splits_is_refused():
    with pytest.raises(DataError, match=r"several splits \(dev, train\)"):
        files.split_of("train-dev.csv")


def table(count: int, start: int = 0) -> str:
    """Return lines of a text and one of two labels; none twice."""
    return "".join(f"text number {k}\t{k % 2}\n" for k in range(start, start + count))


def test_several_files_and_globs(write, tmp_path, cache):
    for k, name in enumerate(["train-a.tsv", "train-b.tsv", "dev.tsv", "more.tsv"]):
        write(name, table(10, 10 * k))
    write("README.md", "not data")
    splits = load(Source(str(tmp_path)), "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [18, 10, 2]
    assert any("left out" in note and "more.tsv" in note for note in splits.notes)
    more = str(tmp_path / "m*.tsv")
    source = Source(str(tmp_path), test_file=(more, str(tmp_path / "dev.tsv")))
    splits = load(source, "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [20, 10, 20]
    assert len(read(source, "labelled", "test", cache_dir=cache)) == 20
    assert len(read(Source(more), "labelled", "test", cache_dir=cache)) == 10
    lone = Source(str(tmp_path / "dev.tsv"))
    assert len(load(lone, "labelled", cache_dir=cache).train) == 8
    with pytest.raises(DataError, match="no test among the files, but dev"):
        read(lone, "labelled", "test", cache_dir=cache)


def test_folder_of_classes_for_each_split(write, tmp_path, cache):
    for split, texts in {"train": "a\nb\nc\n", "dev": "d\ne\n", "test": "f\n"}.items():
        for label in ("x", "y"):
            write(f"{split}/{label}.txt", texts)
    sources = {f"{split}_file": (str(tmp_path / split),) for split in files.SPLITS}
    splits = load(Source(**sources), "labelled", cache_dir=cache)
    assert [len(rows) for rows in splits[:3]] == [6, 4, 2]
    assert splits.test[1] == {"text": "f", "label": "y"}


def conllu(*splits: str, tag: str = "X") -> str:
    word = "1\t{}\t_\t{}\t_\t_\t0\troot\t_\tNER=B-PER"
    return "".join(
        f"# split = {split}\n# topic = t\n{word.format(f'w{k}', tag)}\n\n"
        for k, split in enumerate(splits)
    )


def test_the_metadata_of_the_sample_divide_it(write, cache):
    sample = Path(write("sample.conllu", conllu("train", "valid", "test", "train")))
    for kind in ("tagged", "entities", "labelled"):
        splits = load(Source(), kind, sample=sample, cache_dir=cache)
        assert [len(rows) for rows in splits[:3]] == [2, 1, 1]
    rows = read(Source(), "tagged", "dev", sample=sample, cache_dir=cache)
    assert rows[:] == {"tokens": [["w1"]], "tags": [["X"]]}
    with pytest.raises(DataError, match="no data: give --data"):
        load(Source(), "tagged", cache_dir=cache)
    half = write("half.conllu", conllu("train") + conllu("dev").partition("\n")[2])
    with pytest.raises(FormatError, match="half.conllu:6: expected metadata"):
        load(Source(half), "tagged", cache_dir=cache)


def test_missing_files_suggest_near_names(write, tmp_path, cache):
    write("corpus/train.tsv", table(9))
    for data, hint in {
        "corpus/trian.tsv": "did you mean .*corpus/train.tsv",
        "korpus/train.tsv": "did you mean .*corpus?",
        "corpus/xyz": "in .*corpus there is train.tsv",
        "corpus/*.csv": "no file fits the glob",
    }.items():
        with pytest.raises(DataError, match=hint):
            load(Source(str(tmp_path / data)), "labelled", cache_dir=cache)
    write("none/.hidden", "")
    write("none/README", "")
    with pytest.raises(DataError, match=r"no file of data; in it: \.hidden, README"):
        load(Source(str(tmp_path / "none")), "labelled", cache_dir=cache)


def test_an_empty_split_is_refused(write, tmp_path, cache):
    write("train.conll", "a X\n")
    write("dev.conll", "\n\n")
    with pytest.raises(DataError, match=r"dev \(.*dev\.conll\) is empty"):
        load(Source(str(tmp_path)), "tagged", cache_dir=cache)


@pytest.mark.parametrize(
    ("kind", "train", "dev", "message"),
    [
        (
            "tagged",
            "a X\n",
            "a Y\n",
            "dev has the tag 'Y', which train lacks .train has",
        ),
        ("entities", "a B-X\n", "a I-Y\n", "dev has the entity type 'Y'.*--tag-column"),
        ("labelled", "1 a\n", "2 a\n", "dev has the label '2'.*--label-column"),
    ],
)
def test_a_label_that_train_lacks(write, tmp_path, cache, kind, train, dev, message):
    write("train", train)
    write("dev", dev)
    write("test", train)
    with pytest.raises(DataError, match=message):
        load(Source(str(tmp_path)), kind, cache_dir=cache)


# -- The cache ------------------------------------------------------------------------


def test_an_edited_file_is_read_anew(write, cache):
    path = write("lines.txt", "one\ntwo\n")
    source = Source(path)
    first = read(source, "text", "train", cache_dir=cache)
    again = read(source, "text", "train", cache_dir=cache)
    assert first.cache_files == again.cache_files != []
    stat = os.stat(path)
    write("lines.txt", "one\nsix\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert list(read(source, "text", "train", cache_dir=cache)["text"])[1] == "six\n"
    assert list(first["text"])[1] == "two\n"


def test_arguments_are_part_of_the_key(write, cache):
    path = write("a.conll", "a X Y\n")
    for column, tag in {"1": "X", "2": "Y", None: "Y"}.items():
        source = Source(path, tag_column=column)
        assert read(source, "tagged", "train", cache_dir=cache)[0]["tags"] == [tag]


def test_a_parser_s_own_error_reaches_the_caller(write, cache):
    path = write("a.conll", "a X\n\nb\n")
    with pytest.raises(FormatError, match=r"a\.conll:3: expected 2 columns"):
        load(Source(path), "tagged", cache_dir=cache)
    Path(path).write_bytes(b"a X\n\xff Y\n")
    with pytest.raises(FormatError, match=r"a\.conll:2: expected text in utf-8"):
        load(Source(path), "tagged", cache_dir=cache)


def test_nothing_is_shown(write, cache, capfd):
    load(Source(write("a.tsv", table(30, 500))), "labelled", cache_dir=cache)
    assert capfd.readouterr() == ("", "")


# -- Shares ---------------------------------------------------------------------------


def test_shares_are_seeded_and_disjoint(write, cache):
    path = write("a.tsv", table(200) * 2)

    def texts(seed: int) -> list[list[str]]:
        splits = load(Source(path), "labelled", seed=seed, cache_dir=cache)
        return [list(rows["text"]) for rows in splits[:3]]

    train, dev, test = texts(0)
    assert [len(train), len(dev), len(test)] == [320, 40, 40]
    assert not set(train) & set(dev) | set(train) & set(test) | set(dev) & set(test)
    assert texts(0) == [train, dev, test]
    assert texts(1)[1] != dev
    assert set(dev) == {f"text number {k}" for k in range(200)} - set(train) - set(test)


def test_a_rare_label_stays_in_train(write, cache):
    text = table(40) + "".join(f"rare {k}\t{k}\n" for k in range(2, 20))
    for seed in range(3):
        source = Source(write("a.tsv", text), text_column="0", label_column="1")
        splits = load(source, "labelled", seed=seed, cache_dir=cache)
        assert labels_of(splits.train) == {str(k) for k in range(20)}
        assert sum(len(rows) for rows in splits[:3]) == 58
    with pytest.raises(DataError, match="too few"):
        load(Source(write("b.tsv", "a b\t0\nc d\t0\n")), "labelled", cache_dir=cache)


@pytest.mark.parametrize(
    "text", ["0123456789" * 3, "01\n" * 10, "\n" * 30, "\r\n" * 15]
)
def test_text_is_divided_by_position(write, cache, text):
    splits = load(Source(write("a.txt", text)), "text", cache_dir=cache)
    train, dev = ("".join(rows["text"]) for rows in splits[:2])
    assert (train, dev) == (text[:27], text[27:])
    assert splits.test is splits.dev
    assert "no test file: test is dev" in splits.notes


def test_text_too_short(write, cache):
    with pytest.raises(DataError, match="too short"):
        load(Source(write("a.txt", "a")), "text", cache_dir=cache)


# -- The hub --------------------------------------------------------------------------


@pytest.fixture
def hub_folder(tmp_path):
    """A data set as the hub keeps it: Parquet files with features."""
    features = datasets.Features(
        id=datasets.Value("int32"),
        sentence=datasets.Value("string"),
        mood=datasets.ClassLabel(names=["bad", "good"]),
        tokens=datasets.List(datasets.Value("string")),
        ner_tags=datasets.List(datasets.ClassLabel(names=["O", "I-PER", "B-PER"])),
    )
    for split, moods in {"train": [0, 1], "validation": [1], "test": [-1]}.items():
        rows = {
            "id": list(range(len(moods))),
            "sentence": [f"{split} {k}" for k in range(len(moods))],
            "mood": moods,
            "tokens": [["Ann", "Lee", "Bo"]] * len(moods),
            "ner_tags": [[1, 1, 2]] * len(moods),
        }
        table = datasets.Dataset.from_dict(rows, features=features)
        datasets.disable_progress_bars()
        (tmp_path / "data").mkdir(exist_ok=True)
        table.to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    return f"hub:{tmp_path}"


def test_hub_finds_the_columns_by_their_types(hub_folder, cache):
    splits = load(Source(hub_folder), "entities", cache_dir=cache)
    wanted = {"tokens": ["Ann", "Lee", "Bo"], "tags": ["B-PER", "I-PER", "B-PER"]}
    assert splits.train[0] == splits.test[0] == wanted
    dev = read(Source(hub_folder), "labelled", "dev", cache_dir=cache)
    assert dev[:] == {"text": ["validation 0"], "label": ["good"]}
    assert read(Source(hub_folder), "text", "dev", cache_dir=cache)[0] == {
        "text": "validation 0\n"
    }
    with pytest.raises(DataError, match="has no labels"):
        read(Source(hub_folder), "labelled", "test", cache_dir=cache)
    with pytest.raises(DataError, match="no column 'moood'.*did you mean 'mood'"):
        source = Source(hub_folder, label_column="moood")
        load(source, "labelled", cache_dir=cache)


def test_hub_without_a_network(cache, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match="hub:nobody/nothing cannot be loaded .*network"
    ):
        load(Source("hub:nobody/nothing"), "labelled", cache_dir=cache)


def test_data_code_knows_no_jax():
    code = "import sys, tasks.data; print({'jax', 'torch', 'zoo'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == "set()", run.stderr
