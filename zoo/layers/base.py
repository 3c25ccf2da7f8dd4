"""The layer contract."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.layers.recording import is_recording
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key, State

FOR_INTS = "embed token IDs first (zoo.Embedding), or convert numbers to float32"


class Layer(Stochastic):
    """A layer over time: one call and one contract, whatever the cell.

    ::

        state, y = layer(x, mask=None, state=None, *, reset=None, key=None)

    - Where `mask` is False the state passes through and the output is zero; what `x`
      holds there, NaN included, changes no output and no gradient.
    - The returned state is the one after the last step in processing order. Passed to
      the call with the next chunk of a sequence, it makes the chunks equal to one call.
    - A row without any token returns its initial state.
    - `reset` marks the first tokens of sequences packed into one row.
    - ``layer.step(state, x_t)`` is one step of the same, and ``layer.states(...)``
      gives the states after all steps.
    - Noise is drawn from `key`; without one, in training mode alone, from the layer's
      stream: see `zoo.stochastic.Stochastic`.

    A layer can be called inside and outside of ``jax.jit``; outside, it is compiled
    once per set of shapes. Inside ``jax.jit``, a layer in training mode needs a `key`.

    Attributes:
        direction: ``"forward"``, ``"reverse"`` or ``"both"``: how it reads a sequence.
    """

    direction: str = "forward"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one step's input: (D,), with axes of space before it if any."""
        raise NotImplementedError(f"{type(self).__name__} must define input_shape")

    @property
    def input_size(self) -> int:
        """The size of the last axis of the input."""
        return self.input_shape[-1]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one step's output: (H,), or (2, H) with ``merge="stack"``."""
        raise NotImplementedError(f"{type(self).__name__} must define output_shape")

    @property
    def output_size(self) -> int:
        """The size of the last axis of the output."""
        return self.output_shape[-1]

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first step.

        Args:
            batch_size: B.
        """
        raise NotImplementedError(f"{type(self).__name__} must define init_state")

    def _run(
        self,
        x: Array,
        mask: Array | None,
        state: State,
        reset: Array | None,
        key: Key | None,
        states: bool,
    ) -> tuple[State, Array, State]:
        """Return the final state, y, and all states or None, for checked arguments."""
        raise NotImplementedError(f"{type(self).__name__} must define _run")

    def _step(self, state: State, x_t: Array) -> tuple[State, Array]:
        """Return the state after one step, and its output, for checked arguments."""
        raise NotImplementedError(f"{type(self).__name__} must define _step")

    def __call__(
        self,
        x: ArrayLike,
        mask: ArrayLike | None = None,
        state: State = None,
        *,
        reset: ArrayLike | None = None,
        key: Key | None = None,
    ) -> tuple[State, Array]:
        """Run over a batch of sequences.

        Args:
            x: inputs ``[B, T, D]``.
            mask: bool ``[B, T]``, True = a real token; by default all are.
            state: the state before the first step, like ``init_state(B)``, the default.
            reset: bool ``[B, T]``, True = the first token of a sequence packed into the
                row: the state restarts there from ``init_state(B)``. A reversed loop
                restarts after that token, but returns the state after its last step.
            key: for dropout and other noise; None as in `zoo.stochastic.Stochastic`.

        Returns:
            The final state, and y ``[B, T, H]``.

        Raises:
            ValueError: if a shape, or the structure of `state`, is wrong; if a layer in
                training mode has no key, or is called inside ``jax.jit`` or
                ``jax.grad`` without one; or if `x` is divided over explicit axes of a
                mesh.
            TypeError: if `x` is not floating point, or a mask is not bool.
        """
        return self._checked(x, mask, state, reset, key, states=False)[:2]

    def states(
        self,
        x: ArrayLike,
        mask: ArrayLike | None = None,
        state: State = None,
        *,
        reset: ArrayLike | None = None,
        key: Key | None = None,
    ) -> State:
        """Run over a batch of sequences and return the states after all steps.

        Args:
            x: as for a call of the layer.
            mask: as for a call of the layer; at padding the state is held.
            state: as for a call of the layer.
            reset: as for a call of the layer.
            key: as for a call of the layer.

        Returns:
            A state like ``init_state(B)`` whose arrays are ``[B, T, ...]``.
        """
        return self._checked(x, mask, state, reset, key, states=True)[2]

    def step(self, state: State, x_t: ArrayLike) -> tuple[State, Array]:
        """Read one token, with the weights of the layer: for streaming and decoding.

        Args:
            state: the state before the token, at first ``init_state(B)``.
            x_t: inputs ``[B, D]``.

        Returns:
            The state after the token, and its output ``[B, H]``, as at evaluation.

        Raises:
            ValueError: if the layer reads in reverse, or a shape is wrong.
        """
        if self.direction != "forward":
            raise ValueError(
                f"{type(self).__name__} cannot step: it also reads from the last token "
                "to the first, so it needs the whole sequence; only layers that run "
                "forwards can be streamed"
            )
        x_t = self._checked_input("x_t", x_t, "[B, D]")
        self._check_state(state, x_t.shape[0])
        return _step(*nnx.split(self), state, x_t)

    def _checked(
        self,
        x: ArrayLike,
        mask: ArrayLike | None,
        state: State,
        reset: ArrayLike | None,
        key: Key | None,
        states: bool,
    ) -> tuple[State, Array, State]:
        """Check the arguments of a call, then run it."""
        x, mask, reset = self._checked_batch(x, mask, reset)
        if state is not None:
            self._check_state(state, x.shape[0])
        key = self._noise_key(key)  # the copy that is compiled cannot advance a stream
        if is_recording():
            return _run_layer(self, x, mask, state, reset, key, states)
        graph, variables = nnx.split(self)
        return _run(graph, variables, x, mask, state, reset, key, states=states)

    def _checked_batch(
        self, x: ArrayLike, mask: ArrayLike | None, reset: ArrayLike | None
    ) -> tuple[Array, Array | None, Array | None]:
        """Return inputs, mask and resets as arrays if they have the right axes."""
        x = self._checked_input("x", x, "[B, T, D]")
        for name, flags in (("mask", mask), ("reset", reset)):
            if flags is not None:
                checks.mask(name, flags, x.shape[:2], "[B, T]")
        mask = None if mask is None else jnp.asarray(mask)
        return x, mask, None if reset is None else jnp.asarray(reset)

    def _checked_input(self, name: str, x: ArrayLike, axes: str) -> Array:
        """Return inputs as an array if they have the right axes."""
        x = jnp.asarray(x)
        checks.floating(name, x, for_ints=FOR_INTS)
        checks.auto_mesh(name, x)
        shape = self.input_shape
        ndim = axes.count(",") + len(shape)
        if x.ndim != ndim or x.shape[-len(shape) :] != shape:
            expected = f"D = input_size = {shape[0]}"
            if len(shape) > 1:
                expected = f"{', '.join(map(str, shape))} in place of D"
            is_row = x.ndim == ndim - 1 and x.shape[-len(shape) :] == shape
            hint = f"; add a batch axis: {name}[None]" if is_row else ""
            raise ValueError(
                f"{name} must have shape {axes} with {expected}, got {x.shape}{hint}"
            )
        return x

    def _check_state(self, state: State, batch_size: int) -> None:
        """Check that a state is one of this layer."""
        expected = _describe(jax.eval_shape(lambda: self.init_state(batch_size)))
        actual = _describe(state)
        if actual != expected:
            raise ValueError(
                f"state must be like init_state({batch_size}) = {expected}, got "
                f"{actual}"
            )


def _describe(state: Any) -> Any:
    """Return a state with its arrays as text, for comparison and for messages."""
    return jax.tree.map(
        lambda a: f"{jnp.result_type(a)}{list(jnp.shape(a))}".replace(" ", ""), state
    )


def _run_layer(
    layer: Layer,
    x: Array,
    mask: Array | None,
    state: State,
    reset: Array | None,
    key: Key | None,
    states: bool,
) -> tuple[State, Array, State]:
    if state is None:
        state = layer.init_state(x.shape[0])
    return layer._run(x, mask, state, reset, key, states)


# Compiled here, so that a call outside of jit costs one compilation per set of shapes:
# without it, jax.lax.scan would trace its body again at every call.
@partial(jax.jit, static_argnames=("graph", "states"))
def _run(
    graph: Any,
    variables: Any,
    x: Array,
    mask: Array | None,
    state: State,
    reset: Array | None,
    key: Key | None,
    *,
    states: bool,
) -> tuple[State, Array, State]:
    layer = nnx.merge(graph, variables)
    return _run_layer(layer, x, mask, state, reset, key, states)


@partial(jax.jit, static_argnames=("graph",))
def _step(graph: Any, variables: Any, state: State, x_t: Array) -> tuple[State, Array]:
    return nnx.merge(graph, variables)._step(state, x_t)
