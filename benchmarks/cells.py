"""Compare the cells with other implementations: ``docs/generated/cells.md``.

``python benchmarks/cells.py`` runs the tests that compare cells with an independent
implementation, writes the errors that they record to ``benchmarks/results/cells.csv``,
and the page from it. With test files as arguments, it runs only these and keeps the
other rows. Needs the extras ``[test,parity]``.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import zoo  # noqa: E402
from benchmarks.csv_table import Row, Table  # noqa: E402
from benchmarks.pages import markdown_table, read_template  # noqa: E402
from benchmarks.paths import PAGES, RESULTS, ROOT  # noqa: E402

TABLE = RESULTS / "cells.csv"
PAGE = PAGES / "cells.md"
KEY = ("cell", "peer")
ERRORS = ("outputs", "gradients")
TESTS = [
    ["tests/cells/test_contract.py", "-k", "float64"],
    ["tests/cells/test_authors.py"],
    ["tests/interop/test_flax_cells.py", "-k", "linen"],
    ["tests/parity"],
]


def read_report(report: Path) -> Iterable[Row]:
    """Yield the comparisons that the tests recorded.

    Args:
        report: the file of pytest's ``--junitxml``.
    """
    for case in ElementTree.parse(report).iter("testcase"):
        values = {p.get("name"): p.get("value") for p in case.iter("property")}
        if "peer" in values:
            yield {name: str(values[name]) for name in (*KEY, *ERRORS)}


def measure(test_groups: list[list[str]]) -> list[Row]:
    """Run comparisons and return the largest errors for each cell and peer.

    Args:
        test_groups: the arguments of each run of pytest.

    Raises:
        SystemExit: if a comparison fails.
    """
    worst: dict[tuple[str, str], Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        for arguments in test_groups:
            command = [sys.executable, "-m", "pytest", "-q", *arguments]
            options = ["-o", "junit_family=xunit1", f"--junitxml={report}"]
            process = subprocess.run([*command, *options], cwd=ROOT)
            if process.returncode:
                sys.exit(f"a comparison failed: {' '.join(command)}")
            for row in read_report(report):
                key = row["cell"], row["peer"]
                for name in ERRORS:
                    previous = worst.get(key, row)[name]
                    row[name] = f"{max(float(row[name]), float(previous)):.1e}"
                worst[key] = row
    return list(worst.values())


def page(rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    cells = zoo.cells()
    differences = tomllib.loads(read_template("cell_differences.toml"))
    unverified = {
        name
        for name in cells
        if {row["peer"] for row in rows if row["cell"] == name} <= {"numpy"}
    }
    overview = [
        [
            f"[`{name}`](#{name})",
            f"`{cell.__name__}`",
            cell.family,
            cell.paper,
            f"`{cell.parameters}`",
            "yes" if cell.parallel else "",
        ]
        for name, cell in cells.items()
    ]
    sections = []
    for name, cell in cells.items():
        lines = [f"## {name}", "", f"`zoo.{cell.__name__}`: {cell.paper}.", ""]
        lines += ["```text", *cell.equation.split("; "), "```", ""]
        lines += [
            f"- {row['peer']}: outputs {row['outputs']}, gradients {row['gradients']}"
            for row in rows
            if row["cell"] == name
        ]
        if name in unverified:
            lines.append("- no independent reference")
        if name in differences:
            lines += ["", differences[name]]
        sections.append("\n".join(lines))
    header = ["name", "class", "family", "paper", "parameters", "parallel over time"]
    text = read_template("cells.md").format(
        count=len(cells),
        compared=len(cells) - len(unverified),
        overview=markdown_table(header, overview),
        sections="\n\n".join(sections),
    )
    return text + "\n"


def main() -> None:
    """Run the comparisons unless ``--page`` is set, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="*", help="test files to run; default: all")
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    table = Table(TABLE, KEY, (*KEY, *ERRORS))
    if not arguments.page:
        rows = measure([[path] for path in arguments.tests] or TESTS)
        if not arguments.tests:
            table.rows = []
        table.merge(rows)
        order = list(zoo.cells())
        table.rows = [row for row in table.rows if row["cell"] in order]
        table.rows.sort(key=lambda row: (order.index(row["cell"]), row["peer"]))
        table.write()
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
