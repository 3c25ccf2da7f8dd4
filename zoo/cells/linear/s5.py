"""S5, a state space model whose channels share one state."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks, initializers
from zoo.cells.blocks import BlockCell
from zoo.cells.linear.complex import ComplexCell, ComplexState
from zoo.engine.linear_scan import times
from zoo.engine.matmul import materialise_cotangent
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["S5Cell"]


class S5Cell(BlockCell, ComplexCell):
    """The simplified state space layer: one diagonal system for all channels.

    ::

        Lambda = -exp(decay) + i frequency
        Delta = exp(log_step)
        s' = exp(Lambda Delta) * s + (exp(Lambda Delta) - 1) / Lambda * (x B)   complex
        y = 2 Re(s' C) + x D

    This is the system ``ds/dt = Lambda s + x B`` with a zero-order hold of length
    Delta, which is learnt for each entry of the state. The N complex entries of the
    state represent N conjugate pairs, hence the factor 2. The initial coordinates are
    the eigenvectors of HiPPO-N, the normal part of the matrix that keeps a history as
    Legendre polynomials, or of several smaller copies of it (`blocks`).

    ``W`` holds the real part of B, the imaginary part of B, and D. ``C[2, N, H]`` holds
    a real and an imaginary part. The paper's D is a vector and requires D = H; here it
    is a matrix, which for equal sizes starts as a diagonal matrix of N(0, 1), like the
    vector. As in the authors' code, B is drawn with variance 1/(2N), and C with the
    same variance of its real and of its imaginary part, before they are rotated into
    the eigenvectors. The paper does not constrain the real part of Lambda; here it is
    negative, so that no state can grow without bound. Source: Smith et al. 2022,
    arXiv:2208.04933; lindermanlab/S5, ``s5/ssm.py``.
    """

    name = "s5"
    family = "linear"
    paper = "Smith et al. 2022, arXiv:2208.04933"
    equation = (
        "s' = exp(Lambda Delta) * s + (exp(Lambda Delta) - 1) / Lambda * (x B); "
        "Lambda = -exp(decay) + i frequency; y = 2 Re(s' C) + x D"
    )
    parameters = "3*D*H + 2*H*H + 3*H"
    gates: ClassVar = {"re": 0, "im": 0, "D": 0}
    inits: ClassVar = {**BlockCell.inits, "W": initializers.lecun}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int | None = None,
        blocks: int = 1,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        W_init: Initializer | None = None,
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, of the output.
            state_size: N, the number of complex entries of the state; by default H.
            blocks: number of copies of HiPPO-N for the initialisation, each with N /
                blocks of the entries.
            step_min: smallest initial Delta.
            step_max: largest initial Delta.
            W_init: initialiser of B, C and D, as matrices ``[2N, D]``, ``[2N, 2H]`` and
                ``[D, H]``; by default LeCun's normal, and for equal sizes the diagonal
                D described above.
            bias: whether the products with x have a bias; the paper has none.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if an argument is out of its range, or if `blocks` does not
                divide N.
        """
        checks.positive("hidden_size", hidden_size)
        state_size = hidden_size if state_size is None else state_size
        self.state_size = N = checks.positive("state_size", state_size)
        self.blocks = checks.divisor("blocks", blocks, "state_size", N)
        if not 0.0 < step_min <= step_max:
            raise ValueError(
                f"0 < step_min <= step_max must hold, got {step_min!r} and {step_max!r}"
            )
        self._diagonal = W_init is None and input_size == hidden_size
        W_init = W_init or self.inits["W"]
        super().__init__(
            input_size, hidden_size, W_init=W_init, bias=bias, rngs=rngs, **options
        )
        frequency, vectors = hippo(N, blocks)
        dtype = self.draw_dtype
        self.decay = self._store(jnp.full(N, np.log(0.5), dtype))
        self.frequency = self._store(jnp.asarray(frequency, dtype))
        low, high = np.log(step_min), np.log(step_max)
        self.log_step = self._store(
            jax.random.uniform(rngs.params(), (N,), dtype, low, high)
        )
        C = W_init(rngs.params(), (2 * N, 2 * hidden_size), dtype)
        C_re, C_im = jnp.split(C, 2, axis=-1)
        re, im = (jnp.asarray(part.T, dtype) for part in _parts(vectors))
        rotated = re @ C_re - im @ C_im, re @ C_im + im @ C_re
        self.C = self._store(jnp.stack(rotated))

    @property
    def widths(self) -> dict[str, int]:
        """The width of each block of ``W``: N for both parts of B, H for D."""
        return {"re": self.state_size, "im": self.state_size, "D": self.hidden_size}

    def _matrix(
        self,
        init: Initializer,
        rngs: nnx.Rngs,
        shape: tuple[int, int],
        gates: tuple[str, ...] | None,
    ) -> nnx.Param:
        """Return a new ``W``: B, rotated into the eigenvectors, and D."""
        dtype = self.draw_dtype
        B = init(rngs.params(), (2 * self.state_size, shape[0]), dtype).T
        re, im = _parts(hippo(self.state_size, self.blocks)[1].conj())
        blocks = [B @ jnp.asarray(re, dtype), B @ jnp.asarray(im, dtype)]
        if self._diagonal:
            diagonal = jax.random.normal(rngs.params(), shape[:1], dtype)
            blocks.append(jnp.diag(diagonal))
        else:
            blocks.append(init(rngs.params(), shape, dtype))
        return self._store(jnp.concatenate(blocks, axis=-1))

    def init_state(self, batch_size: int) -> ComplexState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(ComplexState, batch_size, self.state_size)

    def coefficients(self, p: dict[str, Array]) -> tuple[Array, Array]:
        """Return exp(Lambda Delta) and (exp(Lambda Delta) - 1) / Lambda * (x B)."""
        decay, frequency, log_step = map(
            self.in_state_dtype, (self.decay, self.frequency, self.log_step)
        )
        eigenvalue = jax.lax.complex(-jnp.exp(decay), frequency)
        step = jnp.exp(log_step)
        exponent = jax.lax.complex(step * eigenvalue.real, step * eigenvalue.imag)
        # expm1, because Delta is small and exp - 1 would cancel.
        hold, factor = jnp.expm1(exponent) / eigenvalue, jnp.exp(exponent)
        hold, factor = (jnp.concatenate([z.real, z.imag]) for z in (hold, factor))
        state_input = jnp.concatenate([p["re"], p["im"]], -1)
        return factor, times(hold, state_input, pairs=True)

    def output(self, state: ComplexState, p: dict[str, Array]) -> Array:
        """Return ``2 Re(s C) + x D``."""
        re, im = self.C[...]
        real_part = self.dot(self.vector(state), jnp.concatenate([re, -im]))
        return materialise_cotangent(2 * real_part + p["D"])


def hippo(size: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one eigenvalue of each conjugate pair of HiPPO-N, and its eigenvector.

    HiPPO-N is ``-1/2 I`` plus a skew-symmetric matrix, so every eigenvalue has the form
    ``-1/2 + i w``.

    Args:
        size: number of pairs.
        blocks: number of copies of HiPPO-N, each with ``size / blocks`` pairs.

    Returns:
        The positive w ``[size]``, and the eigenvectors ``[2 * size, size]``.
    """
    n = 2 * (size // blocks)
    root = np.sqrt(np.arange(n) + 0.5)
    skew = np.triu(np.outer(root, root), 1)
    w, vectors = np.linalg.eigh(-1j * (skew - skew.T))
    positive = slice(n // 2, None)
    return np.tile(w[positive], blocks), np.kron(np.eye(blocks), vectors[:, positive])


def _parts(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the real and the imaginary part of an array."""
    return np.real(a), np.imag(a)
