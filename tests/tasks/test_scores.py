"""Which epoch is the best."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.tasks.scores import is_better


@pytest.mark.parametrize(
    ("value", "loss", "best", "best_loss", "direction", "expected"),
    [
        (0.5, 1.0, None, None, "max", True),
        (0.6, 9.0, 0.5, 1.0, "max", True),
        (0.6, 9.0, 0.5, 1.0, "min", False),
        (0.4, 9.0, 0.5, 1.0, "min", True),
        (0.5, 0.9, 0.5, 1.0, "max", True),
        (0.5, 0.9, 0.5, 1.0, "min", True),
        (0.5, 1.0, 0.5, 1.0, "max", False),
        (0.5, 0.9, 0.5, None, "max", False),
        (math.nan, 0.1, 0.5, 1.0, "max", False),
        (0.1, 9.0, math.nan, 1.0, "max", True),
    ],
)
def test_ties_are_broken_by_the_loss(
    value: float,
    loss: float,
    best: float | None,
    best_loss: float | None,
    direction: str,
    expected: bool,
) -> None:
    assert is_better(value, loss, best, best_loss, direction) is expected


def test_monitor_chooses_the_score(
    tmp_path: Path,
    output_of: Callable[..., str],
    error_of: Callable[..., str],
) -> None:
    out = tmp_path / "run"
    args = ["classification", "--hidden-size", "4", "--embedding-dim", "4"]
    args += ["--limit-train", "32", "--epochs", "2"]
    message = error_of(*args, "--monitor", "acuracy", "--out", tmp_path / "no")
    assert message == (
        "error: --monitor must be one of 'auto', 'accuracy', 'f1_macro', 'loss', got "
        "'acuracy'; did you mean 'accuracy'?\n"
    )
    args += ["--monitor", "loss", "--out", str(out), "--learning-rate", "1e-5"]
    output_of(*args, command="train")
    metrics = json.loads((out / "metrics.json").read_text())
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = [line["dev_loss"] for line in log]
    assert metrics["run"]["monitor"] == "loss"
    assert metrics["dev"]["loss"] == pytest.approx(min(losses))
    assert metrics["run"]["best_epoch"] == losses.index(min(losses)) + 1
    assert "test loss" in (out / "report.html").read_text()
