"""Compare the cells: ``python -m benchmarks.compare [--cells A,B] [--problems P,Q]``.

Only the rows that benchmarks/results/comparison.csv lacks are measured, so that the
program can be stopped and started at any time. ``--page`` only writes
docs/generated/comparison.md and its plot.
"""

import dataclasses
import sys
import time
from collections.abc import Collection
from pathlib import Path
from statistics import mean, stdev

import jax
import tyro

import zoo
from benchmarks.compare.comparison_page import COLUMNS, KEY, TABLE, write
from benchmarks.compare.problems import PROBLEMS, Problem
from benchmarks.compare.training import compare
from benchmarks.csv_table import Row, Table
from benchmarks.environment import machine_columns


@dataclasses.dataclass(frozen=True)
class Options:
    """Compare the cells at the same number of parameters."""

    cells: str = ""
    """Names, separated by commas; all by default."""
    problems: str = ""
    """Names, separated by commas; all by default."""
    page: bool = False
    """Only write the page from the table."""
    table: Path = TABLE
    """The table that rows are merged into."""


def select(kind: str, text: str, known: Collection[str]) -> list[str]:
    """Return the names in a text, or all names if it is empty.

    Args:
        kind: what the names are of, for the message.
        text: names, separated by commas.
        known: all names.

    Raises:
        SystemExit: if a name is unknown.
    """
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            sys.exit(f"unknown {kind} {name!r}; expected one of {list(known)}")
    return names


def measure(problem_name: str, problem: Problem, cell: str) -> Row:
    """Train a cell on a problem and return the row.

    Args:
        problem_name: one of `PROBLEMS`.
        problem: its data.
        cell: one of ``zoo.cells()``.
    """
    start = time.perf_counter()
    result = compare(cell, problem)
    return {
        "problem": problem_name,
        "cell": cell,
        "hidden_size": str(result.hidden_size),
        "parameters": str(result.parameters),
        "dev_scores": " ".join(f"{score:.4f}" for score in result.dev_scores),
        "rate": f"{result.rate:g}",
        "score": f"{mean(result.scores):.4f}",
        "deviation": f"{stdev(result.scores):.4f}",
        "scores": " ".join(f"{score:.4f}" for score in result.scores),
        "steps": str(problem.steps),
        "seconds": f"{time.perf_counter() - start:.0f}",
        **machine_columns(["jax", "flax", "optax"]),
    }


def main(options: Options) -> None:
    """Measure what is missing, row by row, and write the page.

    Args:
        options: of the command line.
    """
    cells = select("cell", options.cells, zoo.cells())
    problem_names = select("problem", options.problems, PROBLEMS)
    table = Table(options.table, KEY, COLUMNS)
    problems = {name: PROBLEMS[name]() for name in problem_names if not options.page}
    # Cell by cell, so that an interrupted comparison has complete cells.
    for cell in cells:
        for name, problem in problems.items():
            if table.contains({"problem": name, "cell": cell}):
                continue
            row = measure(name, problem, cell)
            table.merge([row])
            print(
                f"{name}: {cell} {row['score']} ({row['scores']}), learning rate "
                f"{row['rate']}, {row['seconds']} s",
                flush=True,
            )
            jax.clear_caches()
    if options.table == TABLE:
        write(table.rows)


if __name__ == "__main__":
    main(tyro.cli(Options))
