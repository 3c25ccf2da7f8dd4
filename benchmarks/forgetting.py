"""Which cells solve the adding problem: ``docs/generated/forgetting.md``.

``python benchmarks/forgetting.py`` runs ``python train.py memory`` for each row that
the table lacks; ``--page`` only writes the page.
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
TABLE = ROOT / "benchmarks" / "results" / "forgetting.csv"
PAGE = ROOT / "docs" / "generated" / "forgetting.md"
LENGTH, SEEDS = 200, (0, 1, 2)
CELLS, INITS = ("rnn", "lstm", "gru"), ("default", "chrono")
BUDGET = ["--hidden-size", "64", "--epochs", "16", "--learning-rate", "0.005"]
BASELINE = 1 / 6  # the lowest mse without memory
COLUMNS = [
    *(
        "cell",
        "init",
        "seed",
        "mse",
        "accuracy",
        "first_epoch",
        "minutes",
        "tokens_per_second",
    ),
    *("command", "cores", "machine", "versions"),
]
HEAD = f"""\
# Which cells forget

The adding problem over {LENGTH} steps: the input is a sequence of numbers from U(0, 1),
two of which are marked, one in each half; the target is their sum. The baseline, a
model without memory, has a mean squared error of {BASELINE:.4f}. Written by
`benchmarks/forgetting.py` from `benchmarks/results/forgetting.csv`.

All rows use the same recipe: 64 hidden units, 16 epochs of 16,000 new sequences (4,000
batches of 64), Adam at 0.005 with a cosine schedule, gradients clipped at 1. The
initialisation is the default (the forget bias of the LSTM is one, so that the cell
state halves in about two steps) or *chrono*, which spreads the gate biases over the
length (Tallec and Ollivier 2018, arXiv:1804.11188); a plain RNN has no gates. *First
epoch* is the first with a dev error below nine tenths of the baseline.
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
        init: initialisation.
        seed: random seed.
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
    below = [line["epoch"] for line in log if line["dev_mse"] < 0.9 * BASELINE]
    return {
        "cell": cell,
        "init": init,
        "seed": seed,
        "mse": f"{metrics['test']['mse']:.5f}",
        "accuracy": f"{metrics['test']['accuracy']:.4f}",
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
        "| cell | initialisation | seed "
        f"| mse ({BASELINE:.4f}) | accuracy | first epoch | minutes |",
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
            row["accuracy"],
            first,
        ]
        lines.append(f"| {' | '.join([*facts, row['minutes']])} |")
    machines = sorted({f"{row['machine']}; {row['versions']}" for row in rows})
    command = "python train.py memory --problem adding --length 200 --cell CELL"
    lines += ["", f"`{command} {' '.join(BUDGET)} --init INIT --seed SEED`", ""]
    return "\n".join([*lines, *(f"Machine: {one}." for one in machines), ""])


def main() -> None:
    """Train what the table lacks unless ``--page`` is set, and write the page."""
    # Chrono sets gate biases, and a plain RNN has no gates.
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
