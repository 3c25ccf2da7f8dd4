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

# `tests/tasks/test_resume.py` kills runs too.
OF_EACH_KIND = NUM_TRIALS.keys() - {"kills"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", NUM_TRIALS)
def test_nothing_breaks(case: str, tmp_path: Path) -> None:
    trials = TARGETS[case](0, tmp_path)
    report = collect(case, trials, 0, max_trials=NUM_TRIALS[case])
    assert report.failed == 0, str(report)
    assert report.trials == NUM_TRIALS[case]
