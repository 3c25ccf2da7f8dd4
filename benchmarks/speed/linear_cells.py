"""Our linear cells, beside the loop, and against T."""

from benchmarks.speed.captions import PARALLEL
from benchmarks.speed.marks import KINDS, crossed, lines, milliseconds, shape
from benchmarks.speed.peers import SCAN
from benchmarks.speed.table import Row

LONG = 4096  # where the linear cells shall be ten times as fast as the LSTM


def rival(linear: list[Row]) -> str:
    """Return what the linear cells are compared with.

    Args:
        linear: rows of the part.
    """
    kernels = any("rnn-zoo-native" in row["versions"] for row in linear)
    return "our LSTM" if kernels else "our LSTM without kernels"


def against_length(linear: list[Row], heading: str) -> list[str]:
    """Return the times of our cells against T.

    Args:
        linear: rows of the part.
        heading: what a heading of this depth begins with.
    """
    found: list[str] = []
    for kind, title in KINDS.items():
        some = [row for row in linear if row["kind"] == kind and row["median_ms"]]
        if not some:
            continue
        lengths = sorted({int(row["T"]) for row in some})
        table = []
        for cell in dict.fromkeys(row["cell"] for row in some):
            by = {int(row["T"]): row for row in some if row["cell"] == cell}
            times = gains(linear, kind, cell)
            table.append([
                cell,
                *(
                    f"{milliseconds(by[T])} ({times[T]:.2f})" if T in times
                    else milliseconds(by[T]) if T in by else ""
                    for T in lengths
                ),
            ])  # fmt: skip
        fixed = ", ".join(f"{name} = {some[0][name]}" for name in "BDH")
        found += [f"{heading} {title} of ours against T", ""]
        found += [f"{fixed}. Milliseconds; in brackets, how many times as fast as "]
        found[-1] += f"{rival(linear)}."
        found += ["", *lines(["T", *map(str, lengths)], table)]
    return found


def gains(linear: list[Row], kind: str, cell: str) -> dict[int, float]:
    """Return how many times faster than our LSTM a cell is, by T.

    Args:
        linear: rows of the part.
        kind: forward, step.
        cell: its name.
    """
    times = {
        (row["cell"], int(row["T"])): float(row["median_ms"])
        for row in linear
        if row["kind"] == kind and row["median_ms"]
    }
    return {
        T: times["lstm", T] / time
        for (name, T), time in times.items()
        if name == cell and ("lstm", T) in times
    }


def at_once(rows: list[Row], heading: str) -> list[str]:
    """Return the times of our cells that take all steps at once, and of their loops.

    Args:
        rows: of the part, of one machine.
        heading: what a heading of this depth begins with.
    """

    def line(row: Row) -> str:
        return row["cell"] + ", loop" * (row["peer"] == SCAN)

    found: list[str] = []
    for kind, title in KINDS.items():
        some = [r for r in rows if r["kind"] == kind]
        if some:
            found += [f"{heading} {title} of cells that are linear in their state", ""]
            found += [PARALLEL, "", *crossed(some, "B, T, D, H", line, shape)]
    return found
