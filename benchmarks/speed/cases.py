"""What is measured: cells, shapes, and the numbers that every library is given.

Only numpy: a worker imports nothing that its library does not need.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

Kind = Literal["forward", "step"]
Device = Literal["cpu", "gpu"]
DType = Literal["float32", "bfloat16"]
Gated = Literal["rnn", "lstm", "gru", "reset_before_gru", "reset_after_mgu"]
Weights = list[list[dict[str, np.ndarray]]]  # by layer, then by direction

GATES = {"rnn": 1, "lstm": 4, "gru": 3, "reset_before_gru": 3, "reset_after_mgu": 2}
# Ours alone, with weights as they are drawn: of a vector, and of a matrix.
LINEAR, MATRIX = ("lru", "mingru", "hgrn"), ("gla", "mlstm", "deltanet")
CONV, SPACE, KERNEL = "conv_lstm", (16, 16), (3, 3)  # over images, with filters
SHAPES = (  # (B, T, D, H)
    (32, 64, 100, 128),
    (32, 128, 256, 256),
    (64, 128, 128, 512),
    (8, 64, 100, 200),
    (1, 256, 256, 256),
)
QUICK = ((2, 5, 3, 4),)


@dataclass(frozen=True)
class Case:
    """One network and one batch.

    Attributes:
        cell: as `zoo.make` calls it, or `CONV`.
        B: rows.
        T: steps.
        D: input size; of `CONV` the channels of images of `SPACE`.
        H: hidden size.
        layers: how many.
        both: read in both directions.
        ragged: rows of different lengths.
        dtype: of the inputs and the products.
        device: where all of it is.
    """

    cell: str
    B: int
    T: int
    D: int
    H: int
    layers: int = 1
    both: bool = False
    ragged: bool = False
    dtype: DType = "float32"
    device: Device = "cpu"

    def __str__(self) -> str:
        words = f"{self.cell} {(self.B, self.T, self.D, self.H)} {self.layers} layer(s)"
        ways = " both ways" if self.both else ""
        where = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{words}{ways}, {'ragged' if self.ragged else 'full'}{where}"

    @property
    def full(self) -> "Case":
        """The same with rows that are all of length T."""
        return replace(self, ragged=False)

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.both else 1

    @property
    def space(self) -> tuple[int, ...]:
        """The axes of space of inputs and outputs."""
        return SPACE if self.cell == CONV else ()

    @property
    def output_size(self) -> int:
        """The size of one step's output."""
        return self.H * self.directions

    def widths(self) -> list[int]:
        """Return the input size of each layer."""
        return [self.D, *[self.output_size] * (self.layers - 1)]

    def lengths(self) -> np.ndarray:
        """Return the lengths of the rows: uniform in [T/4, T], or all T."""
        if not self.ragged:
            return np.full(self.B, self.T, np.int32)
        rng = np.random.default_rng(self.B + self.T)
        lengths = rng.integers(-(-self.T // 4), self.T + 1, self.B)
        return lengths.astype(np.int32)

    def mask(self) -> np.ndarray:
        """Return bool ``[B, T]``, True = a real token."""
        return np.arange(self.T) < self.lengths()[:, None]

    def entries(self) -> int:
        """Return how many outputs the mean of the loss is over."""
        return int(self.lengths().sum()) * prod(self.space) * self.output_size

    def x(self) -> np.ndarray:
        """Return the inputs ``[B, T, *space, D]``."""
        rng = np.random.default_rng(0)
        return rng.standard_normal((self.B, self.T, *self.space, self.D), np.float32)

    def weights(self) -> Weights:
        """Return W, U, b (and b_hn of a GRU or MGU) as our cells keep them.

        b_hn is zero, for not every library has it; its gradient is not. There are none
        for cells that only we have: those keep what they draw.
        """
        if self.cell not in (*GATES, CONV):
            return []
        kernel = KERNEL if self.cell == CONV else ()
        rng, bound = np.random.default_rng(1), (prod(kernel) * self.H) ** -0.5
        columns = (GATES | {CONV: 4})[self.cell] * self.H

        def uniform(*shape: int) -> np.ndarray:
            return rng.uniform(-bound, bound, shape).astype(np.float32)

        def cell(width: int) -> dict[str, np.ndarray]:
            found = {
                "W": uniform(*kernel, width, columns),
                "U": uniform(*kernel, self.H, columns),
            }
            found["b"] = uniform(columns)
            if self.cell in ("gru", "reset_after_mgu"):
                found["b_hn"] = np.zeros(self.H, np.float32)
            return found

        return [
            [cell(width) for _ in range(self.directions)] for width in self.widths()
        ]


def reorder(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """Put the gates, side by side on the last axis, into another order.

    Args:
        array: ``[..., G*H]``.
        order: which block comes first, second, ...
    """
    blocks = np.split(np.asarray(array), len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)


def flat(weights: Weights) -> dict[str, np.ndarray]:
    """Return weights, or their gradients, by one name each.

    Args:
        weights: by layer and direction.
    """
    return {
        f"layer {level}, direction {direction}, {name}": np.asarray(value, np.float32)
        for level, pair in enumerate(weights)
        for direction, cell in enumerate(pair)
        for name, value in cell.items()
    }
