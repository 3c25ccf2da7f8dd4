"""The Legendre memory unit."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell
from zoo.types import Array, Constant


class LMUState(NamedTuple):
    """The state of an LMU.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        m: the memory ``[B, N]``, coefficients of Legendre polynomials.
    """

    h: Array
    m: Array


def legendre(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices of one step of the Legendre memory, by zero-order hold.

    ::

        theta m' = A m + B u,   A_ij = (2i + 1) (-1 if i < j else (-1)^(i - j + 1)),
                                B_i = (2i + 1) (-1)^i

    Voelker et al. 2019, equations 2 and 3.

    Args:
        order: N.
        theta: the length of the window in steps.

    Returns:
        A, ``[N, N]``, and B, ``[N]``, such that ``m' = A m + B u`` over one step.
    """
    from scipy.linalg import expm  # a large library, for one function

    i = np.arange(order, dtype=np.float64)
    scale = (2 * i + 1) / theta
    signs = np.where(
        i[:, None] < i[None, :], -1.0, (-1.0) ** (i[:, None] - i[None, :] + 1)
    )
    A, B = scale[:, None] * signs, scale * (-1.0) ** i
    both = np.zeros((order + 1, order + 1))
    both[:order, :order], both[:order, order] = A, B
    exact = expm(both)
    return exact[:order, :order], exact[:order, order]


class LMUCell(Cell):
    """The Legendre memory unit: a window of the past, as polynomials, and an RNN.

    ::

        u = x e_x + h e_h + m e_m
        m' = A m + B u
        h' = tanh(x W + h U + m' M + b)

    A and B, fixed, keep the window of the last theta steps of u; see `legendre`.
    ``e_x[D]``, ``e_h[H]``, ``e_m[N]``, ``M[N, H]``; e_m begins at zero. Source: Voelker
    et al. 2019, "Legendre memory units", NeurIPS.
    """

    name = "lmu"
    family = "elman"
    paper = "Voelker et al. 2019, NeurIPS"
    equation = (
        "u = x e_x + h e_h + m e_m; m' = A m + B u; h' = tanh(x W + h U + m' M + b)"
    )
    parameters = "D*H + H*H + H + D + H + 16 + 16*H"
    gates: ClassVar = {"h": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        order: int = 16,
        theta: float = 100.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            order: N, polynomials.
            theta: the length of the window in steps.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init` also draws ``M``.

        Raises:
            ValueError: if `order` or `theta` is not above zero.
        """
        self.order = checks.positive("order", order)
        if not theta > 0:
            raise ValueError(f"theta must be above 0, got {theta!r}")
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        lecun = nnx.initializers.lecun_uniform()
        init = options.get("W_init", initializers.glorot)

        def vector(size: int) -> nnx.Param:
            return nnx.Param(lecun(rngs.params(), (size, 1), self.param_dtype)[:, 0])

        self.e_x, self.e_h = vector(input_size), vector(hidden_size)
        self.e_m = nnx.Param(jnp.zeros(order, self.param_dtype))
        self.M = self._param(init, rngs, (order, hidden_size))
        A, B = legendre(order, theta)
        self.A = Constant(jnp.asarray(A, self.param_dtype))
        self.B = Constant(jnp.asarray(B, self.param_dtype))

    def init_state(self, batch_size: int) -> LMUState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return LMUState(h, self.zeros(batch_size, self.order))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` and ``x e_x``."""
        return super().project(x), self._encoded(x, self.e_x)

    def _encoded(self, a: Array, e: nnx.Param) -> Array:
        """Return a product with a vector, ``[..., 1]``."""
        return (a.astype(self.state_dtype) * self.in_state_dtype(e)).sum(
            axis=-1, keepdims=True
        )

    def advance(
        self,
        state: LMUState,
        p: tuple[Array, Array],
        *,
        recur_state: LMUState | None = None,
        keep: Array | None = None,
    ) -> LMUState:
        """Return the new state; overridden because of the product with the new m."""
        a, u = p
        shown = state.h if recur_state is None else recur_state.h
        u = u + self._encoded(shown, self.e_h) + self._encoded(state.m, self.e_m)
        # The memory keeps its digits whatever the dtype of the products.
        m = state.m @ self.in_state_dtype(self.A).T + u * self.in_state_dtype(self.B)
        q = self.dot(shown, self.U[...]) + self.dot(m, self.M[...])
        return LMUState(jnp.tanh(a + q), m)
