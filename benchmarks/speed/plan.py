"""The command line, and the cases that it selects."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from benchmarks.speed.cases import (
    CONV,
    LINEAR_CELLS,
    MATRIX_CELLS,
    QUICK_SHAPES,
    SHAPES,
    Case,
    Device,
    DType,
    GridCell,
    Kind,
)
from benchmarks.speed.peers import PEERS
from benchmarks.speed.table import TABLE

Part = Literal["grid", "images", "parallel", "length", "width", "memory", "linear"]
DEFAULT_PARTS: dict[Device, tuple[Part, ...]] = {
    "cpu": ("grid", "images", "parallel", "length", "width", "memory"),
    "gpu": ("grid", "images", "linear"),
}
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
WIDTHS = (32, 64, 128, 256, 512, 1024)
MEMORY_SHAPE = (32, 128, 256, 256)
PARALLEL_SHAPES = (
    (32, 64, 128, 128),
    (8, 256, 128, 128),
    (1, 1024, 128, 128),
    (1, 16384, 128, 128),
)
IMAGE_SHAPES = ((32, 10, 1, 16), (16, 12, 3, 32), (8, 16, 32, 64))
STACKS = {"one": (1, False), "two": (2, True)}  # layers, bidirectional
# Time on a GPU is limited: the simplest and the most complex combination.
GPU_STACKS = (("one", "full"), ("two", "ragged"))
LINEAR_SHAPE = (32, (64, 512, 4096), 128, 256)  # B, all T, D, H
# The order of the cells on a GPU, the most important first.
GPU_ORDER = (
    *("lstm", "gru", *LINEAR_CELLS, "rnn", "reset_before_gru", "reset_after_mgu"),
    *(CONV, *MATRIX_CELLS),
)


@dataclass(frozen=True)
class Config:
    """Time recurrent layers of several libraries side by side."""

    device: Device = "cpu"
    """Where all libraries run."""
    dtype: DType = "float32"
    """Of inputs and matrix products; parameters stay float32, except those of PyTorch
    and Equinox."""
    parts: tuple[Part, ...] = ()
    """grid: cells and shapes; images: ConvLSTM; parallel: our linear cells against
    their loop; length, width: an LSTM against T and against H; memory: of a training
    step; linear: our linear cells against T. By default all but linear, or on a GPU
    grid, images and linear."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Libraries, by their names in the tables; ours is always included."""
    cells: tuple[GridCell, ...] = get_args(GridCell)
    """Cells of the grid."""
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES
    """B T D H of the grid, four numbers for each shape."""
    kinds: tuple[Kind, ...] = ("forward", "step")
    """Forward pass, and training step."""
    stacks: tuple[Literal["one", "two"], ...] = ("one", "two")
    """One layer, and two bidirectional layers, in the grid. On a GPU one layer has full
    rows and two have ragged ones."""
    rows: tuple[Literal["full", "ragged"], ...] = ("full", "ragged")
    """Rows of one length, and of lengths from T/4 to T, in the grid."""
    rounds: int = 7
    """Turns of each library."""
    seconds: float = 0.1
    """Minimum duration of a turn."""
    minutes: float | None = None
    """Minutes after which no new case starts; on a GPU at most half of them are spent
    on compilation."""
    threads: int | None = None
    """Cores that each library may use; by default all that this process may use."""
    quick: bool = False
    """A test run: one tiny shape, two rounds, into runs/speed-quick.csv."""
    remeasure: bool = False
    """Also measure cases that the table already has."""
    table: Path = TABLE
    """The table that rows are merged into."""
    page: bool = False
    """Only write docs/generated/speed.md, or the page of --table next to it."""


def cases(config: Config) -> list[tuple[Part, Case]]:
    """Return the selected cases: part by part, on a GPU cell by cell.

    Args:
        config: the flags.

    Raises:
        SystemExit: if a part does not exist on the device.
    """
    if config.device == "gpu" and "memory" in config.parts:
        raise SystemExit("--parts memory measures CPU memory: use --device cpu")
    parts = config.parts or DEFAULT_PARTS[config.device]
    selected: list[tuple[Part, Case]] = [
        (part, replace(case, device=config.device, dtype=config.dtype))
        for part in parts
        for case in _cases_of_part(part, config)
    ]
    if config.device == "gpu":
        selected.sort(key=_gpu_rank)
    return selected


def _gpu_rank(item: tuple[Part, Case]) -> int:
    """Return the position of a case; the linear part follows the GRUs of the grid."""
    part, case = item
    return GPU_ORDER.index(LINEAR_CELLS[0] if part == "linear" else case.cell)


def _cases_of_part(part: Part, config: Config) -> list[Case]:
    """Return the cases of one part."""
    if part == "grid":
        return [
            Case(cell, *shape, *STACKS[stack], ragged=rows == "ragged")
            for stack in config.stacks
            for rows in config.rows
            if config.device == "cpu" or (stack, rows) in GPU_STACKS
            for cell in config.cells
            for shape in config.shapes
        ]
    if part == "images":
        shapes = QUICK_SHAPES if config.quick else IMAGE_SHAPES
        return [Case(CONV, *shape) for shape in shapes]
    if part == "parallel":
        shapes = QUICK_SHAPES if config.quick else PARALLEL_SHAPES
        cells = LINEAR_CELLS + MATRIX_CELLS
        return [Case(cell, *shape) for cell in cells for shape in shapes]
    if part == "length":
        lengths = (5, 9) if config.quick else LENGTHS
        return [Case("lstm", 16, T, 128, 128) for T in lengths]
    if part == "width":
        widths = (3, 5) if config.quick else WIDTHS
        return [Case("lstm", 32, 64, 128, H) for H in widths]
    if part == "linear":
        B, lengths, D, H = (2, (5, 9), 3, 4) if config.quick else LINEAR_SHAPE
        cells = ("lstm", "gru", *LINEAR_CELLS)
        return [Case(cell, B, T, D, H) for cell in cells for T in lengths]
    shape = QUICK_SHAPES[0] if config.quick else MEMORY_SHAPE
    return [Case("lstm", *shape, *stack) for stack in STACKS.values()]
