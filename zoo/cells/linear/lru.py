"""The linear recurrent unit: a complex diagonal recurrence."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells.linear.complex import ComplexCell, ComplexState
from zoo.engine.broadcast import align
from zoo.engine.matmul import materialise_cotangent
from zoo.initializers import Initializer
from zoo.types import Array, Key

__all__ = ["LRUCell"]


class LRUCell(ComplexCell):
    """The linear recurrent unit: a diagonal recurrence with complex eigenvalues.

    ::

        lambda = exp(-exp(nu) + i exp(theta))
        s' = lambda * s + exp(gamma) * (x B)            complex
        y  = Re(s' C) + x D

    ``|lambda| < 1`` for every nu. lambda is initialised uniformly in the ring ``r_min
    <= |lambda| <= r_max``, and gamma such that ``exp(gamma) = sqrt(1 - |lambda|^2)``,
    which keeps the state at the scale of its input. ``W`` holds the real part of B, the
    imaginary part of B, and D. ``C[2, H, H]`` holds a real and an imaginary part. The
    paper's D is a vector and requires D = H; here it is a matrix. For equal sizes it
    starts as a diagonal matrix of N(0, 1), like the vector of the public code. Source:
    Orvieto et al. 2023, arXiv:2303.06349; NicolasZucchet/minimal-LRU, ``lru/model.py``.
    """

    name = "lru"
    family = "linear"
    paper = "Orvieto et al. 2023, arXiv:2303.06349"
    equation = (
        "s' = exp(-exp(nu) + i exp(theta)) * s + exp(gamma) * (x B); y = Re(s' C) + x D"
    )
    parameters = "3*D*H + 2*H*H + 3*H"
    gates: ClassVar = {"re": 0, "im": 0, "D": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * np.pi,
        W_init: Initializer | None = None,
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, of the state and of the output.
            r_min: smallest initial modulus of lambda.
            r_max: largest initial modulus of lambda.
            max_phase: largest initial angle of lambda, in radians.
            W_init: initialiser of all of ``W``, by default N(0, 1/(2D)), and for equal
                sizes the diagonal D described above.
            bias: whether the products with x have a bias; the paper has none.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if ``0 <= r_min < r_max <= 1`` or ``max_phase > 0`` does not
                hold.
        """
        if not 0.0 <= r_min < r_max <= 1.0:
            raise ValueError(
                f"0 <= r_min < r_max <= 1 must hold, got {r_min!r} and {r_max!r}"
            )
        if not max_phase > 0.0:
            raise ValueError(f"max_phase must be above 0, got {max_phase!r}")
        D, H = checks.positive("input_size", input_size), hidden_size
        super().__init__(
            input_size,
            hidden_size,
            W_init=W_init or nnx.initializers.normal((2 * D) ** -0.5),
            bias=bias,
            rngs=rngs,
            **options,
        )
        dtype = self.draw_dtype
        if W_init is None and D == H:
            diagonal = jax.random.normal(rngs.params(), (H,), dtype)
            direct = jnp.diag(diagonal).astype(self.param_dtype)
            self.W[...] = jnp.concatenate([self.W[:, : 2 * H], direct], axis=-1)
        nu, theta, gamma = _ring(rngs.params(), H, r_min, r_max, max_phase, dtype)
        self.nu, self.theta, self.gamma = map(self._store, (nu, theta, gamma))
        shape = (2, hidden_size, hidden_size)
        normal = jax.random.normal(rngs.params(), shape, dtype)
        self.C = self._store(normal * jnp.asarray(hidden_size**-0.5, dtype))

    def init_state(self, batch_size: int) -> ComplexState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(ComplexState, batch_size, self.hidden_size)

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``exp(gamma) * (x B)``, real then imaginary parts, and ``x D``.

        Args:
            x: inputs ``[..., D]``, of one step or of a sequence.
        """
        N, gamma = 2 * self.hidden_size, jnp.exp(self.gamma[...])
        scale = jnp.concatenate([gamma, gamma])
        W = self.W[...]
        # Scaling the matrix is cheaper than scaling its product with all inputs.
        state_input, direct = self.dot(x, W[:, :N] * scale[None]), self.dot(x, W[:, N:])
        if self.b is not None:
            b = self.in_state_dtype(self.b)
            state_input += align(b[:N] * scale, state_input)
            direct += align(b[N:], direct)
        return state_input, direct

    def coefficients(self, p: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return lambda and exp(gamma) * (x B)."""
        nu, theta = self.in_state_dtype(self.nu), self.in_state_dtype(self.theta)
        modulus, angle = jnp.exp(-jnp.exp(nu)), jnp.exp(theta)
        re, im = modulus * jnp.cos(angle), modulus * jnp.sin(angle)
        state_input, _ = p
        return jnp.concatenate([re, im]), state_input

    def output(self, state: ComplexState, p: tuple[Array, Array]) -> Array:
        """Return ``Re(s C) + x D``."""
        re, im = self.C[...]
        _, direct = p
        return materialise_cotangent(
            self.dot(self.vector(state), jnp.concatenate([re, -im])) + direct
        )


def _ring(
    key: Key, size: int, r_min: float, r_max: float, max_phase: float, dtype: Any
) -> tuple[Array, Array, Array]:
    """Return nu, theta and gamma of a lambda drawn uniformly from a ring."""
    modulus_key, angle_key = jax.random.split(key)
    u = jax.random.uniform(modulus_key, (size,), dtype, minval=1e-6, maxval=1 - 1e-6)
    squared = u * (r_max**2 - r_min**2) + r_min**2
    nu = jnp.log(-0.5 * jnp.log(squared))
    angle = jax.random.uniform(angle_key, (size,), dtype, minval=1e-6, maxval=1.0)
    gamma = 0.5 * jnp.log1p(-squared)
    return nu, jnp.log(max_phase * angle), gamma
