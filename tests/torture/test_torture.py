"""The first trials of each target."""

from pathlib import Path
from typing import Any

import pytest

from tests.torture.report import collect
from tests.torture.targets import TARGETS

NUM_TRIALS: dict[str, int] = {
    "artifacts": 40,
    "checkpoints": 12,
    "corpora": 150,
    "kills": 1,
    "server": 258,
    "texts": 16,
}
"""How many trials of a target take a few seconds; by default none run here."""

THOROUGH = {"kills": "tests/tasks/test_resume.py kills runs too"}


def marked(target: str) -> Any:
    """Return a target as a parameter of the test."""
    reason = THOROUGH.get(target)
    return pytest.param(target, marks=pytest.mark.thorough(reason) if reason else ())


@pytest.mark.parametrize("target", [marked(target) for target in NUM_TRIALS])
def test_nothing_breaks(target: str, tmp_path: Path) -> None:
    trials = TARGETS[target](0, tmp_path)
    report = collect(target, trials, 0, max_trials=NUM_TRIALS[target])
    assert report.failed == 0, str(report)
    assert report.trials == NUM_TRIALS[target]
