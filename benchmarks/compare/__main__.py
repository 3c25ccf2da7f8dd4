"""Compare the cells: ``python -m benchmarks.compare [--cells A,B] [--problems P,Q]``.

Only the rows that benchmarks/results/comparison.csv lacks are run, so that the program
can be stopped and started at any time. ``--page`` only writes
docs/generated/comparison.md and its plot.
"""

import csv
import dataclasses
import os
import platform
import sys
import time
from importlib.metadata import version
from statistics import mean, stdev

import jax
import tyro

import zoo
from benchmarks.compare.comparison_page import COLUMNS, TABLE, write
from benchmarks.compare.problems import PROBLEMS
from benchmarks.compare.training import run


@dataclasses.dataclass(frozen=True)
class Options:
    """Compare the cells at the same number of parameters."""

    cells: str = ""
    """Names with commas between them; all by default."""
    problems: str = ""
    """Names with commas between them; all by default."""
    page: bool = False
    """Only write the page from the table."""


def rows() -> list[dict[str, str]]:
    """Return the table, empty where there is none."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def main(options: Options) -> None:
    """Run what is missing, row by row, and write the page.

    Args:
        options: of the command line.
    """
    cells = options.cells.split(",") if options.cells else list(zoo.cells())
    problems = options.problems.split(",") if options.problems else list(PROBLEMS)
    for name, known in [(n, zoo.cells()) for n in cells] + [
        (n, PROBLEMS) for n in problems
    ]:
        if name not in known:
            sys.exit(f"no cell or problem is called {name!r}; there are {list(known)}")
    for problem_name in () if options.page else problems:
        done = {row["cell"] for row in rows() if row["problem"] == problem_name}
        missing = [cell for cell in cells if cell not in done]
        problem = PROBLEMS[problem_name]() if missing else None
        for cell in missing:
            assert problem is not None
            began = time.perf_counter()
            result = run(cell, problem)
            row = {
                "problem": problem_name,
                "cell": cell,
                "hidden_size": result.hidden_size,
                "parameters": result.parameters,
                "score": f"{mean(result.scores):.4f}",
                "deviation": f"{stdev(result.scores):.4f}",
                "scores": " ".join(f"{score:.4f}" for score in result.scores),
                "steps": result.steps,
                "of": problem.steps,
                "tokens_per_second": round(
                    result.steps_per_second
                    * len(result.scores)
                    * problem.batch_size
                    * problem.train.mask.mean(axis=0).sum()
                ),
                "compile_seconds": f"{result.compile_seconds:.1f}",
                "temporary_mb": f"{result.temporary_mb:.1f}",
                "seconds": f"{time.perf_counter() - began:.0f}",
                "cores": len(os.sched_getaffinity(0)),
                "machine": platform.machine(),
                "versions": ", ".join(
                    f"{name} {version(name)}" for name in ("jax", "flax", "optax")
                ),
            }
            fresh = not TABLE.exists()
            with TABLE.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            told = f"{row['score']} ({row['scores']}), {row['tokens_per_second']:,}"
            print(f"{problem_name}: {cell} {told} tokens/s, {row['seconds']} s")
            jax.clear_caches()
    write(rows())


if __name__ == "__main__":
    main(tyro.cli(Options))
