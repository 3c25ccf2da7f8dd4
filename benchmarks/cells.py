"""The certificate of the cells, ``docs/generated/cells.md``.

``python benchmarks/cells.py`` runs the tests that compare cells with an independent
implementation, writes the errors that they record to ``benchmarks/results/cells.csv``,
and the page from it. With test files as arguments, only these run and the other rows
stay; ``--page`` only writes the page. Needs the extras ``[test,parity]``.
"""

import csv
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import zoo  # noqa: E402

TABLE = ROOT / "benchmarks" / "results" / "cells.csv"
PAGE = ROOT / "docs" / "generated" / "cells.md"
COLUMNS = ("cell", "peer", "outputs", "gradients")
TESTS = [
    ["tests/cells/test_contract.py", "-k", "float64"],
    ["tests/interop/test_interop.py", "-k", "linen"],
    ["tests/parity"],
]
# Where other implementations of the same name differ from the paper.
DIFFERENCES = {
    "lstm": "Haiku and Flax's ConvLSTM add one to the forget gate at each step; here "
    "the bias is initialised to one.",
    "rnn": "Haiku's `VanillaRNN` is a ReLU.",
    "reset_before_gru": "Haiku's `GRU` swaps z and 1 - z.",
    "mgu": "Flax's `MGUCell` is `reset_after_mgu`.",
    "lem": "torchrecurrent 0.2.5 reads the old z in h', where the paper reads the new.",
    "nas": "torchrecurrent 0.2.5 adds the two products of a_4, which the authors' code "
    "multiplies.",
    "fast_grnn": "The gate of torchrecurrent is a tanh by default.",
    "qrnn": "pytorch-qrnn's f is 1 - f.",
    "scrn": "torchrecurrent 0.2.5 has one more product and a tanh on the way out.",
    "slstm": "The authors' code applies the first step's rule to a whole batch.",
    "phased_lstm": "The paper leaks in training alone.",
    "sgu": "The slope of the hard sigmoid is 1/6 here, and 1/5 in Theano.",
    "ligru": "The paper has batch normalisation in place of the bias.",
}
HEAD = """\
# Cells

Every cell with its equation as implemented, and the implementations that it was
compared with. Written by `benchmarks/cells.py` from the code and from
`benchmarks/results/cells.csv`, where the tests record their errors.

Errors are the largest difference of outputs (and final states) and of gradients,
relative to the largest entry, or to one if that is smaller. *numpy* is this project's
own reference in float64, written from the paper (`tests/helpers/`); its gradient is a
central difference along a random direction, accurate to about 1e-9. torchrecurrent is
compared in float64, all other libraries in float32. A cell that is compared with numpy
only has **no independent reference** yet. D is the input size and H the state size,
`skip(x)` is x if D = H and a matrix product otherwise, `*` is elementwise, and p and q
of the papers are x W and h U.

Every cell satisfies the contract of `tests/helpers/contract.py`: step by step, forward
and in reverse, with masks, resets and carried state. Its values are stored in
`tests/golden/cells.npz`, so that a test fails if a change of the code changes them.
*Parallel over time* marks the cells with `steps="parallel"`. Weights of `rnn`, `lstm`,
`projected_lstm` and `gru` convert from and to PyTorch, those of `rnn`, `lstm`, `gru`,
`reset_before_gru` and `reset_after_mgu` from and to Flax or Keras (`zoo.interop`).
""".splitlines()


def recorded(report: Path) -> Iterable[dict[str, str]]:
    """Return the comparisons that the tests recorded.

    Args:
        report: the file of pytest's ``--junitxml``.
    """
    for case in ElementTree.parse(report).iter("testcase"):
        values = {p.get("name"): p.get("value") for p in case.iter("property")}
        if "peer" in values:
            yield {name: str(values[name]) for name in COLUMNS}


def read() -> list[dict[str, str]]:
    """Return the table."""
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def measure(groups: list[list[str]]) -> list[dict[str, str]]:
    """Run comparisons and return the largest errors for each cell and peer.

    Args:
        groups: arguments of each run of pytest.

    Raises:
        SystemExit: if a comparison fails.
    """
    worst: dict[tuple[str, str], dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        for tests in groups:
            command = [sys.executable, "-m", "pytest", "-q", *tests]
            options = ["-o", "junit_family=xunit1", f"--junitxml={report}"]
            done = subprocess.run([*command, *options], cwd=ROOT)
            if done.returncode:
                sys.exit(f"a comparison failed: {' '.join(command)}")
            for row in recorded(report):
                key = row["cell"], row["peer"]
                for name in ("outputs", "gradients"):
                    before = worst.get(key, row)[name]
                    row[name] = f"{max(float(row[name]), float(before)):.1e}"
                worst[key] = row
    return list(worst.values())


def page(rows: list[dict[str, str]]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    cells = zoo.cells()
    unverified = [
        name
        for name in cells
        if {row["peer"] for row in rows if row["cell"] == name} <= {"numpy"}
    ]
    independent = len(cells) - len(unverified)
    lines = [
        *HEAD,
        "",
        f"{len(cells)} cells; {independent} of them compared with another library.",
        "",
        "| name | class | family | paper | parameters | parallel over time |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, cell in cells.items():
        parallel = "yes" if cell.parallel else ""
        facts = [f"[`{name}`](#{name})", f"`{cell.__name__}`", cell.family, cell.paper]
        lines.append(f"| {' | '.join([*facts, f'`{cell.parameters}`', parallel])} |")
    for name, cell in cells.items():
        lines += ["", f"## {name}", "", f"`zoo.{cell.__name__}`: {cell.paper}.", ""]
        lines += ["```text", *cell.equation.split("; "), "```", ""]
        for row in (row for row in rows if row["cell"] == name):
            lines.append(
                f"- {row['peer']}: outputs {row['outputs']}, "
                f"gradients {row['gradients']}"
            )
        if name in unverified:
            lines.append("- no independent reference")
        if name in DIFFERENCES:
            lines += ["", DIFFERENCES[name]]
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the comparisons unless ``--page`` is set, and write the page."""
    if sys.argv[1:] == ["--page"]:
        rows = read()
    else:
        selected = [[path] for path in sys.argv[1:]]
        latest = {(row["cell"], row["peer"]): row for row in measure(selected or TESTS)}
        if selected:
            latest = {(row["cell"], row["peer"]): row for row in read()} | latest
        order = list(zoo.cells())
        rows = [row for row in latest.values() if row["cell"] in order]
        rows.sort(key=lambda row: (order.index(row["cell"]), row["peer"]))
        with TABLE.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    PAGE.write_text(page(rows))


if __name__ == "__main__":
    main()
