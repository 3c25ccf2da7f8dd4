"""Collect the scores of finished runs: ``docs/generated/results.md``.

``python benchmarks/results.py RUN...`` adds the runs; without arguments it only writes
the page.
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.csv_table import Row, Table  # noqa: E402
from benchmarks.environment import (  # noqa: E402
    describe_machines,
    format_versions,
    machine,
)
from benchmarks.pages import markdown_table, read_template  # noqa: E402
from benchmarks.paths import PAGES, RESULTS  # noqa: E402
from zoo.tasks.registry import TASKS  # noqa: E402
from zoo.tasks.run.flags import CHANGEABLE  # noqa: E402

TABLE = RESULTS / "results.csv"
PAGE = PAGES / "results.md"
KEY = ("command", "seed")
COLUMNS = [
    *("task", "data", "seed", "score", "dev", "test", "minutes", "tokens_per_second"),
    *("peak_memory_mb", "compilations", "cores", "command", "machine", "versions"),
]


def data_of(flags: dict[str, Any]) -> str:
    """Return the data of a run, ``"sample"`` if it has no flag for them.

    Args:
        flags: of its ``config.json``.
    """
    return str(flags["data"] or " ".join(flags["train_file"]) or "sample")


def command_of(task: str, flags: dict[str, Any]) -> str:
    """Return the command of a run without the flags that have default values.

    Args:
        task: its name.
        flags: of its ``config.json``.
    """
    defaults = TASKS[task].Config
    arguments = []
    for field in dataclasses.fields(defaults):
        value = flags.get(field.name, field.default)  # the flag may be newer
        value = tuple(value) if isinstance(value, list) else value
        usual = {field.default}
        if field.name == "epochs":
            sample = data_of(flags) == "sample" and defaults.sample_epochs
            usual.add(sample or defaults.default_epochs)
        if field.name not in CHANGEABLE and value not in usual:
            name = field.name.replace("_", "-")
            text = " ".join(value) if isinstance(value, tuple) else value
            if isinstance(value, bool):
                arguments.append(f"--{name}" if value else f"--no-{name}")
            else:
                arguments.append(f"--{name} {text}")
    arguments.sort(key=lambda argument: argument.startswith("--seed"))  # the seed last
    return " ".join(["python train.py", task, *arguments])


def read_run(folder: Path) -> Row:
    """Return the row of a run.

    Args:
        folder: of a finished run.
    """
    config = json.loads((folder / "config.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    flags, task, run = config["flags"], config["task"], metrics["run"]
    data, command = data_of(flags), command_of(task, flags)
    if corpora := os.environ.get("ZOO_DATA"):
        data, command = (s.replace(corpora, "$ZOO_DATA") for s in (data, command))
    score = run["monitor"] if "monitor" in run else TASKS[task].monitor[0]
    packages = ("python", "jax", "flax", "optax")
    return {
        "task": task,
        "data": data.removeprefix("$ZOO_DATA/"),
        "seed": str(flags["seed"]),
        "score": score,
        "dev": f"{metrics['dev'][score]:.4f}",
        "test": f"{metrics['test'][score]:.4f}",
        "minutes": f"{run['minutes']:.1f}",
        "tokens_per_second": f"{run['tokens_per_second']:.0f}",
        "peak_memory_mb": str(run["peak_memory_mb"]),
        "compilations": str(run["compilations"]),
        "command": command,
        "cores": str(config["cores"]),
        "machine": machine(),
        "versions": format_versions(
            {name: config["versions"][name] for name in packages}
        ),
    }


def without_seed(row: Row) -> str:
    """Return the command of a run without its seed.

    Args:
        row: of the table.
    """
    return row["command"].split(" --seed")[0]


def page(rows: list[Row]) -> str:
    """Return the page: runs that differ in the seed only are averaged.

    Args:
        rows: of the table.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(without_seed(row), []).append(row)
    header = ["command", "score", "seeds", "dev", "test", "cores", "minutes"]
    header += ["tokens/s", "MB", "programs"]
    lines = []
    for command, runs in groups.items():

        def average(column: str, spec: str, runs: list[Row] = runs) -> str:
            return format(mean(float(run[column]) for run in runs), spec)

        lines.append(
            [
                f"`{command}`",
                runs[0]["score"],
                ", ".join(run["seed"] for run in runs),
                average("dev", ".4f"),
                average("test", ".4f"),
                ", ".join(run["cores"] for run in runs),
                average("minutes", ".1f"),
                average("tokens_per_second", ",.0f"),
                average("peak_memory_mb", ",.0f"),
                average("compilations", ".0f"),
            ]
        )
    text = read_template("results.md").format(
        table=markdown_table(header, lines), machines=describe_machines(rows)
    )
    return text + "\n"


def main() -> None:
    """Add the runs of the command line, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs")
    arguments = parser.parse_args()
    table = Table(TABLE, KEY, COLUMNS)
    if arguments.runs:
        table.merge(read_run(folder) for folder in arguments.runs)
        table.rows.sort(
            key=lambda r: (r["task"], r["data"], without_seed(r), int(r["seed"]))
        )
        table.write()
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
