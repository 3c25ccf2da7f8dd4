"""The goals for the speed, and whether they are reached."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.csv_table import Row
from benchmarks.pages import markdown_table
from benchmarks.speed.cases import CONV, LINEAR_CELLS, Case, Kind
from benchmarks.speed.formatting import (
    KINDS,
    ROWS,
    fastest,
    geometric_mean,
    read_captions,
)
from benchmarks.speed.linear_cells import LONG, reference_lstm, speedups
from benchmarks.speed.peers import OURS, REMAT
from benchmarks.speed.table import case_of

# The peers of each library.
TORCH = {"PyTorch": ("torch", "torch packed")}
FLAX = {"Flax": ("linen", "linen optimized", "nnx", "nnx optimized")}
KERAS, EQUINOX, HAIKU = (
    {name: (name.lower(),)} for name in ("Keras", "Equinox", "Haiku")
)


class Goal(NamedTuple):
    """A lower bound for the time of other libraries divided by ours.

    Attributes:
        cell: its name.
        rivals: the names of the peers by library.
        minimum: the lowest ratio that reaches the goal.
        kinds: forward, step.
        ragged: values of the column.
        include_padding: also compare with peers that compute the padding.
        suffix: of the cell's name, for a variant.
    """

    cell: str
    rivals: Mapping[str, tuple[str, ...]]
    minimum: float
    kinds: tuple[Kind, ...] = ("forward", "step")
    ragged: tuple[str, ...] = ("0", "1")
    include_padding: bool = False
    suffix: str = ""

    def ratios(self, rows: list[Row]) -> tuple[str, list[float]]:
        """Return the description of the goal, and the ratio of each case.

        Args:
            rows: of the grid and of images, of one machine.
        """
        rows = [
            row
            for row in rows
            if row["cell"] == self.cell
            and row["kind"] in self.kinds
            and row["ragged"] in self.ragged
        ]
        measured = {row["peer"] for row in rows}
        rivals = {
            library: names
            for library, names in self.rivals.items()
            if measured & {*names}
        }
        peers = [name for names in rivals.values() for name in names]
        by_case: dict[tuple[Case, str], list[Row]] = {}
        for row in rows:
            by_case.setdefault((case_of(row), row["kind"]), []).append(row)
        best = (fastest(case, peers, self.include_padding) for case in by_case.values())
        ratios = [float(row["ratio"]) for row in best if row]
        return self._description(list(rivals)), ratios

    def _description(self, libraries: list[str]) -> str:
        """Return the description, with the libraries that were measured."""
        subject = [self.cell + self.suffix]
        if len(self.kinds) == 1:
            subject.append(KINDS[self.kinds[0]].lower())
        if len(self.ragged) == 1:
            subject.append(ROWS[self.ragged[0]])
        *others, last = libraries or ["others"]
        rival = f"the fastest of {', '.join(others)} and {last}" if others else last
        return f"{', '.join(subject)} against {rival}"


GPU_GOALS = (
    Goal("lstm", TORCH, 0.95),
    Goal("gru", FLAX | KERAS, 2.0),
    Goal("rnn", FLAX | KERAS, 2.0),
    Goal("reset_before_gru", KERAS, 2.0),
    Goal("reset_after_mgu", FLAX, 2.0),
    Goal(CONV, FLAX | KERAS, 2.0),
)
CPU_GOALS = (
    Goal("lstm", FLAX | HAIKU | EQUINOX | KERAS, 1.3, ("step",)),
    Goal("gru", FLAX | EQUINOX | KERAS, 1.3, ("step",)),
    Goal("gru", HAIKU, 1.3, ("step",), suffix=" in Haiku's form"),
    Goal("reset_before_gru", KERAS, 1.3, ("step",)),
    Goal("reset_after_mgu", FLAX, 1.3, ("step",)),
    Goal(CONV, FLAX | KERAS, 1.3, ("step",)),
    *(Goal(cell, TORCH, 1.0, ("step",), ("0",)) for cell in ("lstm", "gru")),
    *(Goal(cell, TORCH, 1.2, ("step",), ("1",), True) for cell in ("lstm", "gru")),
    *(
        Goal(cell, TORCH, 1.0, ("forward",), include_padding=True)
        for cell in ("lstm", "gru")
    ),
)
LINEAR_MINIMUM, RAGGED_MINIMUM, MEMORY_MINIMUM, REMAT_MINIMUM = 10.0, 0.95, 1.0, 2.0


def goals_section(rows: list[Row], heading: str) -> list[str]:
    """Return a table of the goals and the measured ratios.

    Args:
        rows: of one machine and dtype.
        heading: Markdown prefix of the heading.
    """
    grid = [row for row in rows if row["part"] in ("grid", "images")]
    on_cpu = any(row["device"] == "cpu" for row in rows)
    table = []
    for goal in CPU_GOALS if on_cpu else GPU_GOALS:
        description, ratios = goal.ratios(grid)
        table += _line(description, ratios, goal.minimum)
    description = "ours, ragged rows against full ones"
    table += _line(description, list(_full_over_ragged(grid)), RAGGED_MINIMUM)
    description = "memory of a training step, Flax divided by ours"
    table += _line(description, list(_memory_ratios(rows, OURS)), MEMORY_MINIMUM)
    description += " with remat"
    table += _line(description, list(_memory_ratios(rows, REMAT)), REMAT_MINIMUM)
    linear = [row for row in rows if row["part"] == "linear"]
    cells = [(kind, cell) for kind in KINDS for cell in LINEAR_CELLS]
    ratios = [speedups(linear, kind, cell).get(LONG) for kind, cell in cells]
    description = f"{', '.join(LINEAR_CELLS)} against {reference_lstm(linear)}"
    description += f" at T = {LONG}"
    table += _line(description, [ratio for ratio in ratios if ratio], LINEAR_MINIMUM)
    if not table:
        return []
    header = ["goal", "at least", "geometric mean", "lowest", "highest", "reached"]
    caption = read_captions()["goals"]
    return [f"{heading} Goals", "", caption, "", markdown_table(header, table), ""]


def _line(description: str, ratios: list[float], minimum: float) -> list[list[str]]:
    """Return the line of a goal; none if nothing was measured."""
    if not ratios:
        return []
    reached = f"{sum(ratio >= minimum for ratio in ratios)} of {len(ratios)}"
    statistics = (geometric_mean(ratios), min(ratios), max(ratios))
    numbers = [f"{value:.2f}" for value in statistics]
    return [[description, f"{minimum:g}", *numbers, reached]]


def _full_over_ragged(rows: list[Row]) -> Iterator[float]:
    """Yield our time on full rows divided by that on ragged rows, of each case."""
    times = {
        (case_of(row), row["kind"]): float(row["median_ms"])
        for row in rows
        if row["peer"] == OURS and row["median_ms"]
    }
    for (case, kind), time in times.items():
        full = (case.with_full_rows, kind)
        if case.ragged and full in times:
            yield times[full] / time


def _memory_ratios(rows: list[Row], peer: str) -> Iterator[float]:
    """Yield the memory of Flax's compiled steps divided by that of a peer."""
    memory = {
        (case_of(row), row["peer"]): float(row["step_mb"])
        for row in rows
        # Zero is below the resolution of the measurement.
        if row["part"] == "memory" and float(row["step_mb"] or 0)
    }
    for (case, name), ours in memory.items():
        if name == peer and (case, "linen") in memory:
            yield memory[case, "linen"] / ours
