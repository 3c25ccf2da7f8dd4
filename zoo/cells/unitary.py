"""Networks whose recurrent matrix keeps the length of the state: expRNN and uRNN."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState
from zoo.cells.linear.complex import ComplexState
from zoo.initializers import Initializer
from zoo.types import Array, Constant, Key


def henaff(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
    """Draw a skew-symmetric matrix of 2 x 2 blocks with angles from U(-pi, pi).

    An initialiser of the upper triangle. Henaff et al. 2016, arXiv:1602.06662.

    Args:
        key: a key.
        shape: ``(H, H)``.
        dtype: of the result.
    """
    size = shape[0]
    angles = jax.random.uniform(key, (size,), dtype, -jnp.pi, jnp.pi)
    even = jnp.arange(size) % 2 == 0
    return jnp.diag(jnp.where(even, angles, 0)[: size - 1], k=1)


class ExpRNNCell(Cell):
    """The network whose recurrent matrix is the exponential of a skew-symmetric one.

    ::

        A = triu(U) - triu(U)^T              above the diagonal
        a = x W + h exp(A)
        h' = sign(a) * relu(|a| + b)         modReLU

    ``exp(A)`` is orthogonal whatever U is; what is below the diagonal of U is not used.
    Source: Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428.
    """

    name = "exprnn"
    family = "unitary"
    paper = "Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428"
    equation = (
        "A = triu(U) - triu(U)^T; a = x W + h exp(A); h' = sign(a) * relu(|a| + b)"
    )
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"h": 0}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        U_init: Initializer = henaff,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            U_init: initialiser of ``U``; by default that of the paper.
            rngs: keys of the initialisation.
            **options: as for `Cell`; without `bias` the cell is linear.
        """
        super().__init__(input_size, hidden_size, U_init=U_init, rngs=rngs, **options)

    def project(self, x: Array) -> Array:
        """Return ``xW``; the bias belongs to modReLU."""
        return self.dot(x, self.W[...])

    def recur(self, state: HiddenState) -> Array:
        """Return ``h exp(A)``."""
        upper = jnp.triu(self.in_state_dtype(self.U), k=1)
        return self.dot(state.h, jax.scipy.linalg.expm(upper - upper.T))

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        a = p + q
        if self.b is None:
            return HiddenState(a)
        size = jax.nn.relu(jnp.abs(a) + self.in_state_dtype(self.b))
        return HiddenState(jnp.sign(a) * size)


class URNNCell(Cell):
    """The unitary network: a complex state, turned, reflected, permuted and mixed.

    ::

        R_k s = s - 2 (s . conj(r_k)) r_k / |r_k|^2
        M = D_3 R_2 F^-1 D_2 P R_1 F D_1
        a = x W + M s                                complex
        s' = a / |a| * relu(|a| + b)                 modReLU
        y = [Re s', Im s']

    ``D_k = diag(exp(i d_k))``, F is the Fourier transform and P a fixed permutation;
    ``d[3, H]``, ``r[2, 2, H]`` (which, re and im). The output has 2H entries, as the
    paper reads both parts. Source: Arjovsky et al. 2015, arXiv:1511.06464.
    """

    name = "urnn"
    family = "unitary"
    paper = "Arjovsky et al. 2015, arXiv:1511.06464"
    equation = (
        "a = x W + D_3 R_2 F^-1 D_2 P R_1 F D_1 s; s' = a / |a| * relu(|a| + b); "
        "y = [Re s', Im s']"
    )
    parameters = "2*D*H + 8*H"
    gates: ClassVar = {"re": 0, "im": 0}
    bias_gates = ("re",)
    recurrent = ()

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, complex units.
            rngs: keys of the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        H, dtype = hidden_size, self.param_dtype
        key = rngs.params()
        self.d = nnx.Param(jax.random.uniform(key, (3, H), dtype, -jnp.pi, jnp.pi))
        key = rngs.params()
        self.r = nnx.Param(jax.random.uniform(key, (2, 2, H), dtype, -1.0, 1.0))
        self.permutation = Constant(jax.random.permutation(rngs.params(), H))

    @property
    def output_size(self) -> int:
        """The size of one step's output: 2H."""
        return 2 * self.hidden_size

    def init_state(self, batch_size: int) -> ComplexState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        zeros = self.zeros(batch_size, self.hidden_size)
        return ComplexState(zeros, zeros)

    def project(self, x: Array) -> Array:
        """Return ``xW``, re and im; the bias belongs to modReLU."""
        return self.dot(x, self.W[...])

    def _turned(self, s: Array) -> Array:
        """Return M s, of complex rows ``[B, H]``."""
        d = self.in_state_dtype(self.d)
        d1, d2, d3 = jax.lax.complex(jnp.cos(d), jnp.sin(d))
        r1, r2 = (jax.lax.complex(re, im) for re, im in self.in_state_dtype(self.r))
        s = _reflected(jnp.fft.fft(d1 * s, norm="ortho"), r1)
        s = jnp.fft.ifft(d2 * s[:, self.permutation[...]], norm="ortho")
        return d3 * _reflected(s, r2)

    def advance(
        self,
        state: ComplexState,
        p: Array,
        *,
        recur_state: ComplexState | None = None,
        keep: Array | None = None,
    ) -> ComplexState:
        """Return the new state; overridden because M is made of several products."""
        a = self._turned(jax.lax.complex(state.re, state.im))
        re, im = self.split(p)
        re, im = a.real + re, a.imag + im
        if self.b is None:
            return ComplexState(re, im)
        # At zero the length has no gradient: not even one that is thrown away.
        squared = re**2 + im**2
        zero = squared == 0
        size = jnp.sqrt(jnp.where(zero, 1, squared))
        scale = jnp.where(
            zero, 0, jax.nn.relu(size + self.in_state_dtype(self.b)) / size
        )
        return ComplexState(scale * re, scale * im)

    def output(self, state: ComplexState, p: Array) -> Array:
        """Return both parts side by side."""
        return jnp.concatenate([state.re, state.im], axis=-1)


def _reflected(s: Array, r: Array) -> Array:
    """Return rows reflected at the plane across r."""
    along = (s * r.conj()).sum(axis=-1, keepdims=True)
    return s - 2 * along * r / (r * r.conj()).sum()
