"""Parts of the tables of ``docs/generated/speed.md``."""

import tomllib
from collections.abc import Callable, Collection, Iterable
from math import exp, log
from statistics import mean

from benchmarks.csv_table import Row
from benchmarks.pages import markdown_table, read_template
from benchmarks.speed.peers import PEERS

KINDS = {"step": "Training step", "forward": "Forward"}
STACKS = {"1": "one layer", "2": "two layers in both directions"}
ROWS = {"0": "full rows", "1": "ragged rows"}


def read_captions() -> dict[str, str]:
    """Return the texts above the tables by the name of the section."""
    return tomllib.loads(read_template("speed_captions.toml"))


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean.

    Args:
        values: positive.
    """
    return exp(mean(map(log, values)))


def format_ms(row: Row) -> str:
    """Return the median time of a row in milliseconds; empty if there is none.

    Args:
        row: of the table.
    """
    return f"{float(row['median_ms']):,.3g}" if row["median_ms"] else ""


def format_time(row: Row | None) -> str:
    """Return ratio and milliseconds, or why there are none.

    Args:
        row: of the table, or None.
    """
    if row is None:
        return ""
    if not row["median_ms"]:
        return row["note"].split(":")[0]
    if not row["ratio"]:
        return f"({format_ms(row)})"
    return f"{float(row['ratio']):.2f} ({format_ms(row)})"


def time_table(
    rows: list[Row],
    title: str,
    line_name: Callable[[Row], str],
    column_name: Callable[[Row], str],
) -> str:
    """Return a table of ratios and milliseconds.

    Args:
        rows: of one kind, in the order of lines and columns.
        title: of the first column.
        line_name: returns the line of a row.
        column_name: returns the column of a row.
    """
    by_name = {(line_name(row), column_name(row)): row for row in rows}
    lines = dict.fromkeys(map(line_name, rows))
    columns = dict.fromkeys(map(column_name, rows))
    cells = [
        [line, *(format_time(by_name.get((line, column))) for column in columns)]
        for line in lines
    ]
    return markdown_table([title, *columns], cells)


def peer_names(rows: list[Row]) -> list[str]:
    """Return the peers of some rows, in the order of the registry.

    Args:
        rows: of the table.
    """
    names = {row["peer"] for row in rows}
    return [name for name in PEERS if name in names]


def sort_by_peer(rows: list[Row]) -> list[Row]:
    """Return rows in the order of the registry.

    Args:
        rows: of the table.
    """
    return [row for name in peer_names(rows) for row in rows if row["peer"] == name]


def format_shape(row: Row) -> str:
    """Return B, T, D and H.

    Args:
        row: of the table.
    """
    return ", ".join(row[name] for name in "BTDH")


def fastest(
    rows: list[Row], names: Collection[str], include_padding: bool = False
) -> Row | None:
    """Return the row of the fastest of some peers that do the same work as ours.

    Args:
        rows: of one case and kind.
        names: of the peers.
        include_padding: also accept peers that compute the padding of ragged rows.
    """
    candidates = [
        row
        for row in rows
        if row["peer"] in names
        and row["ratio"]
        and (include_padding or PEERS[row["peer"]].uses_lengths or row["ragged"] == "0")
    ]
    return min(candidates, key=lambda row: float(row["ratio"]), default=None)
