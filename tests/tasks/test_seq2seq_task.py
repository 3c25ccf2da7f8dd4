"""The task of sequence to sequence: its sample, its tokens, its batches, its scores."""

import datetime

import numpy as np
import pytest

from tasks.data import dates
from tasks.pair_preparation import detect_tokens, one_target_per_row
from tasks.seq2seq import Config, SequenceToSequence
from tasks.sequence_metrics import sequences


def test_dates_are_right_and_no_date_is_in_two_splits():
    splits = dates.pairs()
    assert {name: len(rows) for name, rows in splits.items()} == dates.SIZES
    targets = [target for rows in splits.values() for _, target in rows]
    assert len(set(targets)) == sum(dates.SIZES.values())
    assert splits == dates.pairs()
    for source, target in splits["dev"]:
        date = datetime.date.fromisoformat(target)
        assert source in [form(date) for form in dates.FORMS]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (0, "3 May 1979"),
        (4, "the third of May, 1979"),
        (6, "May the third, nineteen seventy-nine"),
        (7, "5/3/79"),
        (15, "Thursday, 3 May 1979"),
    ],
)
def test_forms_of_dates(form, text):
    assert dates.FORMS[form](datetime.date(1979, 5, 3)) == text


def test_numbers_in_words():
    assert [dates.ordinal(n) for n in (1, 12, 20, 22, 30)] == [
        *("first", "twelfth", "twentieth", "twenty-second", "thirtieth"),
    ]
    found = [dates.suffixed(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 23, 30)]
    assert found == "1st 2nd 3rd 4th 11th 12th 13th 21st 23rd 30th".split()
    assert dates.year(1900) == "nineteen hundred"
    assert dates.year(1905) == "nineteen oh-five"
    assert dates.year(2000) == "two thousand"
    assert dates.year(2049) == "twenty forty-nine"


@pytest.mark.parametrize(
    ("texts", "units"),
    [
        (["T R IH P", "AA B ER G"], "symbols"),
        (["abating", "can't", "ice cream"], "chars"),
        (["отличник N;ESS;SG", "мальтийский ADJ;DAT"], "chars"),
        (["3 May 1979", "the third of May, 1979"], "chars"),
        (["Several men operate a giant pulley .", "Two dogs play in snow ."], "bpe"),
    ],
)
def test_tokens_are_told_from_the_texts(texts, units):
    assert detect_tokens(texts) == units


def test_scores_by_hand():
    found = sequences(
        ["a", "b", "b", "c"],
        [["X Y"], ["X"], ["Y  Z"], ["Z Z"]],
        ["X Y", "Y Z", "Y Z", "Z X X"],
        str.split,
    ).values
    # a is right, b is right by its second row, c has two edits of two tokens.
    assert found["exact"] == pytest.approx(2 / 3)
    assert found["wer"] == pytest.approx(1 / 3)
    assert found["per"] == pytest.approx(2 / (2 + 2 + 2))


def test_bleu_and_chrf_are_sacrebleus():
    import sacrebleu

    written = ["the cat sat on the mat", "a dog ran away"]
    right = [["the cat sat on a mat", "the cat was on the mat"], ["a dog ran far away"]]
    found = sequences(["1", "2"], right, written, str.split)
    streams = [[right[0][0], right[1][0]], [right[0][1], ""]]
    for name, score in (
        ("bleu", sacrebleu.corpus_bleu(written, streams).score),
        ("chrf", sacrebleu.corpus_chrf(written, streams).score),
    ):
        assert found.values[name] == pytest.approx(score / 100, abs=1e-6)
        assert "version:" in found.signatures[name]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A task over words of different length, some with two answers."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = [f"{'ab' * n}{c}\t{'x ' * n}{c}\n" for n in range(1, 9) for c in "pqrst"]
    (folder / "train.tsv").write_text("".join(lines) + "ab\tx\ty y\n")
    (folder / "dev.tsv").write_text("".join(lines[:7]))
    (folder / "test.tsv").write_text("abp\tx p\tx x p\naba\tx\n")
    sizes = {"hidden_size": 4, "embedding_dim": 4, "batch_size": 8}
    return SequenceToSequence(Config(data=str(folder), **sizes))


def test_batches_hold_every_pair_once(task):
    pipeline = task.pipeline
    assert (pipeline.source.units, pipeline.target.units) == ("chars", "symbols")
    rows = one_target_per_row(task.splits.rows["train"])
    assert rows.num_rows == 42
    found = []
    for batch in task.batches("train", 3):
        assert batch["source"].shape[0] == batch["target"].shape[0] == 8
        for b in np.flatnonzero(batch["mask"].any(axis=1)):
            source = batch["source"][b][batch["source_mask"][b]]
            read = batch["target"][b][batch["mask"][b]]
            asked = batch["labels"][b][batch["mask"][b]]
            assert read[0] == pipeline.begin
            assert asked[-1] == pipeline.end
            assert (read[1:] == asked[:-1]).all()
            words = pipeline.source.vocabulary.decode(source)
            phones = pipeline.target.vocabulary.decode(asked[:-1])
            found.append(("".join(words), " ".join(phones)))
    wanted = [(row["source"], row["targets"][0]) for row in rows]
    assert sorted(found) == sorted(wanted)


def test_any_reference_counts(task):
    pairs = []
    for batch in task.batches("test", None):
        ids = np.full((8, 4), task.pipeline.end, np.int32)
        encoded = [task.pipeline.target.encode(text) for text in ("x x p", "x x")]
        lengths = np.zeros(8, np.int32)
        for b in np.flatnonzero(batch["mask"].any(axis=1)):
            k = batch["number"][b] - task._first_number["test"]
            lengths[b] = len(encoded[k])
            ids[b, : lengths[b]] = encoded[k]
        pairs.append((batch, {"ids": ids, "lengths": lengths}))
    values = task.metrics(pairs).values
    assert values["exact"] == 0.5
    assert values["per"] == pytest.approx(1 / 4)


def test_a_flag_out_of_range_is_named():
    with pytest.raises(ValueError, match="--sampling must lie in"):
        SequenceToSequence(Config(sampling=1.5))
    with pytest.raises(ValueError, match="--attention dot needs .* --no-bidirectional"):
        SequenceToSequence(Config(attention="dot"))
    with pytest.raises(ValueError, match="--label-smoothing"):
        SequenceToSequence(Config(label_smoothing=-0.1))
