"""A way around a layer."""

import jax.numpy as jnp

from zoo.engine.loop import spread
from zoo.layers.base import Layer
from zoo.types import State


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
        """That of the layer."""
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
        """Return the state that the layer begins with.

        Args:
            batch_size: B.
        """
        return self.layer.init_state(batch_size)

    def _run(self, x, mask, state, reset, key, states):
        state, y, all_states = self.layer._run(x, mask, state, reset, key, states)
        x = x.astype(y.dtype)
        if mask is not None:
            x = jnp.where(spread(mask, x), x, jnp.zeros((), x.dtype))
        return state, x + y, all_states

    def _step(self, state, x_t):
        state, y = self.layer._step(state, x_t)
        return state, x_t.astype(y.dtype) + y
