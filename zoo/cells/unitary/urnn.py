"""The unitary evolution RNN."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell
from zoo.cells.linear.complex import ComplexState
from zoo.initializers import Initializer
from zoo.types import Array, Constant

__all__ = ["URNNCell"]


class URNNCell(Cell):
    """The unitary evolution RNN: a complex state and a unitary recurrent matrix M.

    ::

        R_k s = s - 2 (s . conj(r_k)) r_k / |r_k|^2
        M = D_3 R_2 F^-1 D_2 P R_1 F D_1
        a = x W + M s                                complex
        s' = a / (|a| + epsilon) * relu(|a| + b)     modReLU
        y = [Re s', Im s']

    ``D_k = diag(exp(i d_k))``, R_k is a reflection, F the discrete Fourier transform
    and P a fixed permutation. ``d[3, H]``; ``r[2, 2, H]`` holds the real and the
    imaginary part of r_1 and of r_2. The output has 2H entries, because the paper reads
    both parts of the state. The epsilon of 1e-5 is from the authors' code; with zero it
    is the paper's step. The initialisation is that of the authors' code. It also trains
    the initial state, from U(-c, c) with ``c = sqrt(1.5 / H)``: the option
    ``learn_initial_state`` of the layer, which starts from zero here. Source: Arjovsky
    et al. 2015, arXiv:1511.06464; amarshah/complex_RNN, ``models.py``.
    """

    name = "urnn"
    family = "unitary"
    paper = "Arjovsky et al. 2015, arXiv:1511.06464"
    equation = (
        "a = x W + D_3 R_2 F^-1 D_2 P R_1 F D_1 s; "
        "s' = a / (|a| + 1e-5) * relu(|a| + b); "
        "y = [Re s', Im s']"
    )
    parameters = "2*D*H + 8*H"
    gates: ClassVar = {"re": 0, "im": 0}
    bias_gates = ("re",)
    recurrent = ()
    inits: ClassVar = {**Cell.inits, "b": initializers.uniform_bias(0.01)}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        epsilon: float = 1e-5,
        W_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, the number of complex units.
            epsilon: added to the modulus in the denominator, 0 or more.
            W_init: initialiser of both blocks of ``W``, by default U(-c, c) with ``c =
                sqrt(6 / (D + 2H))``.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `b_init` is U(-0.01, 0.01) by default.

        Raises:
            ValueError: if `epsilon` is negative.
        """
        if not epsilon >= 0:
            raise ValueError(f"epsilon must be 0 or more, got {epsilon!r}")
        self.epsilon = float(epsilon)
        D = checks.positive("input_size", input_size)
        H = checks.positive("hidden_size", hidden_size)
        W_init = W_init or initializers.uniform((6 / (D + 2 * H)) ** 0.5)
        super().__init__(input_size, hidden_size, W_init=W_init, rngs=rngs, **options)
        dtype, bound = self.draw_dtype, (3 / (1 + H)) ** 0.5
        key = rngs.params()
        self.d = self._store(jax.random.uniform(key, (3, H), dtype, -jnp.pi, jnp.pi))
        key = rngs.params()
        self.r = self._store(jax.random.uniform(key, (2, 2, H), dtype, -bound, bound))
        self.permutation = Constant(jax.random.permutation(rngs.params(), H))

    @property
    def output_size(self) -> int:
        """The size of one step's output: 2H."""
        return 2 * self.hidden_size

    def init_state(self, batch_size: int) -> ComplexState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(ComplexState, batch_size, self.hidden_size)

    def project(self, x: Array) -> Array:
        """Return ``xW``, real then imaginary parts; `advance` adds the bias."""
        return self.dot(x, self.W[...])

    def _times_M(self, s: Array) -> Array:
        """Return ``M s`` for each row of a complex array ``[B, H]``."""
        d = self.in_state_dtype(self.d)
        d1, d2, d3 = jax.lax.complex(jnp.cos(d), jnp.sin(d))[:, None]
        r1, r2 = (
            jax.lax.complex(re, im)[None] for re, im in self.in_state_dtype(self.r)
        )
        s = _reflect(jnp.fft.fft(d1 * s, norm="ortho"), r1)
        s = jnp.fft.ifft(d2 * s[:, self.permutation[...]], norm="ortho")
        return d3 * _reflect(s, r2)

    def advance(
        self,
        state: ComplexState,
        p: Array,
        *,
        recur_state: ComplexState | None = None,
        keep: Array | None = None,
    ) -> ComplexState:
        """Return the new state; overridden because M is not one matrix."""
        a = self._times_M(jax.lax.complex(state.re, state.im))
        re, im = self.split(p)
        re, im = a.real + re, a.imag + im
        if self.b is None:
            return ComplexState(re, im)
        # The derivative of sqrt at zero is infinite: the gradient would be NaN there,
        # even if `where` selects the other branch.
        squared = re**2 + im**2
        zero = squared == 0
        modulus = jnp.sqrt(jnp.where(zero, 1, squared))
        raised = jax.nn.relu(self.add_bias(modulus, self.b))
        scale = jnp.where(zero, 0, raised / (modulus + self.epsilon))
        return ComplexState(scale * re, scale * im)

    def output(self, state: ComplexState, p: Array) -> Array:
        """Return the real parts, then the imaginary parts."""
        return jnp.concatenate([state.re, state.im], axis=-1)


def _reflect(s: Array, r: Array) -> Array:
    """Reflect each row of s at the hyperplane orthogonal to r."""
    product = (s * r.conj()).sum(axis=-1, keepdims=True)
    return s - 2 * product * r / (r * r.conj()).sum()
