"""Stacked layers."""

from collections.abc import Sequence

import jax
from flax import nnx

from zoo import checks, regularizers
from zoo.layers.base import Layer
from zoo.types import Array, Key, State


class Stacked(Layer):
    """Layers on top of each other: each reads the outputs of the one below.

    The state is a tuple of the layers' states, lowest first.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        dropout: float = 0.0,
        locked_dropout: float = 0.0,
        rngs: nnx.Rngs | None = None,
    ):
        """Stack layers.

        Args:
            layers: lowest first; their widths, cells and directions may differ.
            dropout: rate of dropout between layers, in [0, 1).
            locked_dropout: the same, with one mask for all steps of a sequence.
            rngs: calls without `key` draw from its stream ``dropout``, if it has one,
                see `zoo.stochastic.Stochastic`.

        Raises:
            ValueError: if there is no layer, the output of one does not fit the next,
                or a rate is out of its range.
        """
        layers = list(layers)
        if not layers:
            raise ValueError("layers must hold one layer or more, got none")
        for k in range(1, len(layers)):
            if layers[k - 1].output_shape != layers[k].input_shape:
                raise ValueError(
                    f"layers[{k}] must take the output of layers[{k - 1}], of shape "
                    f"{layers[k - 1].output_shape}, got one that takes "
                    f"{layers[k].input_shape}"
                )
        self.layers = nnx.List(layers)
        self.dropout = checks.rate("dropout", dropout)
        self.locked_dropout = checks.rate("locked_dropout", locked_dropout)
        self._fork_stream(rngs)

    @property
    def is_noisy(self) -> bool:
        """Whether there is noise between layers."""
        return len(self.layers) > 1 and (self.dropout > 0 or self.locked_dropout > 0)

    @property
    def direction(self) -> str:
        """``"forward"`` or ``"reverse"`` where all layers agree, else ``"both"``."""
        directions = {layer.direction for layer in self.layers}
        return directions.pop() if len(directions) == 1 else "both"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(D,)."""
        return self.layers[0].input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one step's output of the last layer."""
        return self.layers[-1].output_shape

    def init_state(self, batch_size: int) -> tuple[State, ...]:
        """Return the initial states of the layers.

        Args:
            batch_size: B.
        """
        return tuple(layer.init_state(batch_size) for layer in self.layers)

    def _run(
        self,
        x: Array,
        mask: Array | None,
        state: State,
        reset: Array | None,
        key: Key | None,
        states: bool,
    ) -> tuple[State, Array, State]:
        new, all_states = [], []
        for k, layer in enumerate(self.layers):
            layer_key = dropout_key = locked_key = None
            if key is not None:
                layer_key, dropout_key, locked_key = jax.random.split(
                    jax.random.fold_in(key, k), 3
                )
            if k > 0:
                x = regularizers.dropout(dropout_key, x, self.dropout)
                x = regularizers.locked_dropout(locked_key, x, self.locked_dropout)
            last, x, every = layer._run(x, mask, state[k], reset, layer_key, states)
            new.append(last)
            all_states.append(every)
        return tuple(new), x, tuple(all_states) if states else None

    def _step(self, state: State, x_t: Array) -> tuple[State, Array]:
        new = []
        for layer, part in zip(self.layers, state, strict=True):
            part, x_t = layer._step(part, x_t)
            new.append(part)
        return tuple(new), x_t
