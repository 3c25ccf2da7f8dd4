"""The command line, and the cases that it asks for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from benchmarks.speed.cases import (
    CONV,
    LINEAR,
    MATRIX,
    QUICK,
    SHAPES,
    Case,
    Device,
    DType,
    Gated,
    Kind,
)
from benchmarks.speed.peers import PEERS
from benchmarks.speed.table import TABLE

Part = Literal["grid", "images", "at once", "length", "width", "memory", "linear"]
PARTS: dict[Device, tuple[Part, ...]] = {
    "cpu": ("grid", "images", "at once", "length", "width", "memory"),
    "gpu": ("grid", "images", "linear"),
}
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
WIDTHS = (32, 64, 128, 256, 512, 1024)
MEMORY = (32, 128, 256, 256)
AT_ONCE = (
    (32, 64, 128, 128),
    (8, 256, 128, 128),
    (1, 1024, 128, 128),
    (1, 16384, 128, 128),
)
IMAGES = ((32, 10, 1, 16), (16, 12, 3, 32), (8, 16, 32, 64))
STACKS = {"one": (1, False), "two": (2, True)}  # layers, both directions
# A GPU is lent by the minute: the simplest of stacks and rows, and the richest.
ON_GPU = (("one", "full"), ("two", "ragged"))
LINEAR_SHAPE = (32, (64, 512, 4096), 128, 256)  # B, all T, D, H
# What is wanted most comes first.
ORDER = ("lstm", "gru", *LINEAR, "rnn", "reset_before_gru", "reset_after_mgu", CONV)
ORDER += MATRIX


@dataclass(frozen=True)
class Config:
    """Time recurrent layers of several libraries side by side."""

    device: Device = "cpu"
    """Where all libraries work."""
    dtype: DType = "float32"
    """Of inputs and products; parameters stay float32, except those of PyTorch and
    Equinox."""
    parts: tuple[Part, ...] = ()
    """The grid of cells and shapes; an LSTM of convolutions over images; our linear
    cells beside a loop; an LSTM against T, and against H; memory; our linear cells
    against T. By default all but the last, or on a GPU grid, images and linear."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Libraries, by their names in the tables; ours is always there."""
    cells: tuple[Gated, ...] = get_args(Gated)
    """Cells of the grid."""
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES
    """B T D H of the grid, four numbers for each shape."""
    kinds: tuple[Kind, ...] = ("forward", "step")
    """Forward, and the training step."""
    stacks: tuple[Literal["one", "two"], ...] = ("one", "two")
    """One layer, and two layers in both directions, in the grid. On a GPU one layer
    has full rows and two have ragged ones."""
    rows: tuple[Literal["full", "ragged"], ...] = ("full", "ragged")
    """Rows of one length, and of lengths from T/4 to T, in the grid."""
    rounds: int = 7
    """Times that each library has its turn."""
    seconds: float = 0.1
    """Seconds that a turn lasts at least."""
    minutes: float | None = None
    """Minutes after which no new case is begun; on a GPU half of them at most go into
    compiling."""
    threads: int | None = None
    """Cores that each library may use; by default all that this process may."""
    quick: bool = False
    """One tiny shape, two rounds: does it run? Into runs/speed-quick.csv."""
    again: bool = False
    """Measure also what is in the table already."""
    table: Path = TABLE
    """The table that rows go into."""
    page: bool = False
    """Only write docs/generated/speed.md, or the page of --table next to it."""


def cases(config: Config) -> list[tuple[Part, Case]]:
    """Return what is to be measured: part by part, on a GPU cell by cell.

    Args:
        config: the flags.

    Raises:
        SystemExit: if a part is not for the device.
    """
    if config.device == "gpu" and "memory" in config.parts:
        raise SystemExit("--parts memory is of the processor's memory, not of a GPU's")
    parts = config.parts or PARTS[config.device]
    found: list[tuple[Part, Case]] = [
        (part, replace(case, device=config.device, dtype=config.dtype))
        for part in parts
        for case in _cases(part, config)
    ]
    if config.device == "gpu":
        found.sort(key=_rank)
    return found


def _rank(found: tuple[Part, Case]) -> int:
    """Return the place of a case; the linear part stands behind the grid's GRU."""
    part, case = found
    return ORDER.index(LINEAR[0] if part == "linear" else case.cell)


def _cases(part: Part, config: Config) -> list[Case]:
    """Return the cases of one part."""
    if part == "grid":
        ways = [(stack, rows) for stack in config.stacks for rows in config.rows]
        return [
            Case(cell, *shape, *STACKS[stack], ragged=rows == "ragged")
            for stack, rows in ways
            if config.device == "cpu" or (stack, rows) in ON_GPU
            for cell in config.cells
            for shape in config.shapes
        ]
    if part == "images":
        return [Case(CONV, *s) for s in (QUICK if config.quick else IMAGES)]
    if part == "at once":
        shapes = QUICK if config.quick else AT_ONCE
        return [Case(cell, *shape) for cell in LINEAR + MATRIX for shape in shapes]
    if part == "length":
        lengths = (5, 9) if config.quick else LENGTHS
        return [Case("lstm", 16, T, 128, 128) for T in lengths]
    if part == "width":
        widths = (3, 5) if config.quick else WIDTHS
        return [Case("lstm", 32, 64, 128, H) for H in widths]
    if part == "linear":
        B, lengths, D, H = (2, (5, 9), 3, 4) if config.quick else LINEAR_SHAPE
        cells = ("lstm", "gru", *LINEAR)
        return [Case(cell, B, T, D, H) for cell in cells for T in lengths]
    shape = QUICK[0] if config.quick else MEMORY
    return [Case("lstm", *shape, *stack) for stack in STACKS.values()]
