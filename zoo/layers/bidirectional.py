"""Bidirectional layers."""

from typing import NamedTuple

import jax.numpy as jnp

from zoo import checks, regularizers
from zoo.engine.plan import joins_directions
from zoo.engine.schedule import LoopsOption
from zoo.engine.traits import current_device
from zoo.layers.base import Layer
from zoo.layers.joint import alike, run_both
from zoo.layers.recurrent import Recurrent
from zoo.types import Array, Key, State


class BidirectionalState(NamedTuple):
    """The states of both directions.

    Attributes:
        forward: the state of the layer that reads from the first token to the last.
        backward: the state of the layer that reads from the last token to the first.
    """

    forward: State
    backward: State


class Bidirectional(Layer):
    """Two layers that read a sequence from both ends.

    The output at a step is that of both layers at that step; the final state is that of
    the forward layer after the last token and of the backward layer after the first.
    Source: Schuster and Paliwal 1997.
    """

    direction = "both"

    def __init__(
        self,
        forward: Layer,
        backward: Layer,
        *,
        merge: str = "concat",
        loops: LoopsOption = "auto",
    ):
        """Combine two layers.

        Args:
            forward: a layer that runs forward.
            backward: a layer that runs in reverse.
            merge: ``"concat"`` gives y ``[B, T, 2*H]``, ``"sum"`` gives ``[B, T, H]``,
                and ``"stack"`` gives ``[B, T, 2, H]``.
            loops: ``"two"``: one loop after the other; ``"one"``: each iteration
                computes a step of both layers, whose cells must have the same class,
                sizes and options; ``"auto"``: one loop where that is possible and
                measures faster on the device.

        Raises:
            ValueError: if directions, input shapes or (for the merge) output shapes do
                not match, or an option is invalid.
        """
        if (forward.direction, backward.direction) != ("forward", "reverse"):
            raise ValueError(
                "forward and backward must read forward and in reverse, got "
                f"{forward.direction!r} and {backward.direction!r}"
            )
        if forward.input_shape != backward.input_shape:
            raise ValueError(
                "forward and backward must have the same input shape, got "
                f"{forward.input_shape} and {backward.input_shape}"
            )
        self.merge = checks.one_of("merge", merge, ("concat", "sum", "stack"))
        if merge != "concat" and forward.output_shape != backward.output_shape:
            raise ValueError(
                f"merge={merge!r} needs layers of the same output shape, got "
                f"{forward.output_shape} and {backward.output_shape}"
            )
        checks.one_of("loops", loops, ("auto", "one", "two"))
        self.loops: LoopsOption = loops
        self.forward = forward
        self.backward = backward
        if loops == "one" and not self._pair():
            raise ValueError(
                'loops="one" needs two layers of one cell that differ only in their '
                "direction"
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(D,)."""
        return self.forward.input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(2*H,), (H,) or (2, H), depending on `merge`."""
        *space, size = self.forward.output_shape
        if self.merge == "stack":
            return (2, *space, size)
        if self.merge == "concat":
            size += self.backward.output_size
        return (*space, size)

    def init_state(self, batch_size: int) -> BidirectionalState:
        """Return the initial states of both directions.

        Args:
            batch_size: B.
        """
        return BidirectionalState(
            self.forward.init_state(batch_size), self.backward.init_state(batch_size)
        )

    def _pair(self) -> tuple[Recurrent, Recurrent] | None:
        """Return both layers if they can share a loop."""
        f, b = self.forward, self.backward
        if isinstance(f, Recurrent) and isinstance(b, Recurrent) and alike(f, b):
            return f, b
        return None

    def _run(
        self,
        x: Array,
        mask: Array | None,
        state: State,
        reset: Array | None,
        key: Key | None,
        states: bool,
    ) -> tuple[State, Array, State]:
        keys = regularizers.split(key, 2)
        joint = joins_directions(self.loops, current_device())
        pair = self._pair() if joint else None
        if pair:
            results = run_both(*pair, x, mask, state, reset, keys, states)
        else:
            results = [
                layer._run(x, mask, part, reset, layer_key, states)
                for layer, part, layer_key in zip(
                    (self.forward, self.backward), state, keys, strict=True
                )
            ]
        (f, f_y, f_states), (b, b_y, b_states) = results
        if self.merge == "sum":
            y = f_y + b_y
        elif self.merge == "stack":
            y = jnp.stack([f_y, b_y], axis=2)
        else:
            y = jnp.concatenate([f_y, b_y], axis=-1)
        all_states = BidirectionalState(f_states, b_states) if states else None
        return BidirectionalState(f, b), y, all_states
