"""Sections on our linear cells: against their loop, and against T."""

from benchmarks.csv_table import Row
from benchmarks.pages import markdown_table
from benchmarks.speed.formatting import (
    KINDS,
    format_ms,
    format_shape,
    read_captions,
    time_table,
)
from benchmarks.speed.peers import SCAN

LONG = 4096  # the T of the goal


def reference_lstm(rows: list[Row]) -> str:
    """Return the name of the LSTM that the linear cells are compared with.

    Args:
        rows: of the linear part.
    """
    has_kernels = any("rnn-zoo-native" in row["versions"] for row in rows)
    return "our LSTM" if has_kernels else "our LSTM without kernels"


def speedups(rows: list[Row], kind: str, cell: str) -> dict[int, float]:
    """Return how many times as fast as our LSTM a cell is, by T.

    Args:
        rows: of the linear part.
        kind: forward, step.
        cell: its name.
    """
    times = {
        (row["cell"], int(row["T"])): float(row["median_ms"])
        for row in rows
        if row["kind"] == kind and row["median_ms"]
    }
    return {
        T: times["lstm", T] / time
        for (name, T), time in times.items()
        if name == cell and ("lstm", T) in times
    }


def length_section(rows: list[Row], heading: str) -> list[str]:
    """Return the times of our cells against T.

    Args:
        rows: of the linear part.
        heading: Markdown prefix of the headings.
    """
    lines: list[str] = []
    for kind, title in KINDS.items():
        measured = [row for row in rows if row["kind"] == kind and row["median_ms"]]
        if not measured:
            continue
        lengths = sorted({int(row["T"]) for row in measured})
        table = []
        for cell in dict.fromkeys(row["cell"] for row in measured):
            by_length = {int(row["T"]): row for row in measured if row["cell"] == cell}
            ratios = speedups(rows, kind, cell)
            times = []
            for T in lengths:
                time = format_ms(by_length[T]) if T in by_length else ""
                times.append(f"{time} ({ratios[T]:.2f})" if T in ratios else time)
            table.append([cell, *times])
        caption = read_captions()["linear"].format(
            sizes=", ".join(f"{name} = {measured[0][name]}" for name in "BDH"),
            reference=reference_lstm(rows),
        )
        lines += [f"{heading} {title} of ours against T", "", caption, ""]
        lines += [markdown_table(["T", *map(str, lengths)], table), ""]
    return lines


def parallel_section(rows: list[Row], heading: str) -> list[str]:
    """Return the times of our cells in parallel over time, and of their loops.

    Args:
        rows: of the parallel part, of one machine.
        heading: Markdown prefix of the headings.
    """

    def line_name(row: Row) -> str:
        return row["cell"] + ", loop" * (row["peer"] == SCAN)

    lines: list[str] = []
    for kind, title in KINDS.items():
        measured = [row for row in rows if row["kind"] == kind]
        if measured:
            lines += [f"{heading} {title} of cells that are linear in their state", ""]
            lines += [read_captions()["parallel"], ""]
            lines += [time_table(measured, "B, T, D, H", line_name, format_shape), ""]
    return lines
