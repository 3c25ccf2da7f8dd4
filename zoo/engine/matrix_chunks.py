"""Matrices as states, written by outer products: step by step, or chunk by chunk.

A state ``S [B, heads, K, V]`` holds values under keys. One step lets it decay, writes
the value v under the key k, and reads with the query q:

    S' = a * S + k u^T        a [K] or [1];  u = v, or  u = beta (v - (a * S)^T k)
    r  = S'^T q

The second u is the delta rule: it writes what is missing to v. Within a chunk of C
steps that begins with S, every ``a_t ... a_(s+1) = exp(g_t - g_s)`` is known from the
running sum g of log a, so that

    r_t = S^T (exp(g_t) * q_t) + sum_(s <= t) <exp(g_t - g_s) * q_t, k_s> u_s

is two products of matrices for all t at once, and so is the S that the chunk ends with.
The delta rule's u solve one triangular system (Yang et al. 2024, arXiv:2406.06484). No
exponent above zero is ever taken, however fast the decay: the factors of a product over
K are taken relative to the edge between two blocks of steps, and directly inside of the
smallest blocks (Yang et al. 2023, arXiv:2312.06635). Both are made of blocks of twice
the size again and again.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine.masks import Span, spread
from zoo.engine.platform import platform
from zoo.types import Array

CHUNK = 64  # steps between two states
BLOCK = 16  # steps whose decays are compared one by one


class Write(NamedTuple):
    """What is written in one step, or in many, ``[B, T, ...]``.

    Attributes:
        k: keys ``[B, heads, K]``.
        v: values ``[B, heads, V]``.
        log_decay: log a, at most 0: one ``[B, heads, 1]``, or one for each entry of a
            key.
        beta: ``[B, heads, 1]``, the share of the difference that the delta rule writes;
            None where v is written whatever is there.
    """

    k: Array
    v: Array
    log_decay: Array
    beta: Array | None = None


def write(S: Array, step: Write) -> Array:
    """Return the state after one step.

    Args:
        S: the state before it, ``[B, heads, K, V]``.
        step: what is written.
    """
    S = jnp.exp(step.log_decay)[..., None] * S
    u = step.v if step.beta is None else step.beta * (step.v - read(S, step.k))
    return S + step.k[..., None] * u[..., None, :]


def read(S: Array, q: Array) -> Array:
    """Return ``S^T q``.

    Args:
        S: states ``[..., K, V]``.
        q: queries ``[..., K]``.
    """
    return (S * q[..., None]).sum(axis=-2)


def write_and_read(
    q: Array,
    steps: Write,
    S: Array,
    initial: Array,
    span: Span,
    size: int = CHUNK,
) -> tuple[Array, Array]:
    """Take all steps of a sequence, chunk by chunk.

    Args:
        q: queries ``[B, T, heads, K]``, T of 1 or more.
        steps: what is written, ``[B, T, ...]``.
        S: the state before the step that is met first.
        initial: the state that a reset restarts from.
        span: mask, reset and direction.
        size: steps of a chunk, `BLOCK` times a power of two.

    Returns:
        The state after the step that is met last, and what is read after each step,
        ``[B, T, heads, V]``; at padding this has no meaning.
    """
    T = q.shape[1]
    steps = _masked(steps, span.mask)
    everything = (q, steps, span.reset)
    if span.reverse:
        everything = jax.tree.map(lambda a: jnp.flip(a, 1), everything)
    size = min(size, BLOCK << (-(-T // BLOCK) - 1).bit_length())
    chunks = jax.tree.map(partial(_in_chunks, size=size), everything)
    S, r = jax.lax.scan(partial(_chunk, initial), S, chunks)
    # [chunks, B, heads, size, V]
    r = jnp.moveaxis(r, (0, 3), (1, 2))
    r = r.reshape(len(q), -1, *r.shape[3:])[:, :T]
    return S, jnp.flip(r, 1) if span.reverse else r


def _masked(steps: Write, mask: Array | None) -> Write:
    """Let padding write nothing, and nothing decay."""
    if mask is None:
        return steps
    return jax.tree.map(
        lambda a: jnp.where(spread(mask, a), a, jnp.zeros((), a.dtype)), steps
    )


def _in_chunks(a: Array, size: int) -> Array:
    """Cut ``[B, T, ...]`` into ``[chunks, B, heads, size, N]``, zeros at the end."""
    rest = -a.shape[1] % size
    a = jnp.pad(a, ((0, 0), (0, rest), *((0, 0) for _ in a.shape[2:])))
    a = a.reshape(len(a), -1, size, *a.shape[2:])
    # Flags have no heads: their steps stay behind the batch.
    return jnp.moveaxis(a, (1, 2), (0, 2 if a.ndim == 3 else 3))


def _chunk(initial: Array, S: Array, chunk: tuple[Array, Write, Array | None]):
    """Take the steps of one chunk: the body of ``jax.lax.scan``."""
    q, (k, v, log_decay, beta), reset = chunk
    g = jnp.cumsum(log_decay, axis=-2)  # [B, heads, C, 1 or K]
    C = q.shape[-2]
    seen = jnp.tri(C, dtype=bool)  # which s a step t has seen
    since, old = g, None
    if reset is not None:
        sequence = jnp.cumsum(reset, axis=-1)  # [B, C]
        same = sequence[:, :, None] == sequence[:, None, :]
        seen = (seen & same)[:, None]  # [B, 1, C, C]
        old = (sequence == 0)[:, None, :, None]  # whether S is not yet gone
        # The sum since the last reset, of the step with the reset as well.
        since = jnp.matmul(
            seen.astype(g.dtype), log_decay, precision=jax.lax.Precision.HIGHEST
        )

    def before(a):
        """Read what stood in the state before the chunk, or at the last reset."""
        a = a * jnp.exp(since)
        return a @ S if old is None else jnp.where(old, a @ S, a @ initial)

    u = v
    if beta is not None:
        # (I + A) u = beta (v - S^T k): of A only what is below the diagonal.
        u = _inverse(beta * _products(k, k, g, seen)) @ (beta * (v - before(k)))
    r = before(q) + _products(q, k, g, seen) @ u

    last = seen[..., -1, :, None]
    kept = k * jnp.exp(jnp.where(last, g[..., -1:, :] - g, -jnp.inf))
    S = S if old is None else jnp.where(old[:, :, -1:], S, initial)
    decay = jnp.exp(jnp.swapaxes(since[..., -1:, :], -1, -2))  # [B, heads, 1 or K, 1]
    return decay * S + jnp.swapaxes(kept, -1, -2) @ u, r


def _inverse(A: Array) -> Array:
    """Return the inverse of ``I + A``, of A only what is below the diagonal.

    Not by ``triangular_solve``: on a CPU, two calls of it that XLA makes at the same
    time may wait for each other for ever.

    Args:
        A: ``[..., C, C]``; C is a power of two.
    """
    *axes, C, _ = A.shape
    multiply = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)

    def below(size, found):
        # [[1 + A_1, 0], [B, 1 + A_2]] has [[F_1, 0], [-F_2 B F_1, F_2]] as its inverse.
        first, second = found[..., ::2, :, :], found[..., 1::2, :, :]
        each = jnp.arange(C // (2 * size))
        blocks = A.reshape(*axes, len(each), 2, size, len(each), 2, size)
        B = jnp.moveaxis(blocks[..., each, 1, :, each, 0, :], 0, -3)
        return -multiply(multiply(second, B), first)

    return _triangle(jnp.ones((*axes, C, 1, 1), A.dtype), below)


def _products(q: Array, k: Array, g: Array, seen: Array) -> Array:
    """Return ``<exp(g_t - g_s) * q_t, k_s>`` where t has seen s, else 0.

    Args:
        q: ``[..., C, K]``.
        k: ``[..., C, K]``.
        g: ``[..., C, 1 or K]``, falling.
        seen: bool, ``[C, C]`` or more axes, True only for s <= t.
    """
    if g.shape[-1] == 1:
        decay = jnp.exp(jnp.where(seen, g - jnp.swapaxes(g, -1, -2), -jnp.inf))
        return (q @ jnp.swapaxes(k, -1, -2)) * decay
    *axes, C, K = q.shape

    def halves(a, size):
        """Return the first and the second block of each pair."""
        pairs = a.reshape(*axes, -1, 2, size, K)
        return pairs[..., 0, :, :], pairs[..., 1, :, :]

    def below(size, _):
        _, q2 = halves(q, size)
        k1, _ = halves(k, size)
        g1, g2 = halves(g, size)
        edge = g1[..., -1:, :]
        return (q2 * jnp.exp(g2 - edge)) @ jnp.swapaxes(k1 * jnp.exp(edge - g1), -1, -2)

    # A CPU begins with single steps; elsewhere each size is some launches more, and
    # the first blocks are compared step by step.
    size = 1 if platform() == "cpu" else BLOCK
    near = (*axes, C // size, size, K)
    q1, k1, g1 = (a.reshape(near) for a in (q, k, g))
    difference = g1[..., :, None, :] - g1[..., None, :, :]
    lower = jnp.tri(size, dtype=bool)[..., None]
    decay = jnp.exp(jnp.where(lower, difference, -jnp.inf))
    found = jnp.einsum("...tk,...sk,...tsk->...ts", q1, k1, decay)
    return jnp.where(seen, _triangle(found, below), jnp.zeros((), found.dtype))


def _triangle(found: Array, below: Callable[[int, Array], Array]) -> Array:
    """Return a matrix with nothing above its diagonal, of blocks.

    Two at a time make one of twice the size, with what `below` gives below them.

    Args:
        found: the blocks on the diagonal, ``[..., n, size, size]``, n a power of two.
        below: ``(size, found) -> [..., n / 2, size, size]``, of blocks of that size.
    """
    while found.shape[-3] > 1:
        first, second = found[..., ::2, :, :], found[..., 1::2, :, :]
        top = jnp.concatenate([first, jnp.zeros_like(first)], -1)
        low = jnp.concatenate([below(found.shape[-1], found), second], -1)
        found = jnp.concatenate([top, low], -2)
    return found[..., 0, :, :]
