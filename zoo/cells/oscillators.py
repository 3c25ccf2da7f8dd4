"""Networks of oscillators: coRNN, UnICORNN, and LEM."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import Cell, gate
from zoo.initializers import Initializer
from zoo.types import Array


class OscillatorState(NamedTuple):
    """The state of an oscillator.

    Attributes:
        h: the position ``[B, H]``, which is also the output.
        z: the velocity ``[B, H]``.
    """

    h: Array
    z: Array


class _Oscillator(Cell):
    family = "oscillator"

    def init_state(self, batch_size: int) -> OscillatorState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        zeros = self.zeros(batch_size, self.hidden_size)
        return OscillatorState(zeros, zeros)


class CoRNNCell(_Oscillator):
    """The coupled oscillatory network: damped, driven oscillators.

    ::

        z' = z + dt * (tanh(x W + h U + z U_z + b) - gamma * h - epsilon * z)
        h' = h + dt * z'

    Source: Rusch and Mishra 2020, arXiv:2010.00951.
    """

    name = "cornn"
    paper = "Rusch and Mishra 2020, arXiv:2010.00951"
    equation = (
        "z' = z + dt * (tanh(x W + h U + z U_z + b) - gamma * h - epsilon * z); "
        "h' = h + dt * z'"
    )
    parameters = "D*H + 2*H*H + H"
    gates: ClassVar = {"n": 0}
    recurrent = ("U", "U_z")
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 0.042,
        gamma: float = 2.7,
        epsilon: float = 4.7,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell; the numbers are the paper's for sequential digits.

        Args:
            input_size: D.
            hidden_size: H.
            dt: the size of a step.
            gamma: how strongly the position is pulled back.
            epsilon: damping.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `U_init` also draws ``U_z``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.dt, self.gamma, self.epsilon = float(dt), float(gamma), float(epsilon)
        init = options.get("U_init", initializers.orthogonal)
        self.U_z = self._param(init, rngs, (hidden_size, hidden_size))

    def recur(self, state: OscillatorState) -> Array:
        """Return ``hU + zU_z``."""
        return self.dot(state.h, self.U[...]) + self.dot(state.z, self.U_z[...])

    def update(self, state: OscillatorState, p: Array, q: Array) -> OscillatorState:
        """Return the new state."""
        force = jnp.tanh(p + q) - self.gamma * state.h - self.epsilon * state.z
        z = state.z + self.dt * force
        return OscillatorState(state.h + self.dt * z, z)


class UnICORNNCell(_Oscillator):
    """The undamped independent controlled oscillators: each sees only itself.

    ::

        s = dt * sigmoid(c)
        z' = z - s * (tanh(x W + u * h + b) + alpha * h)
        h' = h + s * z'

    ``u[H]`` begins in U(0, 1) and ``c[H]`` in U(-0.1, 0.1). Source: Rusch and Mishra
    2021, arXiv:2103.05487.
    """

    name = "unicornn"
    paper = "Rusch and Mishra 2021, arXiv:2103.05487"
    equation = (
        "s = dt * sigmoid(c); z' = z - s * (tanh(x W + u * h + b) + alpha * h); "
        "h' = h + s * z'"
    )
    parameters = "D*H + 3*H"
    gates: ClassVar = {"n": 0}
    recurrent = ("u",)
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 0.2,
        alpha: float = 1.0,
        u_init: Initializer = jax.nn.initializers.uniform(1.0),  # noqa: B008
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            dt: the greatest size of a step.
            alpha: how strongly the position is pulled back.
            u_init: initialiser of ``u``.
            rngs: keys of the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.dt, self.alpha = float(dt), float(alpha)
        self.u = self._param(u_init, rngs, (hidden_size,))
        drawn = jax.random.uniform(
            rngs.params(), (hidden_size,), self.param_dtype, -0.1, 0.1
        )
        self.c = nnx.Param(drawn)

    def recur(self, state: OscillatorState) -> Array:
        """Return ``u * h``."""
        return self.in_state_dtype(self.u) * state.h

    def update(self, state: OscillatorState, p: Array, q: Array) -> OscillatorState:
        """Return the new state."""
        s = self.dt * jax.nn.sigmoid(self.in_state_dtype(self.c))
        z = state.z - s * (jnp.tanh(p + q) + self.alpha * state.h)
        return OscillatorState(state.h + s * z, z)


class LEMCell(_Oscillator):
    """The long expressive memory: two states with step sizes of their own.

    ::

        s = dt * sigmoid(x W_s + h U_s + b_s)
        t = dt * sigmoid(x W_t + h U_t + b_t)
        z' = (1 - s) * z + s * tanh(x W_z + h U_z + b_z)
        h' = (1 - t) * h + t * tanh(x W_h + z' U_h + b_h)

    Source: Rusch et al. 2021, arXiv:2110.04744.
    """

    name = "lem"
    paper = "Rusch et al. 2021, arXiv:2110.04744"
    equation = (
        "s, t = dt * sigmoid(x W + h U + b); z' = (1 - s) * z + s * tanh(x W + h U + "
        "b); h' = (1 - t) * h + t * tanh(x W + z' U + b)"
    )
    parameters = "4 * (D*H + H*H + H)"
    gates: ClassVar = {"s": -1, "t": -1, "z": 0, "h": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 1.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            dt: the greatest size of a step, at most one.
            rngs: keys of the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if dt does not lie in (0, 1].
        """
        if not 0 < dt <= 1:
            raise ValueError(f"dt must lie in (0, 1], got {dt!r}")
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.dt = float(dt)

    def advance(
        self,
        state: OscillatorState,
        p: Array,
        *,
        recur_state: OscillatorState | None = None,
        keep: Array | None = None,
    ) -> OscillatorState:
        """Return the new state; overridden because of the product with the new z."""
        shown = state.h if recur_state is None else recur_state.h
        U = self.U[...]
        first, U_h = U[:, : 3 * self.hidden_size], U[:, 3 * self.hidden_size :]
        s, t, z, h = self.split(p)
        q_s, q_t, q_z = self.split(self.dot(shown, first))
        s = gate("s", self.dt * jax.nn.sigmoid(s + q_s), None)
        t = gate("t", self.dt * jax.nn.sigmoid(t + q_t), None)
        z = (1 - s) * state.z + s * jnp.tanh(z + q_z)
        h = (1 - t) * state.h + t * jnp.tanh(h + self.dot(z, U_h))
        return OscillatorState(h, z)
