"""The benchmark cases: cells, shapes, and the arrays that every library is given.

Imports only NumPy: a worker must not import more than its library needs.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import numpy as np

Kind = Literal["forward", "step"]
Device = Literal["cpu", "gpu"]
DType = Literal["float32", "bfloat16"]
GridCell = Literal["rnn", "lstm", "gru", "reset_before_gru", "reset_after_mgu"]
# Parameters or gradients of each layer and direction, under their names.
Weights = list[list[dict[str, Any]]]

NUM_GATES = {"rnn": 1, "lstm": 4, "gru": 3, "reset_before_gru": 3, "reset_after_mgu": 2}
# Cells that no other library has; they keep their own initial weights.
LINEAR_CELLS = ("lru", "mingru", "hgrn")
MATRIX_CELLS = ("gla", "mlstm", "deltanet")
CONV, IMAGE_SHAPE, KERNEL_SIZE = "conv_lstm", (16, 16), (3, 3)
SHAPES = (  # (B, T, D, H)
    (32, 64, 100, 128),
    (32, 128, 256, 256),
    (64, 128, 128, 512),
    (8, 64, 100, 200),
    (1, 256, 256, 256),
)
QUICK_SHAPES = ((2, 5, 3, 4),)


@dataclass(frozen=True)
class Case:
    """One network and one batch.

    Attributes:
        cell: its name in `zoo.make`, or `CONV`.
        B: rows.
        T: steps.
        D: input size; for `CONV` the channels of images of `IMAGE_SHAPE`.
        H: hidden size.
        layers: number of layers.
        bidirectional: whether each layer runs in both directions.
        ragged: whether the rows have different lengths.
        dtype: of the inputs and the matrix products.
        device: where the network runs.
    """

    cell: str
    B: int
    T: int
    D: int
    H: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False
    dtype: DType = "float32"
    device: Device = "cpu"

    def __str__(self) -> str:
        words = [f"{self.cell} {(self.B, self.T, self.D, self.H)}"]
        words.append(f"{self.layers} layer(s)")
        if self.bidirectional:
            words.append("bidirectional")
        rows = "ragged rows" if self.ragged else "full rows"
        dtype = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{' '.join(words)}, {rows}{dtype}"

    @property
    def with_full_rows(self) -> "Case":
        """The same case with rows of length T."""
        return replace(self, ragged=False)

    @property
    def directions(self) -> int:
        """1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The spatial axes of inputs and outputs."""
        return IMAGE_SHAPE if self.cell == CONV else ()

    @property
    def output_size(self) -> int:
        """The size of one step's output."""
        return self.H * self.directions

    def input_sizes(self) -> list[int]:
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
        """Return bool ``[B, T]``, True where a token is real."""
        return np.arange(self.T) < self.lengths()[:, None]

    def num_outputs(self) -> int:
        """Return the number of outputs at real tokens, over which the loss averages."""
        return int(self.lengths().sum()) * prod(self.image_shape) * self.output_size

    def x(self) -> np.ndarray:
        """Return the inputs ``[B, T, *image_shape, D]``."""
        shape = (self.B, self.T, *self.image_shape, self.D)
        return np.random.default_rng(0).standard_normal(shape, np.float32)

    def weights(self) -> Weights:
        """Return W, U, b (and b_hn of a GRU or MGU) in the layout of our cells.

        b_hn is zero, since not every library has it; its gradient is not. The list is
        empty for cells that no other library has.
        """
        if self.cell not in (*NUM_GATES, CONV):
            return []
        kernel = KERNEL_SIZE if self.cell == CONV else ()
        rng, bound = np.random.default_rng(1), (prod(kernel) * self.H) ** -0.5
        columns = (NUM_GATES | {CONV: 4})[self.cell] * self.H

        def uniform(*shape: int) -> np.ndarray:
            return rng.uniform(-bound, bound, shape).astype(np.float32)

        def cell_weights(input_size: int) -> dict[str, np.ndarray]:
            arrays = {
                "W": uniform(*kernel, input_size, columns),
                "U": uniform(*kernel, self.H, columns),
                "b": uniform(columns),
            }
            if self.cell in ("gru", "reset_after_mgu"):
                arrays["b_hn"] = np.zeros(self.H, np.float32)
            return arrays

        return [
            [cell_weights(size) for _ in range(self.directions)]
            for size in self.input_sizes()
        ]


def reorder_gates(array: Any, order: tuple[int, ...]) -> np.ndarray:
    """Return an array with its gates, concatenated on the last axis, reordered.

    Args:
        array: ``[..., G*H]``.
        order: the gate that comes first, second, ...
    """
    blocks = np.split(np.asarray(array), len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)


def flatten_weights(weights: Weights) -> dict[str, np.ndarray]:
    """Return weights, or their gradients, as one dict.

    Args:
        weights: by layer, direction and name.
    """
    return {
        f"layer {layer}, direction {direction}, {name}": np.asarray(value, np.float32)
        for layer, cells in enumerate(weights)
        for direction, cell in enumerate(cells)
        for name, value in cell.items()
    }
