"""The command line, and the cases that it asks for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.speed.cases import QUICK, SHAPES, Case, Kind
from benchmarks.speed.peers import PEERS
from benchmarks.speed.table import TABLE

Part = Literal["grid", "length", "width", "memory"]
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
WIDTHS = (32, 64, 128, 256, 512, 1024)
MEMORY = (32, 128, 256, 256)
STACKS = {"one": (1, False), "two": (2, True)}  # layers, both directions


@dataclass(frozen=True)
class Config:
    """Time recurrent layers of several libraries side by side."""

    parts: tuple[Part, ...] = ("grid", "length", "width", "memory")
    """The grid of cells and shapes; an LSTM against T, and against H; memory."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Libraries, by their names in the tables; ours is always there."""
    cells: tuple[Literal["rnn", "lstm", "gru"], ...] = ("rnn", "lstm", "gru")
    """Cells of the grid."""
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES
    """B T D H of the grid, four numbers for each shape."""
    kinds: tuple[Kind, ...] = ("forward", "step")
    """Forward, and the training step."""
    stacks: tuple[Literal["one", "two"], ...] = ("one", "two")
    """One layer, and two layers in both directions, in the grid."""
    rows: tuple[Literal["full", "ragged"], ...] = ("full", "ragged")
    """Rows of one length, and of lengths from T/4 to T, in the grid."""
    rounds: int = 7
    """Times that each library has its turn."""
    seconds: float = 0.1
    """Seconds that a turn lasts at least."""
    threads: int | None = None
    """Cores that each library may use; by default all that this process may."""
    quick: bool = False
    """One tiny shape, two rounds: does it run? Into runs/speed-quick.csv."""
    again: bool = False
    """Measure also what is in the table already."""
    table: Path = TABLE
    """The table that rows go into."""
    page: bool = False
    """Measure nothing: write docs/speed.md, or the page beside --table, from it."""


def cases(config: Config) -> list[tuple[Part, Case]]:
    """Return what is to be measured, the grid first.

    Args:
        config: the flags.
    """
    return [(part, case) for part in config.parts for case in _cases(part, config)]


def _cases(part: Part, config: Config) -> list[Case]:
    """Return the cases of one part."""
    if part == "grid":
        return [
            Case(cell, *shape, *STACKS[stack], ragged=rows == "ragged")
            for stack in config.stacks
            for rows in config.rows
            for cell in config.cells
            for shape in config.shapes
        ]
    if part == "length":
        lengths = (5, 9) if config.quick else LENGTHS
        return [Case("lstm", 16, T, 128, 128) for T in lengths]
    if part == "width":
        widths = (3, 5) if config.quick else WIDTHS
        return [Case("lstm", 32, 64, 128, H) for H in widths]
    shape = QUICK[0] if config.quick else MEMORY
    return [Case("lstm", *shape, *stack) for stack in STACKS.values()]
