"""Residual connections."""

from zoo.engine.masks import zero_padding
from zoo.layers.base import Layer
from zoo.types import Array, Key, State


class Residual(Layer):
    """A layer whose input is added to its output: ``y = x + layer(x)``.

    The state is the layer's. Source: He et al. 2015, arXiv:1512.03385.
    """

    def __init__(self, layer: Layer):
        """Wrap a layer.

        Args:
            layer: a layer whose output is as wide as its input.

        Raises:
            ValueError: if it is not.
        """
        if layer.output_shape != layer.input_shape:
            raise ValueError(
                "layer must have an output as wide as its input, "
                f"{layer.input_shape}, got an output of shape {layer.output_shape}"
            )
        self.layer = layer

    @property
    def direction(self) -> str:
        """The direction of the layer."""
        return self.layer.direction

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(D,)."""
        return self.layer.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(D,)."""
        return self.layer.output_shape

    def init_state(self, batch_size: int) -> State:
        """Return the initial state of the layer.

        Args:
            batch_size: B.
        """
        return self.layer.init_state(batch_size)

    def _run(
        self,
        x: Array,
        mask: Array | None,
        state: State,
        reset: Array | None,
        key: Key | None,
        states: bool,
    ) -> tuple[State, Array, State]:
        state, y, all_states = self.layer._run(x, mask, state, reset, key, states)
        return state, zero_padding(x.astype(y.dtype), mask) + y, all_states

    def _step(self, state: State, x_t: Array) -> tuple[State, Array]:
        state, y = self.layer._step(state, x_t)
        return state, x_t.astype(y.dtype) + y
