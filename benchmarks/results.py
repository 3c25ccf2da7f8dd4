"""Scores of finished runs: ``docs/generated/results.md``.

``python benchmarks/results.py RUN...`` adds the runs; without arguments it only writes
the page.
"""

import csv
import dataclasses
import json
import os
import platform
import sys
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parent.parent))

from tasks.registry import TASKS
from tasks.run.flags import CHANGEABLE

DOCS = Path(__file__).parent.parent / "docs"
TABLE = DOCS.parent / "benchmarks" / "results" / "results.csv"
PAGE = DOCS / "generated" / "results.md"
COLUMNS = [
    "task",
    "data",
    "seed",
    "score",
    "dev",
    "test",
    "minutes",
    "tokens_per_second",
]
COLUMNS += ["peak_memory_mb", "compilations", "cores", "command", "machine", "versions"]

HEAD = """\
# Results

Scores of each task with its default flags. Written by `benchmarks/results.py` from
`benchmarks/results/results.csv`, which has a row per run.

- Accuracy, F1, exact match and BLEU are fractions. Exact match counts each distinct
  source once and accepts any of its references (1 - WER).
- Nats are per character, on the last 10 % of the text: test is read as one sequence
  with its state carried on, dev as parallel streams. Without a test file, dev and test
  are the same text: the best epoch of charlm, and its learning rate, dropout, weight
  decay and number of epochs, were chosen on that of Tiny Shakespeare.
- Commands omit flags with default values.
- The machines are shared: minutes and tokens/s vary with the load, and runs on one core
  ran next to others. MB is the peak memory of the process.
""".splitlines()


def row(run: Path) -> dict[str, str]:
    """Return the row of a run.

    Args:
        run: a finished run folder.
    """
    config = json.loads((run / "config.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    flags, task = config["flags"], config["task"]
    corpora = os.environ.get("ZOO_DATA", "")
    data = str(flags["data"] or " ".join(flags["train_file"]) or "sample")
    shown = []
    defaults = TASKS[task].Config
    for field in dataclasses.fields(defaults):
        value = flags.get(field.name, field.default)  # the flag may be newer
        value = tuple(value) if isinstance(value, list) else value
        usual = {field.default}
        if field.name == "epochs":
            sampled = data == "sample" and defaults.sample_epochs
            usual.add(sampled or defaults.default_epochs)
        if field.name not in CHANGEABLE and value not in usual:
            text = " ".join(value) if isinstance(value, tuple) else value
            shown.append(f"--{field.name.replace('_', '-')} {text}")
    shown.sort(key=lambda flag: flag.startswith("--seed"))  # the seed last
    command = " ".join(["python train.py", task, *shown])
    if corpora:
        command, data = (s.replace(corpora, "$ZOO_DATA") for s in (command, data))
    about = metrics["run"]
    score = about["monitor"] if "monitor" in about else TASKS[task].monitor[0]
    versions = config["versions"]
    names = ("python", "jax", "flax", "optax")
    return {
        "task": task,
        "data": data.removeprefix("$ZOO_DATA/"),
        "seed": str(flags["seed"]),
        "score": score,
        "dev": f"{metrics['dev'][score]:.4f}",
        "test": f"{metrics['test'][score]:.4f}",
        "minutes": f"{about['minutes']:.1f}",
        "tokens_per_second": f"{about['tokens_per_second']:.0f}",
        "peak_memory_mb": str(about["peak_memory_mb"]),
        "compilations": str(about["compilations"]),
        "command": command,
        "cores": str(config["cores"]),
        "machine": f"{platform.machine()}, {os.cpu_count()} shared cores",
        "versions": ", ".join(f"{name} {versions[name]}" for name in names),
    }


def seedless(row: dict[str, str]) -> str:
    """Return the command of a run without its seed: runs with equal ones are averaged.

    Args:
        row: of the table.
    """
    return row["command"].split(" --seed")[0]


def page(rows: list[dict[str, str]]) -> str:
    """Return the page of the table.

    Args:
        rows: of the table.
    """
    lines = [
        *HEAD,
        "",
        "| command | score | seeds | dev | test | cores | minutes | tokens/s | MB | "
        "programs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups: dict[str, list[dict[str, str]]] = {}
    for one in rows:
        groups.setdefault(seedless(one), []).append(one)
    for command, runs in groups.items():
        first = runs[0]
        seeds = ", ".join(run["seed"] for run in runs)

        def average(name: str, form: str, runs: list[dict[str, str]] = runs) -> str:
            return format(mean(float(run[name]) for run in runs), form)

        cells = [f"`{command}`", first["score"], seeds]
        cells += [average("dev", ".4f"), average("test", ".4f")]
        cells.append(", ".join(run["cores"] for run in runs))
        cells += [average("minutes", ".1f"), average("tokens_per_second", ",.0f")]
        cells += [average("peak_memory_mb", ",.0f"), average("compilations", ".0f")]
        lines.append(f"| {' | '.join(cells)} |")
    machines = sorted({f"{run['machine']}; {run['versions']}" for run in rows})
    return "\n".join(
        [*lines, "", *(f"Machine: {machine}." for machine in machines), ""]
    )


def main() -> None:
    """Add the runs of the command line, and write the page."""
    rows = []
    if TABLE.exists():
        with TABLE.open(newline="") as file:
            rows = list(csv.DictReader(file))
    for new in (row(Path(name)) for name in sys.argv[1:]):
        key = seedless(new), new["seed"]
        rows = [old for old in rows if (seedless(old), old["seed"]) != key] + [new]
    rows.sort(key=lambda r: (r["task"], r["data"], seedless(r), int(r["seed"])))
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
