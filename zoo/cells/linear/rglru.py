"""The real-gated linear recurrent unit, the recurrence of Griffin."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import gate
from zoo.cells.linear.base import LinearCell
from zoo.engine.broadcast import spread
from zoo.engine.linear_scan import shifted, span_scan
from zoo.engine.masks import Span
from zoo.initializers import Initializer
from zoo.types import Array, State

__all__ = ["RGLRUCell", "RGLRUState"]

MAX_SLOPE = 1000.0  # of the square root, as in the authors' code


class RGLRUState(NamedTuple):
    """The state of an RG-LRU.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        t: the number of steps since the start of the sequence, int32 ``[B]``.
    """

    h: Array
    t: Array


@jax.custom_jvp
def bounded_sqrt(a: Array) -> Array:
    """Return ``sqrt(a)``, whose derivative is `MAX_SLOPE` at most.

    Where a decay rounds to one, ``1 - a^2`` is zero, and the gradient would be NaN.

    Args:
        a: an array of numbers that are not negative.
    """
    return jnp.sqrt(a)


@bounded_sqrt.defjvp
def _bounded_sqrt_jvp(
    primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (a,), (d_a,) = primals, tangents
    slope = jax.lax.rsqrt(jnp.maximum(4 * a, MAX_SLOPE**-2))
    return bounded_sqrt(a), slope * d_a


class RGLRUCell(LinearCell):
    """The real-gated linear recurrent unit, the recurrence of Griffin.

    ::

        r = sigmoid(x W_r + b_r)
        i = sigmoid(x W_i + b_i)
        a = exp(-8 softplus(Lambda) * r)
        h' = a * h + m * i * (x W_u + b_u)
        m = sqrt(1 - a^2), but 1 at the first step of a sequence

    The paper's u is the input itself, the output of a linear layer and a convolution.
    Here the product belongs to the cell, so that D and H may differ.

    The paper has ``m = sqrt(1 - a^2)`` at every step, the option ``scale_first=True``;
    the default is that of the authors' code. So is the initialisation: where r = 1, a
    is in [0.9^8, 0.999^8], about [0.43, 0.992], and the square of its 8th root is
    uniform; the paper has [0.9, 0.999], which are the options `a_min` and `a_max`. The
    authors' gates read blocks of their input; here ``W`` is dense. Source: De et al.
    2024, arXiv:2402.19427; google-deepmind/recurrentgemma, ``torch/layers.py``.
    """

    name = "rglru"
    family = "linear"
    paper = "De et al. 2024, arXiv:2402.19427"
    equation = (
        "r, i = sigmoid(x W + b); a = exp(-8 softplus(Lambda) * r); "
        "h' = a * h + m * i * (x W + b); m = sqrt(1 - a^2), at the first step 1"
    )
    parameters = "3 * (D*H + H) + H"
    gates: ClassVar = {"r": -1, "i": 0, "u": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        scale_first: bool = False,
        a_min: float = 0.9**8,
        a_max: float = 0.999**8,
        W_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            scale_first: whether the first input of a sequence is also scaled by
                ``sqrt(1 - a^2)``, as in the paper.
            a_min: smallest initial a where r = 1.
            a_max: largest initial a where r = 1.
            W_init: initialiser of each gate's block of ``W``, by default N(0, 1/D).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if ``0 < a_min < a_max < 1`` does not hold.
        """
        if not 0.0 < a_min < a_max < 1.0:
            raise ValueError(
                f"0 < a_min < a_max < 1 must hold, got {a_min!r} and {a_max!r}"
            )
        scale = checks.positive("input_size", input_size) ** -0.5
        W_init = W_init or nnx.initializers.normal(scale)
        super().__init__(input_size, hidden_size, W_init=W_init, rngs=rngs, **options)
        self.scale_first = bool(scale_first)
        low, high = a_min**0.25, a_max**0.25
        size, dtype = (hidden_size,), self.draw_dtype
        squared = jax.random.uniform(rngs.params(), size, dtype, low, high)
        # softplus(Lambda) = -log(a) / 8 = -log(squared) / 2, solved for Lambda.
        self.Lambda = self._store(jnp.log(jnp.expm1(-0.5 * jnp.log(squared))))

    def init_state(self, batch_size: int) -> RGLRUState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return RGLRUState(h, jnp.zeros(batch_size, jnp.int32))

    def coefficients(self, p: Array, first: Array | None = None) -> tuple[Array, Array]:
        """Return a and ``m * i * u``.

        Args:
            p: the result of `project`.
            first: bool ``[B]`` or ``[B, T]``: which steps are the first of a sequence;
                None if none is.
        """
        r, i, u = self.split(p)
        rate = 8 * jax.nn.softplus(self.in_state_dtype(self.Lambda, r))
        log_a = -rate * gate("r", r)
        # expm1 computes 1 - a^2 without cancellation where a is near 1.
        m = bounded_sqrt(-jnp.expm1(2 * log_a))
        if first is not None and not self.scale_first:
            m = jnp.where(spread(first, m), jnp.ones((), m.dtype), m)
        return gate("a", log_a, jnp.exp), m * gate("i", i) * u

    def advance(
        self,
        state: RGLRUState,
        p: Array,
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> RGLRUState:
        """Return the new state; overridden because it counts the steps."""
        a, b = self.coefficients(p, state.t == 0)
        return RGLRUState(a * state.h + b, state.t + 1)

    def run_parallel(
        self, p: Array, state: RGLRUState, initial: RGLRUState, span: Span
    ) -> tuple[RGLRUState, Array, RGLRUState]:
        """Count the steps of each sequence, then compute all with a parallel scan."""
        t = _count(state.t, initial.t, p.shape[1], span)
        before = shifted(t, state.t, axis=1, reverse=span.reverse)
        if span.restart is not None:
            before = jnp.where(span.restart, initial.t[:, None], before)
        a, b = self.coefficients(p, before == 0)
        h = span_scan(a, b, state.h, initial.h, span)
        states = RGLRUState(h, t)
        last = jax.tree.map(lambda part: part[:, 0 if span.reverse else -1], states)
        return last, self.output(states, p), states


def _count(t: Array, initial: Array, T: int, span: Span) -> Array:
    """Return the number of steps since the start of a sequence, after each step.

    Args:
        t: the number before the first step, ``[B]``.
        initial: the number after a reset, ``[B]``.
        T: number of steps.
        span: mask, reset and direction.
    """
    shape = (len(t), T)
    mask = jnp.ones(shape, bool) if span.mask is None else span.mask
    tokens = jax.lax.cumsum(mask.astype(t.dtype), axis=1, reverse=span.reverse)
    if span.restart is None:
        return t[:, None] + tokens
    # Both numbers of a reset grow with time, so the last one is the largest.
    before = tokens - mask.astype(t.dtype)
    start = jnp.where(span.restart & mask, before - initial[:, None], -t[:, None])
    return tokens - jax.lax.cummax(start, axis=1, reverse=span.reverse)
