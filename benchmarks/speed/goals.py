"""Speed goals, and whether they are reached."""

from collections.abc import Iterator, Mapping
from math import exp, log
from statistics import mean
from typing import NamedTuple

from benchmarks.speed.cases import CONV, LINEAR, Kind
from benchmarks.speed.linear_cells import LONG, gains, rival
from benchmarks.speed.marks import KINDS, fastest, lines
from benchmarks.speed.peers import OURS, REMAT
from benchmarks.speed.table import Row, case_of

TORCH = {"PyTorch": ("torch", "torch packed")}
FLAX = {"Flax": ("linen", "linen optimized", "nnx", "nnx optimized")}
KERAS, EQUINOX, HAIKU = (
    {name: (name.lower(),)} for name in ("Keras", "Equinox", "Haiku")
)


class Goal(NamedTuple):
    """A lower bound of the ratio of the time of others to ours.

    Attributes:
        cell: its name.
        rivals: the names of peers by library.
        least: the ratio.
        kinds: forward, step.
        rows: full or ragged, as the table has it.
        padding: whether those count on ragged rows too that run over the padding.
        form: of the cell, if it is another one.
    """

    cell: str
    rivals: Mapping[str, tuple[str, ...]]
    least: float
    kinds: tuple[Kind, ...] = ("forward", "step")
    rows: tuple[str, ...] = ("0", "1")
    padding: bool = False
    form: str = ""

    def ratios(self, grid: list[Row]) -> tuple[str, list[float]]:
        """Return the description of the goal, and the ratio of each case.

        Args:
            grid: rows of the grid, and of images, of one machine.
        """
        own = [
            row
            for row in grid
            if row["cell"] == self.cell
            and row["kind"] in self.kinds
            and row["ragged"] in self.rows
        ]
        peers = {row["peer"] for row in own}
        # Those that were not measured are not named.
        found = {told: n for told, n in self.rivals.items() if peers & {*n}}
        names = [name for several in found.values() for name in several]
        of_case: dict[object, list[Row]] = {}
        for row in own:
            of_case.setdefault((case_of(row), row["kind"]), []).append(row)
        nearest = (fastest(rows, names, self.padding) for rows in of_case.values())
        what = [self.cell + self.form]
        if len(self.kinds) == 1:
            what.append(KINDS[self.kinds[0]].lower())
        if len(self.rows) == 1:
            what.append("ragged rows" if self.rows == ("1",) else "full rows")
        *most, last = found or ("others",)
        nearest_of = f"the fastest of {', '.join(most)} and {last}" if most else last
        told = f"{', '.join(what)} against {nearest_of}"
        return told, [float(row["ratio"]) for row in nearest if row]


ON_GPU = (
    Goal("lstm", TORCH, 0.95),
    Goal("gru", FLAX | KERAS, 2.0),
    Goal("rnn", FLAX | KERAS, 2.0),
    Goal("reset_before_gru", KERAS, 2.0),
    Goal("reset_after_mgu", FLAX, 2.0),
    Goal(CONV, FLAX | KERAS, 2.0),
)
ON_CPU = (
    Goal("lstm", FLAX | HAIKU | EQUINOX | KERAS, 1.3, ("step",)),
    Goal("gru", FLAX | EQUINOX | KERAS, 1.3, ("step",)),
    Goal("gru", HAIKU, 1.3, ("step",), form=" in Haiku's form"),
    Goal("reset_before_gru", KERAS, 1.3, ("step",)),
    Goal("reset_after_mgu", FLAX, 1.3, ("step",)),
    Goal(CONV, FLAX | KERAS, 1.3, ("step",)),
    *(Goal(cell, TORCH, 1.0, ("step",), ("0",)) for cell in ("lstm", "gru")),
    *(Goal(cell, TORCH, 1.2, ("step",), ("1",), True) for cell in ("lstm", "gru")),
    *(Goal(c, TORCH, 1.0, ("forward",), padding=True) for c in ("lstm", "gru")),
)
LINEAR_GOAL, MASK_GOAL, MEMORY_GOAL, REMAT_GOAL = 10.0, 0.95, 1.0, 2.0
CAPTION = """\
The time of other libraries divided by ours in the same round; above 1 ours is faster.
PyTorch is the faster of padded and packed rows. On ragged rows, only libraries that use
the lengths count."""


def goals(rows: list[Row], heading: str) -> list[str]:
    """Return a table of the goals and the measured ratios.

    Args:
        rows: of one machine and dtype.
        heading: what a heading of this depth begins with.
    """
    grid = [row for row in rows if row["part"] in ("grid", "images")]
    on_cpu = any(row["device"] == "cpu" for row in rows)
    table = []
    for goal in ON_CPU if on_cpu else ON_GPU:
        table += _line(*goal.ratios(grid), goal.least)
    table += _line("ours, ragged rows against full ones", list(_masks(grid)), MASK_GOAL)
    for peer, how, least in (
        (OURS, "", MEMORY_GOAL),
        (REMAT, " with remat", REMAT_GOAL),
    ):
        told = f"memory of a training step, Flax divided by ours{how}"
        table += _line(told, list(_memory(rows, peer)), least)
    linear = [row for row in rows if row["part"] == "linear"]
    long = [
        gain
        for kind in KINDS
        for cell in LINEAR
        if (gain := gains(linear, kind, cell).get(LONG))
    ]
    told = f"{', '.join(LINEAR)} against {rival(linear)} at T = {LONG}"
    table += _line(told, long, LINEAR_GOAL)
    if not table:
        return []
    header = ["goal", "at least", "geometric mean", "lowest", "highest", "reached"]
    return [f"{heading} Goals", "", *CAPTION.splitlines(), "", *lines(header, table)]


def _line(told: str, ratios: list[float], least: float) -> list[list[str]]:
    """Return the row of a goal; none if nothing was measured."""
    if not ratios:
        return []
    reached = f"{sum(ratio >= least for ratio in ratios)} of {len(ratios)}"
    figures = (exp(mean(map(log, ratios))), min(ratios), max(ratios))
    return [[told, f"{least:g}", *(f"{figure:.2f}" for figure in figures), reached]]


def _masks(grid: list[Row]) -> Iterator[float]:
    """Yield our time on full rows divided by that on ragged rows, of each case."""
    times = {
        (case_of(row), row["kind"]): float(row["median_ms"])
        for row in grid
        if row["peer"] == OURS and row["median_ms"]
    }
    for (case, kind), time in times.items():
        if case.ragged and (case.full, kind) in times:
            yield times[case.full, kind] / time


def _memory(rows: list[Row], peer: str) -> Iterator[float]:
    """Yield the memory of Flax's compiled steps divided by ours."""
    taken = {
        (case_of(row), row["peer"]): float(row["step_mb"])
        for row in rows
        # One too small to be seen is compared with nothing.
        if row["part"] == "memory" and float(row["step_mb"] or 0)
    }
    for (case, name), ours in taken.items():
        if name == peer and (case, "linen") in taken:
            yield taken[case, "linen"] / ours
