"""The memory problems: what is asked, what is right, what no memoryless model beats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data import memory_problems
from tasks.memory import Config, Memory
from zoo.pipelines import ReaderPipeline

LENGTHS = st.integers(2, 40)


def draw(seed=0):
    """Return a generator."""
    return np.random.default_rng(seed)


@given(LENGTHS, st.integers(0, 5))
def test_copy_asks_for_what_was_shown(T, seed):
    found = memory_problems.copying(T, 3, draw(seed), "train")
    assert found.inputs.shape == found.targets.shape == (3, T + 20)
    shown, asked = found.inputs[:, :10], found.targets[:, -10:]
    np.testing.assert_array_equal(shown, asked)
    assert shown.min() >= 1 and shown.max() <= 8
    assert (found.targets[:, :-10] == 0).all()
    assert ((found.inputs == 9).sum(axis=1) == 1).all()
    assert (found.inputs[:, -11] == 9).all()
    assert (found.inputs[:, -10:] == 0).all()


@given(LENGTHS, st.integers(0, 5))
def test_adding_marks_one_number_in_each_half(T, seed):
    found = memory_problems.adding(T, 3, draw(seed), "train")
    numbers, marks = found.inputs[..., 0], found.inputs[..., 1]
    assert (marks[:, : T // 2].sum(axis=1) == 1).all()
    assert (marks[:, T // 2 :].sum(axis=1) == 1).all()
    np.testing.assert_allclose(found.targets, (numbers * marks).sum(axis=1))


@given(LENGTHS, st.integers(0, 5))
def test_delay_asks_for_the_symbol_of_before(T, seed):
    found = memory_problems.delay(T, 3, draw(seed), "train")
    assert found.scored is not None
    for t in range(2 * T):
        assert found.scored[t] == (t >= T)
        if t >= T:
            np.testing.assert_array_equal(found.targets[:, t], found.inputs[:, t - T])


def test_splits_of_the_digits_share_none():
    seen = []
    for split in ("train", "dev", "test"):
        found = memory_problems.digits(64, 10_000, draw(), split)
        assert found.inputs.shape == (
            memory_problems.PROBLEMS["digits"].sizes[split],
            64,
            1,
        )
        assert 0 <= found.inputs.min() and found.inputs.max() == 1
        seen += [row.tobytes() for row in found.inputs]
    assert len(set(seen)) == len(seen) == 1797


def test_lines_to_beat_are_those_of_the_best_constant_answer():
    """Measured on many sequences: what is told is the least that a guess can reach."""
    T = 30
    found = memory_problems.adding(T, 20_000, draw(), "train")
    least = memory_problems.PROBLEMS["adding"].memoryless(T)
    assert np.var(found.targets) == pytest.approx(least, rel=0.03)
    found = memory_problems.copying(T, 2_000, draw(), "train")
    counts = np.bincount(found.targets[:, -10:].ravel())[1:] / (10 * 2_000)
    entropy = -(counts * np.log(counts)).sum()
    least = memory_problems.PROBLEMS["copy"].memoryless(T)
    assert 10 * entropy / (T + 20) == pytest.approx(least, rel=0.01)
    assert memory_problems.PROBLEMS["delay"].memoryless(T) == math.log(8)


@pytest.mark.parametrize("problem", memory_problems.PROBLEMS)
def test_splits_and_epochs_differ_and_can_be_made_again(problem):
    task = Memory(Config(problem=problem, length=5, limit_train=100, batch_size=30))
    first, again, other = (list(task.batches("train", seed)) for seed in (1, 1, 2))
    assert len(first) == task.num_batches("train") == 4
    for a, b in zip(first, again, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert not np.array_equal(first[0]["x"], other[0]["x"])
    assert first[-1]["mask"].any(axis=1).sum() == 10, "the last batch is filled up"
    dev, test = (next(task.batches(split, None)) for split in ("dev", "test"))
    assert not np.array_equal(dev["x"], test["x"])


def test_permuted_digits_are_the_same_pixels_in_another_order():
    plain = Memory(Config(problem="digits")).sequences("test", None)
    moved = Memory(Config(problem="digits", permuted=True)).sequences("test", None)
    assert not np.array_equal(plain.inputs, moved.inputs)
    np.testing.assert_array_equal(
        np.sort(plain.inputs, axis=1), np.sort(moved.inputs, axis=1)
    )


def test_perfect_and_blind_answers_are_scored_as_such():
    """Answers that are the targets are all right; the mean alone reaches 1/6."""
    task = Memory(Config(problem="adding", length=20))
    pairs, blind = [], []
    for batch in task.batches("test", None):
        real = batch["mask"].any(axis=1)
        error = ((1 - batch["target"])[real] ** 2).sum()
        pairs.append((batch, {"answer": batch["target"], "loss": 0, "count": 64}))
        blind.append(
            (
                batch,
                {"answer": 1 + 0 * batch["target"], "loss": error, "count": real.sum()},
            )
        )
    assert task.metrics(pairs).values == {"mse": 0, "accuracy": 1}
    scores = task.metrics(blind).values
    least = task.baselines()["memoryless"].values["mse"]
    assert scores["mse"] == pytest.approx(least, rel=0.1)
    assert scores["accuracy"] < 0.1


@pytest.mark.parametrize(
    "symbols, size, wrong, wanted",
    [
        (10, 10, "[1, 2, 10]", "symbols from 0 to 9"),
        (10, 10, "one", "symbols from 0 to 9"),
        (0, 2, "[1, 2]", "lists of 2 numbers"),
        (0, 1, "[]", "a list of numbers"),
        (0, 1, "[1, null]", "a list of numbers"),
    ],
)
def test_what_is_no_sequence_is_told(symbols, size, wrong, wanted):
    options = {"input_size": size, "output_size": 3, "each": False, "hidden_size": 4}
    pipeline = ReaderPipeline(options, symbols=symbols)
    with pytest.raises(ValueError, match=wanted):
        pipeline.predict([wrong])


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"data": "a.txt"}, "--data is not for memory: its data are generated"),
        ({"length": 1}, "--length must be 2 or more, got 1"),
        ({"max_length": 5}, "--max-length is not for memory: use --length"),
    ],
)
def test_wrong_flags_are_told(flags, message):
    with pytest.raises(ValueError, match=message):
        Memory(Config(**flags))
