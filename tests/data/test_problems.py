"""The memory problems: inputs, targets, splits, and the loss without memory."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.typed import untyped
from zoo.pipelines import ReaderPipeline
from zoo.tasks.data import memory_problems
from zoo.tasks.memory import Config, Memory

LENGTHS = st.integers(2, 40)


def generator(seed: int = 0) -> np.random.Generator:
    """Return a seeded random generator."""
    return np.random.default_rng(seed)


@given(LENGTHS, st.integers(0, 5))
def test_copy_targets_are_the_first_ten_symbols(T: int, seed: int) -> None:
    inputs, targets, *_ = memory_problems.copying(T, 3, generator(seed), "train")
    assert inputs.shape == targets.shape == (3, T + 20)
    symbols = inputs[:, :10]
    np.testing.assert_array_equal(symbols, targets[:, -10:])
    assert symbols.min() >= 1 and symbols.max() <= 8
    assert (targets[:, :-10] == 0).all()
    assert ((inputs == 9).sum(axis=1) == 1).all()
    assert (inputs[:, -11] == 9).all()
    assert (inputs[:, -10:] == 0).all()


@given(LENGTHS, st.integers(0, 5))
def test_adding_marks_one_number_in_each_half(T: int, seed: int) -> None:
    inputs, targets, *_ = memory_problems.adding(T, 3, generator(seed), "train")
    numbers, marks = inputs[..., 0], inputs[..., 1]
    assert (marks[:, : T // 2].sum(axis=1) == 1).all()
    assert (marks[:, T // 2 :].sum(axis=1) == 1).all()
    np.testing.assert_allclose(targets, (numbers * marks).sum(axis=1))


@given(LENGTHS, st.integers(0, 5))
def test_delay_targets_are_the_inputs_T_steps_earlier(T: int, seed: int) -> None:
    inputs, targets, scored, _ = memory_problems.delay(T, 3, generator(seed), "train")
    assert scored is not None
    np.testing.assert_array_equal(scored, np.arange(2 * T) >= T)
    np.testing.assert_array_equal(targets[:, T:], inputs[:, :T])


def test_splits_of_the_digits_are_disjoint() -> None:
    images = []
    for split, size in memory_problems.PROBLEMS["digits"].sizes.items():
        inputs = memory_problems.digits(64, 10_000, generator(), split).inputs
        assert inputs.shape == (size, 64, 1)
        assert 0 <= inputs.min() and inputs.max() == 1
        images += [row.tobytes() for row in inputs]
    assert len(set(images)) == len(images) == 1797


def test_memoryless_loss_is_that_of_the_best_constant_prediction() -> None:
    """Estimate the loss of the best constant prediction on many sequences."""
    T = 30
    targets = memory_problems.adding(T, 20_000, generator(), "train").targets
    memoryless = memory_problems.PROBLEMS["adding"].memoryless(T)
    assert np.var(targets) == pytest.approx(memoryless, rel=0.03)
    targets = memory_problems.copying(T, 2_000, generator(), "train").targets
    probs = np.bincount(targets[:, -10:].ravel())[1:] / (10 * 2_000)
    entropy = -(probs * np.log(probs)).sum()
    memoryless = memory_problems.PROBLEMS["copy"].memoryless(T)
    assert 10 * entropy / (T + 20) == pytest.approx(memoryless, rel=0.01)
    assert memory_problems.PROBLEMS["delay"].memoryless(T) == math.log(8)


@pytest.mark.parametrize("problem", memory_problems.PROBLEMS)
def test_splits_and_epochs_differ_and_are_reproducible(problem: str) -> None:
    sizes: dict[str, Any] = {"length": 5, "limit_train": 100, "batch_size": 30}
    task = Memory(Config(problem=untyped(problem), **sizes))
    first, again, other = (list(task.batches("train", seed)) for seed in (1, 1, 2))
    assert len(first) == task.num_batches("train") == 4
    for a, b in zip(first, again, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert not np.array_equal(first[0]["x"], other[0]["x"])
    assert first[-1]["mask"].any(axis=1).sum() == 10, "the last batch is padded"
    dev, test = (next(task.batches(split, None)) for split in ("dev", "test"))
    assert not np.array_equal(dev["x"], test["x"])


def test_permuted_digits_are_the_same_pixels_in_another_order() -> None:
    rows = Memory(Config(problem="digits")).sequences("test", None).inputs
    permuted = Memory(Config(problem="digits", permuted=True)).sequences("test", None)
    assert not np.array_equal(rows, permuted.inputs)
    np.testing.assert_array_equal(
        np.sort(rows, axis=1), np.sort(permuted.inputs, axis=1)
    )


def test_scores_of_perfect_and_of_constant_predictions() -> None:
    """Perfect predictions have accuracy 1; the mean has the memoryless loss, 1/6."""
    task = Memory(Config(problem="adding", length=20))
    perfect, constant = [], []
    for batch in task.batches("test", None):
        real = batch["mask"].any(axis=1)
        mean = np.ones_like(batch["target"])
        loss = ((1 - batch["target"])[real] ** 2).sum()
        perfect.append((batch, {"answer": batch["target"], "loss": 0, "count": 64}))
        constant.append((batch, {"answer": mean, "loss": loss, "count": real.sum()}))
    assert task.metrics(perfect).values == {"mse": 0, "accuracy": 1}
    scores = task.metrics(constant).values
    memoryless = task.baselines()["memoryless"].values["mse"]
    assert scores["mse"] == pytest.approx(memoryless, rel=0.1)
    assert scores["accuracy"] < 0.1


@pytest.mark.parametrize(
    "symbols, size, sequence, expected",
    [
        (10, 10, "[1, 2, 10]", "symbols from 0 to 9"),
        (10, 10, "one", "symbols from 0 to 9"),
        (0, 2, "[1, 2]", "lists of 2 numbers"),
        (0, 1, "[]", "a list of numbers"),
        (0, 1, "[1, null]", "a list of numbers"),
    ],
)
def test_an_invalid_sequence_is_refused(
    symbols: int, size: int, sequence: str, expected: str
) -> None:
    options = {"input_size": size, "output_size": 3, "each": False, "hidden_size": 4}
    pipeline = ReaderPipeline(options, symbols=symbols)
    with pytest.raises(ValueError, match=expected):
        pipeline.predict([sequence])


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"length": 1}, "--length must be 2 or more, got 1"),
        ({"permuted": True}, "--permuted is for digits, got adding"),
    ],
)
def test_invalid_flags_are_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Memory(Config(**flags))
