"""Try to break the library: ``python -m tests.torture --minutes N``."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from tests.torture.report import collect
from tests.torture.targets import TARGETS


@dataclass(frozen=True)
class Options:
    """Try to break the library, and report how that ended.

    Exits with status 1 if anything broke.
    """

    minutes: float = 1.0
    """Time for each target; a trial that has started is finished."""
    trials: int | None = None
    """The largest number of trials of each target; default: any number."""
    only: str = ""
    """Names of targets, separated by commas; default: all."""
    seed: int = 0
    """Seed of the trials; with it, the number of a trial repeats it."""
    out: Path | None = None
    """Folder for the reports as JSON, a file per target."""


def main(options: Options) -> None:
    """Run the targets in turn and print a report of each.

    Args:
        options: of the command line.
    """
    names = options.only.split(",") if options.only else list(TARGETS)
    for name in names:
        if name not in TARGETS:
            sys.exit(f"unknown target {name!r}; expected one of {', '.join(TARGETS)}")
    failed = 0
    for name in names:
        with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as folder:
            report = collect(
                name,
                TARGETS[name](options.seed, Path(folder)),
                options.seed,
                max_seconds=60 * options.minutes,
                max_trials=options.trials,
            )
        print(report, flush=True)
        failed += report.failed
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            path = options.out / f"{name}-{options.seed}.json"
            path.write_text(report.to_json() + "\n", encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(tyro.cli(Options))
