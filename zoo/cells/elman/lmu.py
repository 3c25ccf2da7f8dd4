"""The Legendre memory unit."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell
from zoo.types import Array, Constant

__all__ = ["LMUCell", "LMUState"]


class LMUState(NamedTuple):
    """The state of an LMU.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        m: the memory ``[B, N]``: coefficients of Legendre polynomials.
    """

    h: Array
    m: Array


def legendre_matrices(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Discretise the Legendre memory with a zero-order hold.

    ::

        theta dm/dt = A m + B u,  A_ij = (2i + 1) (-1 if i < j else (-1)^(i - j + 1)),
                                 B_i = (2i + 1) (-1)^i

    Source: Voelker et al. 2019, equations 2 and 3.

    Args:
        order: N, the number of polynomials.
        theta: the length of the window in steps.

    Returns:
        The matrix A ``[N, N]`` and the vector B ``[N]`` of one step ``m' = A m + B u``.
    """
    from scipy.linalg import expm  # here because importing SciPy is slow

    i = np.arange(order, dtype=np.float64)
    scale = (2 * i + 1) / theta
    signs = np.where(
        i[:, None] < i[None, :], -1.0, (-1.0) ** (i[:, None] - i[None, :] + 1)
    )
    A, B = scale[:, None] * signs, scale * (-1.0) ** i
    # The exponential of [[A, B], [0, 0]] has both matrices of the zero-order hold.
    joint = np.zeros((order + 1, order + 1))
    joint[:order, :order], joint[:order, order] = A, B
    discrete = expm(joint)
    return discrete[:order, :order], discrete[:order, order]


class LMUCell(Cell):
    """The Legendre memory unit: an RNN with a memory of a sliding window.

    ::

        u = x e_x + h e_h + m e_m
        m' = A m + B u
        h' = tanh(x W + h U + m' M + b)

    The memory m holds the Legendre coefficients of the last theta steps of u. A and B
    are constants; see `legendre_matrices`. ``e_x[D]``, ``e_h[H]``, ``e_m[N]``, ``M[N,
    H]``. The initialisation is that of the authors' first release: W, U and M from
    Glorot's normal distribution, e_x and e_h from LeCun's uniform one, and e_m zero.
    Source: Voelker et al. 2019, "Legendre memory units", NeurIPS; abr/neurips2019,
    ``lmu.py``; nengo/keras-lmu, ``layers.py``.
    """

    name = "lmu"
    family = "elman"
    paper = "Voelker et al. 2019, NeurIPS"
    equation = (
        "u = x e_x + h e_h + m e_m; m' = A m + B u; h' = tanh(x W + h U + m' M + b)"
    )
    parameters = "D*H + H*H + H + D + H + 16 + 16*H"
    gates: ClassVar = {"h": 0}
    inits: ClassVar = {
        **Cell.inits,
        "W": nnx.initializers.glorot_normal(),
        "U": nnx.initializers.glorot_normal(),
    }

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
            order: N, the number of polynomials.
            theta: the length of the window in steps.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` and `U_init` are Glorot's normal
                distribution by default, and `W_init` also initialises ``M``.

        Raises:
            ValueError: if `order` or `theta` is not positive.
        """
        self.order = checks.positive("order", order)
        if not theta > 0:
            raise ValueError(f"theta must be above 0, got {theta!r}")
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init") or self.inits["W"]
        lecun = nnx.initializers.lecun_uniform()

        def vector(size: int) -> nnx.Param:
            return self._store(lecun(rngs.params(), (size, 1), self.draw_dtype)[:, 0])

        self.e_x, self.e_h = vector(input_size), vector(hidden_size)
        self.e_m = self._store(jnp.zeros(order, self.draw_dtype))
        self.M = self._param(init, rngs, (order, hidden_size))
        A, B = legendre_matrices(order, theta)
        self.A = Constant(jnp.asarray(A, self.draw_dtype))
        self.B = Constant(jnp.asarray(B, self.draw_dtype))

    def init_state(self, batch_size: int) -> LMUState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return LMUState(h, self.zeros(batch_size, self.order))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` and ``x e_x``."""
        return super().project(x), self._encode(x, self.e_x)

    def _encode(self, a: Array, encoder: nnx.Param) -> Array:
        """Return the inner product with an encoding vector, ``[..., 1]``."""
        weighted = a.astype(self.state_dtype) * self.in_state_dtype(encoder, a)
        return weighted.sum(axis=-1, keepdims=True)

    def advance(
        self,
        state: LMUState,
        p: tuple[Array, Array],
        *,
        recur_state: LMUState | None = None,
        keep: Array | None = None,
    ) -> LMUState:
        """Return the new state; overridden because it multiplies the new m."""
        a, u = p
        h = state.h if recur_state is None else recur_state.h
        u = u + self._encode(h, self.e_h) + self._encode(state.m, self.e_m)
        # In the dtype of the state, because the memory would accumulate the rounding
        # errors of products in a lower precision.
        m = state.m @ self.in_state_dtype(self.A).T + u * self.in_state_dtype(self.B, u)
        q = self.dot(h, self.U[...]) + self.dot(m, self.M[...])
        return LMUState(jnp.tanh(a + q), m)
