"""Train cells on the adding problem: ``docs/generated/forgetting.md``.

``python benchmarks/adding_problem.py`` runs ``python train.py memory`` for each row
that the table lacks; ``--page`` only writes the page.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.csv_table import Row, Table  # noqa: E402
from benchmarks.environment import describe_machines, machine_columns  # noqa: E402
from benchmarks.pages import markdown_table, read_template  # noqa: E402
from benchmarks.paths import PAGES, RESULTS, ROOT  # noqa: E402

TABLE = RESULTS / "adding_problem.csv"
PAGE = PAGES / "forgetting.md"
LENGTH, SEEDS = 200, (0, 1, 2)
CELLS, INITS = ("rnn", "lstm", "gru"), ("default", "chrono")
PROBLEM = ["memory", "--problem", "adding", "--length", str(LENGTH)]
BUDGET = ["--hidden-size", "64", "--epochs", "16", "--learning-rate", "0.005"]
BASELINE = 1 / 6  # the lowest mse without memory
KEY = ("cell", "init", "seed")
COLUMNS = [
    *(*KEY, "mse", "accuracy", "first_epoch", "minutes", "tokens_per_second"),
    *("command", "cores", "machine", "versions"),
]


def flags(cell: str, init: str, seed: str) -> list[str]:
    """Return the arguments of ``train.py``.

    Args:
        cell: its name.
        init: initialisation.
        seed: random seed.
    """
    return [*PROBLEM, "--cell", cell, *BUDGET, "--initializer", init, "--seed", seed]


def measure(cell: str, init: str, seed: str) -> Row:
    """Train and score one cell.

    Args:
        cell: its name.
        init: initialisation.
        seed: random seed.
    """
    arguments = flags(cell, init, seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        program = [sys.executable, str(ROOT / "train.py")]
        subprocess.run([*program, *arguments, "--out", str(out)], cwd=ROOT, check=True)
        metrics = json.loads((out / "metrics.json").read_text())
        log = (out / "log.jsonl").read_text().split("\n")[:-1]
    epochs = [json.loads(line) for line in log]
    solved = [epoch for epoch in epochs if epoch["dev_mse"] < 0.9 * BASELINE]
    return {
        "cell": cell,
        "init": init,
        "seed": seed,
        "mse": f"{metrics['test']['mse']:.5f}",
        "accuracy": f"{metrics['test']['accuracy']:.4f}",
        "first_epoch": str(solved[0]["epoch"]) if solved else "",
        "minutes": str(metrics["run"]["minutes"]),
        "tokens_per_second": str(round(metrics["run"]["tokens_per_second"])),
        "command": " ".join(["python train.py", *arguments]),
        **machine_columns(["jax", "flax"]),
    }


def read_table() -> Table:
    """Return the table of the results."""
    return Table(TABLE, KEY, COLUMNS)


def page(rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """

    def order(row: Row) -> tuple[int, int, str]:
        return CELLS.index(row["cell"]), INITS.index(row["init"]), row["seed"]

    header = ["cell", "initialisation", "seed", f"mse ({BASELINE:.4f})", "accuracy"]
    header += ["first epoch", "minutes"]
    lines = [
        [
            f"`{row['cell']}`",
            row["init"],
            row["seed"],
            row["mse"],
            row["accuracy"],
            row["first_epoch"] or "never",
            row["minutes"],
        ]
        for row in sorted(rows, key=order)
    ]
    text = read_template("forgetting.md").format(
        length=LENGTH,
        baseline=BASELINE,
        table=markdown_table(header, lines),
        command=" ".join(["python train.py", *flags("CELL", "INIT", "SEED")]),
        machines=describe_machines(rows),
    )
    return text + "\n"


def main() -> None:
    """Train what the table lacks unless ``--page`` is set, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    table = read_table()
    if not arguments.page:
        for seed, init, cell in itertools.product(SEEDS, INITS, CELLS):
            # Chrono initialisation sets gate biases, and a plain RNN has no gates.
            if (cell, init) == ("rnn", "chrono"):
                continue
            if not table.contains({"cell": cell, "init": init, "seed": str(seed)}):
                row = measure(cell, init, str(seed))
                table.merge([row])
                print(", ".join(row.values()), flush=True)
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
