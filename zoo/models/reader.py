"""The sequence reader: recurrent layers over vectors instead of tokens."""

from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers, regularizers
from zoo.cells import Cell
from zoo.models.stack import stack
from zoo.modules.dense import Linear
from zoo.modules.pooling import Pooling
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key, State

INITS = ("default", "torch", "identity", "chrono")


class Reader(Stochastic):
    """Recurrent layers over vectors, with a dense layer on every step or the last one.

    ``y_t = layers(x)_t W + b``, or ``y = layers(x)_last W + b``.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        each: bool = False,
        cell: str | type[Cell] = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        init: Literal["default", "torch", "identity", "chrono"] = "default",
        longest: int = 100,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the modules and initialise their parameters.

        Args:
            input_size: D.
            output_size: K.
            each: return an output for every step, not only the last one.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of each layer and direction.
            num_layers: number of layers.
            bidirectional: read in both directions.
            dropout: rate between the layers and before the output.
            init: initialisation: the cell's ``"default"``, that of ``"torch"``, U as an
                ``"identity"`` matrix, or the biases of ``"chrono"``.
            longest: the longest lag for ``"chrono"``, in steps.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        checks.one_of("init", init, INITS)
        if init == "torch":
            options |= initializers.torch_uniform(hidden_size)
        elif init == "identity":
            options["U_init"] = initializers.identity()
        elif init == "chrono":
            options["b_init"] = initializers.chrono(longest)
        self.each, self.dropout = each, checks.rate("dropout", dropout)
        self._fork_stream(rngs)
        self.layers = stack(
            self,
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
        """Compute the outputs.

        Args:
            x: ``[B, T, D]``.
            mask: bool ``[B, T]``, True = a real step.
            key: of dropout; with None: no noise in evaluation mode, the next key of the
                stream in training mode.

        Returns:
            ``[B, T, K]``, or ``[B, K]``.

        Raises:
            ValueError: if a shape is wrong.
            TypeError: if `x` is not floating point, or `mask` is not bool.
        """
        key = self._noise_key(key)
        layers_key, output_key = regularizers.split(key, 2)
        _, y = self.layers(x, mask, key=layers_key)
        y = y if self.each else self.pooling(y, mask)
        return self.output(regularizers.dropout(output_key, y, self.dropout))

    def chunk(
        self, x: ArrayLike, mask: ArrayLike, state: State = None
    ) -> tuple[State, Any]:
        """Read a chunk of a sequence, without dropout.

        Args:
            x: ``[B, T, D]``.
            mask: bool ``[B, T]``, True = a real step.
            state: of the layers, after the chunks next to this one.

        Returns:
            The state after the chunk, and the part of it in the result.
        """
        state, y = self.layers(x, mask, state)
        return state, self.output(y) if self.each else self.pooling.chunk(y, mask)

    def combine(self, parts: Any, mask: ArrayLike) -> Array:
        """Compute the outputs of sequences that were read in chunks.

        Args:
            parts: of the C chunks, arrays ``[B, C, ...]``.
            mask: bool ``[B, C, T]``, True = a real step.

        Returns:
            ``[B, C*T, K]``, or ``[B, K]``, as of the whole sequences.
        """
        if self.each:
            return parts.reshape(len(parts), -1, parts.shape[-1])
        pooled, weights = parts
        mask = jnp.asarray(mask).any(axis=2)
        return self.output(self.pooling.combine(pooled, weights, mask))
