"""What the tables of the page are made of."""

from collections.abc import Callable, Collection

from benchmarks.speed.peers import PEERS
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


def crossed(
    rows: list[Row],
    first: str,
    line: Callable[[Row], str],
    column: Callable[[Row], str],
) -> list[str]:
    """Return a table of ratios and milliseconds.

    Args:
        rows: of one kind of work, in the order of lines and columns.
        first: what stands above the names of the lines.
        line: the name of a row's line.
        column: the name of its column.
    """
    by = {(line(row), column(row)): row for row in rows}
    heads, columns = (dict.fromkeys(map(name, rows)) for name in (line, column))
    told = [[one, *(entry(by.get((one, other))) for other in columns)] for one in heads]
    return lines([first, *columns], told)


def names(rows: list[Row]) -> list[str]:
    """Return the peers that rows are of, in the order of the registry.

    Args:
        rows: of the table.
    """
    found = {row["peer"] for row in rows}
    return [name for name in PEERS if name in found]


def by_peer(rows: list[Row]) -> list[Row]:
    """Return rows in the order of the registry.

    Args:
        rows: of the table.
    """
    return [row for name in names(rows) for row in rows if row["peer"] == name]


def shape(row: Row) -> str:
    """Return B, T, D and H.

    Args:
        row: of the table.
    """
    return ", ".join(row[name] for name in "BTDH")


def fastest(
    rows: list[Row], rivals: Collection[str], padding: bool = False
) -> Row | None:
    """Return the row of the fastest of some peers, of those that do the same work.

    Args:
        rows: of one case and kind.
        rivals: names of peers.
        padding: whether those count on ragged rows too that run over the padding.
    """
    found = [
        row
        for row in rows
        if row["peer"] in rivals
        and row["ratio"]
        and (padding or PEERS[row["peer"]].lengths or row["ragged"] == "0")
    ]
    return min(found, key=lambda row: float(row["ratio"]), default=None)
