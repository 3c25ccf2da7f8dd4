"""The seq2seq task: detected tokens, batches and scores."""

from typing import Any

import numpy as np
import pytest

from tests.helpers.typed import untyped
from zoo.tasks.pair_preparation import detect_tokens, one_target_per_row
from zoo.tasks.seq2seq import Config, SequenceToSequence
from zoo.tasks.sequence_metrics import sequences


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
def test_tokens_are_detected_from_the_texts(texts: list[str], units: str) -> None:
    assert detect_tokens(texts) == units


def test_scores_of_a_small_case() -> None:
    values = sequences(
        ["a", "b", "b", "c"],
        [["X Y"], ["X"], ["Y  Z"], ["Z Z"]],
        ["X Y", "Y Z", "Y Z", "Z X X"],
        str.split,
    ).values
    # a is correct, b matches the reference of its second row, c has two edits of two
    # tokens.
    assert values["exact"] == pytest.approx(2 / 3)
    assert values["wer"] == pytest.approx(1 / 3)
    assert values["per"] == pytest.approx(2 / (2 + 2 + 2))


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    import sacrebleu

    outputs = ["the cat sat on the mat", "a dog ran away"]
    references = [["the cat sat on a mat", "the cat was on the mat"]]
    references += [["a dog ran far away"]]
    scores = sequences(["1", "2"], references, outputs, str.split)
    streams = [[references[0][0], references[1][0]], [references[0][1], ""]]
    for name, score in (
        ("bleu", sacrebleu.corpus_bleu(outputs, streams).score),
        ("chrf", sacrebleu.corpus_chrf(outputs, streams).score),
    ):
        assert scores.values[name] == pytest.approx(score / 100, abs=1e-6)
        assert "version:" in scores.signatures[name]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> SequenceToSequence:
    """Return a task over words of different lengths, some with two targets."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = [f"{'ab' * n}{c}\t{'x ' * n}{c}\n" for n in range(1, 9) for c in "pqrst"]
    (folder / "train.tsv").write_text("".join(lines) + "ab\tx\ty y\n")
    (folder / "dev.tsv").write_text("".join(lines[:7]))
    (folder / "test.tsv").write_text("abp\tx p\tx x p\naba\tx\n")
    sizes: dict[str, Any] = {"hidden_size": 4, "embedding_dim": 4, "batch_size": 8}
    return SequenceToSequence(Config(data=str(folder), **sizes))


def test_batches_hold_every_pair_once(task: SequenceToSequence) -> None:
    pipeline = task.pipeline
    assert (pipeline.source.units, pipeline.target.units) == ("chars", "symbols")
    rows = one_target_per_row(task.splits.rows["train"])
    assert rows.num_rows == 42
    pairs = []
    for batch in task.batches("train", 3):
        assert batch["source"].shape[0] == batch["target"].shape[0] == 8
        for b in np.flatnonzero(batch["mask"].any(axis=1)):
            source = batch["source"][b][batch["source_mask"][b]]
            inputs = batch["target"][b][batch["mask"][b]]
            labels = batch["labels"][b][batch["mask"][b]]
            assert inputs[0] == pipeline.begin
            assert labels[-1] == pipeline.end
            assert (inputs[1:] == labels[:-1]).all()
            chars = pipeline.source.vocabulary.decode(source)
            symbols = pipeline.target.vocabulary.decode(labels[:-1])
            pairs.append(("".join(chars), " ".join(symbols)))
    expected = [(row["source"], row["targets"][0]) for row in untyped(rows)]
    assert sorted(pairs) == sorted(expected)


def test_any_reference_is_accepted(task: SequenceToSequence) -> None:
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


def test_a_flag_out_of_range_is_named() -> None:
    with pytest.raises(ValueError, match="--sampling must lie in"):
        SequenceToSequence(Config(sampling=1.5))
    with pytest.raises(ValueError, match="--attention dot needs .* --no-bidirectional"):
        SequenceToSequence(Config(attention="dot"))
    with pytest.raises(ValueError, match="--label-smoothing"):
        SequenceToSequence(Config(label_smoothing=-0.1))
