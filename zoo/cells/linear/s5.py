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
from zoo.engine.matmul import once
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

    The system ``ds/dt = Lambda s + x B``, with the input held for a time Delta, which
    each entry of the state learns for itself. The N complex numbers of the state stand
    for 2N, in pairs that are conjugate; that is where the 2 comes from. At first they
    are the eigenvectors of HiPPO-N, the normal part of the matrix that keeps a history
    as Legendre polynomials, or of several smaller ones in a row (`blocks`).

    ``W`` holds the real and the imaginary part of B and then D, ``C`` its own two
    parts. The paper's D is a vector, for D = H; here it is a matrix. The paper leaves
    the real part of Lambda free; here it is negative, so that no state can explode.
    Source: Smith et al. 2022, arXiv:2208.04933.
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

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int | None = None,
        blocks: int = 1,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, of the output.
            state_size: N, complex numbers of the state; by default H.
            blocks: copies of HiPPO-N that the state begins with, each with N / blocks
                of the numbers.
            step_min: least Delta at first.
            step_max: greatest Delta at first.
            bias: add a bias to the three products with x; the paper has none.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init`, by default LeCun's normal, draws D, and
                B and C before they are turned into the eigenvectors.

        Raises:
            ValueError: if an argument is out of its range, or `blocks` does not divide
                N.
        """
        checks.positive("hidden_size", hidden_size)
        state_size = hidden_size if state_size is None else state_size
        self.state_size = N = checks.positive("state_size", state_size)
        self.blocks = checks.divisor("blocks", blocks, "state_size", N)
        if not 0.0 < step_min <= step_max:
            raise ValueError(
                f"0 < step_min <= step_max must hold, got {step_min!r} and {step_max!r}"
            )
        W_init = options.setdefault("W_init", initializers.lecun)
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)
        frequency, vectors = hippo(N, blocks)
        dtype = self.param_dtype
        self.decay = nnx.Param(jnp.full(N, np.log(0.5), dtype))
        self.frequency = nnx.Param(jnp.asarray(frequency, dtype))
        low, high = np.log(step_min), np.log(step_max)
        self.log_step = nnx.Param(
            jax.random.uniform(rngs.params(), (N,), dtype, low, high)
        )
        C = W_init(rngs.params(), (2 * N, hidden_size), dtype)
        turned = [jnp.asarray(part.T, dtype) @ C for part in _parts(vectors)]
        self.C = nnx.Param(jnp.stack(turned))

    @property
    def widths(self) -> dict[str, int]:
        """N for the two parts of B, H for D."""
        return {"re": self.state_size, "im": self.state_size, "D": self.hidden_size}

    def _matrix(
        self,
        init: Initializer,
        rngs: nnx.Rngs,
        shape: tuple[int, int],
        gates: tuple[str, ...] | None,
    ) -> nnx.Param:
        """Draw B and D; B is real before it is turned into the eigenvectors."""
        dtype = self.param_dtype
        B = init(rngs.params(), (shape[0], 2 * self.state_size), dtype)
        re, im = _parts(hippo(self.state_size, self.blocks)[1].conj())
        blocks = [B @ jnp.asarray(re, dtype), B @ jnp.asarray(im, dtype)]
        blocks.append(init(rngs.params(), shape, dtype))
        return nnx.Param(jnp.concatenate(blocks, axis=-1))

    def init_state(self, batch_size: int) -> ComplexState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        zeros = jnp.zeros((batch_size, self.state_size), self.state_dtype)
        return ComplexState(zeros, zeros)

    def coefficients(self, p: dict[str, Array]) -> tuple[Array, Array]:
        """Return exp(Lambda Delta), and what the held input adds."""
        decay, frequency, log_step = (
            param[...].astype(self.state_dtype)
            for param in (self.decay, self.frequency, self.log_step)
        )
        rate = jax.lax.complex(-jnp.exp(decay), frequency)
        step = jnp.exp(log_step)
        turn = jax.lax.complex(step * rate.real, step * rate.imag)
        # Delta is small: exp - 1 would lose digits.
        hold, turned = jnp.expm1(turn) / rate, jnp.exp(turn)
        hold, factor = (jnp.concatenate([z.real, z.imag]) for z in (hold, turned))
        read = jnp.concatenate([p["re"], p["im"]], -1)
        return factor, times(hold, read, pairs=True)

    def output(self, state: ComplexState, p: dict[str, Array]) -> Array:
        """Return ``2 Re(s C) + x D``."""
        re, im = self.C[...]
        read = self.dot(self.vector(state), jnp.concatenate([re, -im]))
        return once(2 * read + p["D"])


def hippo(size: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one of each pair of eigenvalues of HiPPO-N, and its eigenvector.

    HiPPO-N is ``-1/2 I`` and a skew matrix, so that every eigenvalue is ``-1/2 + i w``.

    Args:
        size: how many pairs.
        blocks: copies of HiPPO-N, each with its share of the pairs; must divide `size`.

    Returns:
        The w that are positive, ``[size]``, and the vectors ``[2 * size, size]``.
    """
    n = 2 * (size // blocks)
    root = np.sqrt(np.arange(n) + 0.5)
    skew = np.triu(np.outer(root, root), 1)
    w, vectors = np.linalg.eigh(-1j * (skew - skew.T))
    positive = slice(n // 2, None)
    return np.tile(w[positive], blocks), np.kron(np.eye(blocks), vectors[:, positive])


def _parts(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the real and the imaginary part."""
    return np.real(a), np.imag(a)
