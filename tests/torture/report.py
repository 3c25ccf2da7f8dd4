"""The outcomes of the trials of one target."""

import json
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.torture.trial import Trial

MAX_FAILURES = 50  # listed in a report


@dataclass
class Report:
    """Counts of the outcomes, and the trials that failed.

    Attributes:
        target: the name of the target.
        seed: its seed.
        trials: the number of trials.
        seconds: the time of all trials.
        slowest: the time of the slowest trial, in seconds.
        slowest_name: the name of the slowest trial.
        memory_mb: resident memory of this process at the start, in MB (2**20 bytes),
            then after each doubling of the number of trials, from 64, and at the end.
        outcomes: the number of trials of each outcome.
        failed: the number of failures.
        failures: number, name and failure of the first `MAX_FAILURES`.
    """

    target: str
    seed: int
    trials: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_name: str = ""
    memory_mb: list[int] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    failures: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, trial: Trial, seconds: float) -> None:
        """Count a trial.

        Args:
            trial: the trial.
            seconds: its time.
        """
        if trial.failure is not None:
            self.failed += 1
            if len(self.failures) < MAX_FAILURES:
                self.failures.append((self.trials, trial.name, trial.failure))
        self.outcomes[trial.outcome] += 1
        self.trials += 1
        self.seconds += seconds
        if seconds > self.slowest:
            self.slowest, self.slowest_name = seconds, trial.name
        if self.trials >= 64 and self.trials.bit_count() == 1:
            self.memory_mb.append(resident_mb())

    def __str__(self) -> str:
        """Return the report as text."""
        counts = ", ".join(f"{n:,} {name}" for name, n in self.outcomes.most_common())
        lines = [
            f"{self.target}: {self.trials:,} trials, seed {self.seed}, "
            f"{self.seconds:,.0f} s: {self.failed:,} failures",
            f"  outcomes: {counts}",
            f"  slowest: {self.slowest:.2f} s, {self.slowest_name}",
            f"  memory: {', '.join(map(str, self.memory_mb))} MB",
        ]
        for number, name, failure in self.failures:
            lines.append(f"  trial {number}, {name}: {failure}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return the report as JSON."""
        values = asdict(self) | {"outcomes": dict(self.outcomes)}
        return json.dumps(values, indent=1, ensure_ascii=False)


def collect(
    target: str,
    trials: Iterator[Trial],
    seed: int,
    *,
    max_seconds: float = float("inf"),
    max_trials: int | None = None,
) -> Report:
    """Run trials until the time or the number of trials is used up.

    Args:
        target: the name of the target.
        trials: its trials.
        seed: its seed.
        max_seconds: no trial starts later.
        max_trials: the largest number of trials; None for any number.
    """
    report = Report(target, seed, memory_mb=[resident_mb()])
    begin = time.monotonic()
    while time.monotonic() - begin < max_seconds and report.trials != max_trials:
        start = time.perf_counter()
        trial = next(trials, None)
        if trial is None:
            break
        report.add(trial, time.perf_counter() - start)
    report.memory_mb.append(resident_mb())
    return report


def resident_mb() -> int:
    """Return the resident memory of this process; its peak where /proc is missing."""
    path = Path("/proc/self/statm")
    if path.exists():
        pages = int(path.read_text().split()[1])
        return pages * resource.getpagesize() // 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20
