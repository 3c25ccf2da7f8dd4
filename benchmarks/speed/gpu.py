"""The page's sections on GPUs: what is aimed at, and the linear cells."""

from math import exp, log
from statistics import mean

from benchmarks.speed.cases import LINEAR, Case
from benchmarks.speed.marks import KINDS, fastest, lines, milliseconds
from benchmarks.speed.table import Row, case_of

TORCH = ("torch", "torch packed")
FLAX = ("linen", "linen optimized", "nnx", "nnx optimized")
LONG = 4096
# Cell, rivals by the name of their library, and what the ratio of the times shall be at
# least.
GOALS = (
    ("lstm", {"PyTorch": TORCH}, 0.95),
    ("gru", {"Flax": FLAX, "Keras": ("keras",)}, 2.0),
    ("rnn", {"Flax": FLAX, "Keras": ("keras",)}, 2.0),
)
LINEAR_GOAL = 10.0


def section(rows: list[Row], heading: str) -> list[str]:
    """Return what a GPU's section begins with.

    Args:
        rows: of one GPU and dtype.
        heading: what a heading of this depth begins with.
    """
    grid = [row for row in rows if row["part"] == "grid"]
    linear = [row for row in rows if row["part"] == "linear"]
    return [
        *goals(grid, linear, heading),
        *(against_length(linear, heading) if linear else []),
    ]


def goals(grid: list[Row], linear: list[Row], heading: str) -> list[str]:
    """Return a table of what is aimed at and what was found.

    Args:
        grid: rows of the grid.
        linear: rows of the linear part.
        heading: what a heading of this depth begins with.
    """
    table = []
    for cell, rivals, least in GOALS:
        own = [row for row in grid if row["cell"] == cell]
        peers = {row["peer"] for row in own}
        # Those that were not measured are not named.
        found = {told: names for told, names in rivals.items() if peers & {*names}}
        names = tuple(name for names in found.values() for name in names)
        nearest = [fastest(rows, names) for rows in _by_case(own).values()]
        ratios = [float(row["ratio"]) for row in nearest if row]
        told = "the fastest of " * (len(found) > 1) + " and ".join(found)
        table += _goal(f"{cell} against {told}", ratios, least)
    gains = [
        gain
        for kind in KINDS
        for cell in LINEAR
        if (gain := _gains(linear, kind, cell).get(LONG))
    ]
    told = f"{', '.join(LINEAR)} against our LSTM at T = {LONG}"
    table += _goal(told, gains, LINEAR_GOAL)
    if not table:
        return []
    header = ["goal", "at least", "geometric mean", "least", "most", "reached"]
    said = (
        "Ratios of the times, forward and step; above 1 ours, or the linear cell, is "
    )
    said += "faster. Libraries that run over the padding count on full rows only."
    return [f"{heading} Goals", "", said, "", *lines(header, table)]


def _goal(told: str, ratios: list[float], least: float) -> list[list[str]]:
    """Return the line of a goal, none if nothing was measured."""
    if not ratios:
        return []
    reached = f"{sum(ratio >= least for ratio in ratios)} of {len(ratios)}"
    figures = (exp(mean(map(log, ratios))), min(ratios), max(ratios))
    return [[told, f"{least:g}", *(f"{figure:.2f}" for figure in figures), reached]]


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
            gains = _gains(linear, kind, cell)
            table.append([
                cell,
                *(
                    f"{milliseconds(by[T])} ({gains[T]:.2f})" if T in gains
                    else milliseconds(by[T]) if T in by else ""
                    for T in lengths
                ),
            ])  # fmt: skip
        fixed = ", ".join(f"{name} = {some[0][name]}" for name in "BDH")
        found += [f"{heading} {title} of ours against T", ""]
        found += [f"{fixed}. Milliseconds; in brackets how often that goes into the "]
        found[-1] += "time of our LSTM."
        found += ["", *lines(["T", *map(str, lengths)], table)]
    return found


def _gains(linear: list[Row], kind: str, cell: str) -> dict[int, float]:
    """Return how many times faster than our LSTM a cell is, by T."""
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


def _by_case(rows: list[Row]) -> dict[tuple[Case, str], list[Row]]:
    """Return rows by case and kind."""
    found: dict[tuple[Case, str], list[Row]] = {}
    for row in rows:
        found.setdefault((case_of(row), row["kind"]), []).append(row)
    return found
