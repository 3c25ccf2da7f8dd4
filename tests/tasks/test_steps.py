"""Runs whose length and evaluations are given in steps: --steps and --eval-every."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers.tolerances import assert_identical
from tests.helpers.training import flags, kill_and_resume, losses, weights
from zoo import train
from zoo.tasks.configs import CONFIGS
from zoo.tasks.run.position import Length, Position, PositionError

NUM_BATCHES = 12  # of a pass over 48 sentences


def of_task(task: str, folder: Path, *more: Any) -> list[Any]:
    """Return the flags of a small run without its epochs."""
    args = flags(task, folder)
    at = args.index("--epochs")
    return [task, *args[:at], *args[at + 2 :], *more]


def test_the_last_epoch_may_be_shorter() -> None:
    length = Length(steps=10, interval=4)
    assert length.num_epochs == 3
    assert [length.start(k) for k in range(4)] == [0, 4, 8, 10]
    assert [length.num_batches(k) for k in range(4)] == [4, 4, 2, 0]
    assert Length(8, 4).num_epochs == 2 and Length(3, 4).num_batches(0) == 3
    ended = vars(Position(epoch=3, step=10, best=1.0, best_loss=1.0, best_epoch=0))
    assert vars(Position.from_json(length, ended)) == ended
    with pytest.raises(PositionError, match="step must be 10, got 12"):
        Position.from_json(length, {**ended, "step": 12})
    with pytest.raises(PositionError, match="batch must be from 0 to 2, got 3"):
        Position.from_json(length, {**ended, "epoch": 2, "batch": 3, "step": 11})


@pytest.mark.parametrize("step", [0, 2, 3, 7])
def test_batches_continue_over_passes(step: int) -> None:
    class Program:
        task = SimpleNamespace(stream=None)

        def batches(self, split: str, seed: int) -> Iterator[tuple[str, int, int]]:
            yield from ((split, seed, k) for k in range(3))

    program: Any = Program()
    batches = train.batches_from(program, 5, Position(step=step), 3)
    expected = [("train", 5 + 1_000_003 * p, k) for p in range(5) for k in range(3)]
    assert list(islice(batches, 8)) == expected[step : step + 8]


def test_the_default_number_of_passes_is_that_of_the_steps() -> None:
    config = CONFIGS["pos"](steps=25)
    assert [config.num_epochs(n) for n in (10, 25, 100)] == [3, 1, 1]


def test_steps_of_whole_passes_are_epochs(
    output_of: Callable[..., str], tmp_path: Path
) -> None:
    steps = ("--steps", 2 * NUM_BATCHES)
    runs = {"epochs": ("--epochs", 2), "steps": steps}
    runs["often"] = (*steps, "--eval-every", 10)
    output = {}
    for name, more in runs.items():
        arguments = of_task("pos", tmp_path, *more, "--out", tmp_path / name)
        output[name] = output_of(*arguments, command="train")
    epochs, with_steps = (tmp_path / name for name in ("epochs", "steps"))
    assert losses(with_steps) == losses(epochs)
    assert [step for step, *_ in losses(epochs)] == [NUM_BATCHES, 2 * NUM_BATCHES]
    assert_identical(weights(with_steps), weights(epochs))
    often = losses(tmp_path / "often")
    assert [step for step, *_ in often] == [10, 20, 24]
    # The evaluations do not change the training.
    assert often[-1][2] == losses(epochs)[-1][2]
    assert "best epoch" in output["often"] and " of 3, " in output["often"]


def test_patience_counts_evaluations(
    output_of: Callable[..., str], tmp_path: Path
) -> None:
    more = ("--steps", 40, "--eval-every", 2, "--patience", 2)
    more += ("--learning-rate", 0)  # no evaluation is better than the first
    output_of(
        *of_task("pos", tmp_path, *more, "--out", tmp_path / "run"), command="train"
    )
    assert [step for step, *_ in losses(tmp_path / "run")] == [2, 4, 6]


def test_steps_exclude_epochs(error_of: Callable[..., str], tmp_path: Path) -> None:
    error = error_of(*of_task("pos", tmp_path, "--steps", 3, "--epochs", 1))
    assert error == "error: --steps and --epochs exclude each other: give one\n"


@pytest.mark.thorough("test_streaming.py kills a run with --steps")
def test_a_killed_run_with_steps_equals_an_uninterrupted_one(
    work: tuple[Path, dict[str, str]],
    output_of: Callable[..., str],
) -> None:
    folder, env = work
    # A pass of charlm has 29 windows: evaluations within both passes, and at neither
    # end; the state restarts with the second.
    more = ("--steps", 40, "--eval-every", 11)
    task, *args = of_task("charlm", folder, *more)
    uninterrupted, out = folder / "steps", folder / "steps-killed"
    output = output_of(task, *args, "--out", uninterrupted, command="train")
    assert " 29 windows " in output
    kill_and_resume(task, *args, out=out, checkpoints=(13, 37), env=env)
    assert_identical(weights(out), weights(uninterrupted))
    assert losses(out) == losses(uninterrupted)
    assert [step for step, *_ in losses(out)] == [11, 22, 33, 40]
