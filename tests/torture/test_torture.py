"""The first trials of each target."""

from pathlib import Path

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


@pytest.mark.parametrize("target", NUM_TRIALS)
def test_nothing_breaks(target: str, tmp_path: Path) -> None:
    trials = TARGETS[target](0, tmp_path)
    report = collect(target, trials, 0, max_trials=NUM_TRIALS[target])
    assert report.failed == 0, str(report)
    assert report.trials == NUM_TRIALS[target]
