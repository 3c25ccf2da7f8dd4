"""Who solves the adding problem: write docs/forgetting.csv and docs/forgetting.md.

``python benchmarks/forgetting.py`` trains what is missing in the table, row by row, by
``python train.py memory`` in a process of its own; ``--page`` only writes the page.
"""

import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE, PAGE = ROOT / "docs" / "forgetting.csv", ROOT / "docs" / "forgetting.md"
LENGTH, SEEDS = 200, (0, 1, 2)
CELLS, INITS = ("rnn", "lstm", "gru"), ("default", "chrono")
BUDGET = ["--hidden-size", "64", "--epochs", "16", "--learning-rate", "0.005"]
LEAST = 1 / 6  # of a model without a memory
COLUMNS = [
    *(
        "cell",
        "init",
        "seed",
        "mse",
        "right",
        "first_epoch",
        "minutes",
        "tokens_per_second",
    ),
    *("command", "cores", "machine", "versions"),
]
HEAD = f"""\
# Who forgets

The adding problem over {LENGTH} steps: numbers from U(0, 1), of which two are marked,
one in either half; asked is their sum. A model that does not remember the first can do
no better than a mean squared error of {LEAST:.4f}. Written by
`benchmarks/forgetting.py` from `forgetting.csv`; each row is one command, the same but
for the cell and the seed: 64 units, 16 epochs of 16,000 new sequences (4,000 steps of
64), Adam at 0.005 with a cosine schedule, gradients clipped at 1. The cells begin as
they do by default (the forget gate of the LSTM with a bias of one: it halves what it
keeps in about two steps), or with biases of the gates spread over the length (*chrono*,
Tallec and Ollivier 2018, arXiv:1804.11188), which a plain RNN, without gates, has not.
*First epoch* is the first whose error on dev lies below nine tenths of that line.
""".splitlines()


def read() -> list[dict[str, str]]:
    """Return the table, empty where there is none."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def measure(cell: str, init: str, seed: str) -> dict[str, str]:
    """Train and score one cell.

    Args:
        cell: its name.
        init: how it begins.
        seed: of all that is drawn.
    """
    flags = ["memory", "--problem", "adding", "--length", str(LENGTH), "--cell", cell]
    flags += [*BUDGET, "--init", init, "--seed", seed]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        line = [sys.executable, str(ROOT / "train.py"), *flags, "--out", str(out)]
        subprocess.run(line, cwd=ROOT, check=True)
        metrics = json.loads((out / "metrics.json").read_text())
        log = [
            json.loads(line)
            for line in (out / "log.jsonl").read_text().split("\n")[:-1]
        ]
    below = [line["epoch"] for line in log if line["dev_mse"] < 0.9 * LEAST]
    return {
        "cell": cell,
        "init": init,
        "seed": seed,
        "mse": f"{metrics['test']['mse']:.5f}",
        "right": f"{metrics['test']['accuracy']:.4f}",
        "first_epoch": str(below[0]) if below else "",
        "minutes": str(metrics["run"]["minutes"]),
        "tokens_per_second": str(round(metrics["run"]["tokens_per_second"])),
        "command": " ".join(["python train.py", *flags]),
        "cores": str(len(os.sched_getaffinity(0))),
        "machine": platform.machine(),
        "versions": f"jax {version('jax')}, flax {version('flax')}",
    }


def page(rows: list[dict[str, str]]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    lines = [
        *HEAD,
        "",
        f"| cell | begins | seed | mse ({LEAST:.4f}) | right | first epoch | minutes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows = sorted(
        rows,
        key=lambda row: (
            CELLS.index(row["cell"]),
            INITS.index(row["init"]),
            row["seed"],
        ),
    )
    for row in rows:
        first = row["first_epoch"] or "never"
        facts = [
            f"`{row['cell']}`",
            row["init"],
            row["seed"],
            row["mse"],
            row["right"],
            first,
        ]
        lines.append(f"| {' | '.join([*facts, row['minutes']])} |")
    told = sorted({f"{row['machine']}; {row['versions']}" for row in rows})
    command = "python train.py memory --problem adding --length 200 --cell CELL"
    lines += ["", f"`{command} {' '.join(BUDGET)} --init INIT --seed SEED`", ""]
    return "\n".join([*lines, *(f"Machine: {one}." for one in told), ""])


def main() -> None:
    """Measure, unless told not to, and write the page."""
    # A plain RNN has no gates whose biases could be spread.
    wanted = [
        (cell, init, str(seed))
        for seed in SEEDS
        for init in INITS
        for cell in CELLS
        if (cell, init) != ("rnn", "chrono")
    ]
    done = {(row["cell"], row["init"], row["seed"]) for row in read()}
    for one in [] if "--page" in sys.argv[1:] else wanted:
        if one in done:
            continue
        row = measure(*one)
        fresh = not TABLE.exists()
        with TABLE.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        print(", ".join(row.values()), flush=True)
    PAGE.write_text(page(read()))


if __name__ == "__main__":
    main()
