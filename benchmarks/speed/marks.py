"""What the tables of the page are made of."""

from benchmarks.speed.table import Row

KINDS = {"step": "Training step", "forward": "Forward"}
STACKS = {"1": "one layer", "2": "two layers in both directions"}
ROWS = {"0": "full rows", "1": "ragged rows"}


def lines(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return a table.

    Args:
        header: names of the columns.
        rows: as many words each.
    """
    rule = ["---"] * len(header)
    return [f"| {' | '.join(row)} |" for row in [header, rule, *rows]] + [""]


def milliseconds(row: Row) -> str:
    """Return the median of a row.

    Args:
        row: of the table.
    """
    return f"{float(row['median_ms']):,.3g}" if row["median_ms"] else ""


def entry(row: Row | None) -> str:
    """Return ratio and milliseconds, or why there are none.

    Args:
        row: of the table, or None.
    """
    if row is None:
        return ""
    if not row["median_ms"]:
        return row["note"].split(":")[0]
    if not row["ratio"]:
        return f"({milliseconds(row)})"
    return f"{float(row['ratio']):.2f} ({milliseconds(row)})"
