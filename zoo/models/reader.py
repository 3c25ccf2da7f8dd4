"""Recurrent layers that read vectors, not words."""

from typing import Any, Literal

from flax import nnx

from zoo import checks, initializers, regularizers
from zoo.models.stack import stack
from zoo.modules.dense import Linear
from zoo.modules.pooling import Pooling
from zoo.types import Array, ArrayLike, Key

INITS = ("default", "torch", "identity", "chrono")


class Reader(nnx.Module):
    """Recurrent layers over vectors, and scores: of each step, or of the last one.

    ``y_t = layers(x)_t W + b``, or ``y = layers(x)_last W + b``.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        each: bool = False,
        cell: str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        init: Literal["default", "torch", "identity", "chrono"] = "default",
        longest: int = 100,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the parts.

        Args:
            input_size: D.
            output_size: K.
            each: score each step, else the last one.
            cell: one of ``zoo.cells()``.
            hidden_size: H of each layer and direction.
            num_layers: how many layers.
            bidirectional: read in both directions.
            dropout: rate of dropout between layers and before the scores.
            init: how the cell begins: as it does by ``"default"``, as in ``"torch"``,
                with an ``"identity"`` for U, or with biases spread by ``"chrono"``.
            longest: the longest lag for ``"chrono"``, in steps.
            rngs: keys of the initialisation.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        checks.one_of("init", init, INITS)
        if init == "torch":
            options |= initializers.torch_uniform(hidden_size)
        elif init == "identity":
            options["U_init"] = initializers.identity()
        elif init == "chrono":
            options["b_init"] = initializers.chrono(longest)
        self.each, self.dropout = each, checks.rate("dropout", dropout)
        self.layers = stack(
            cell,
            input_size,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        self.pooling = Pooling("last", self.layers.output_size, rngs=rngs)
        self.output = Linear(self.layers.output_size, output_size, rngs=rngs)

    def __call__(
        self, x: ArrayLike, mask: ArrayLike, *, key: Key | None = None
    ) -> Array:
        """Read sequences.

        Args:
            x: ``[B, T, D]``.
            mask: bool ``[B, T]``, True = a real step.
            key: draws the dropout of training; None means evaluation.

        Returns:
            ``[B, T, K]``, or ``[B, K]``.

        Raises:
            ValueError: if a shape is not as told.
            TypeError: if `x` is not floating point, or `mask` is not bool.
        """
        of_layers, of_output = regularizers.split(key, 2)
        _, y = self.layers(x, mask, key=of_layers)
        y = y if self.each else self.pooling(y, mask)
        return self.output(regularizers.dropout(of_output, y, self.dropout))
