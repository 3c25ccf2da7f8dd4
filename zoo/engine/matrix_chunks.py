"""Recurrences whose state is a matrix, step by step or in chunks.

A state ``S [B, heads, K, V]`` stores values by keys. One step decays it, writes the
value v under the key k, and reads with the query q:

    S' = a * S + k u^T        a [K] or [1];  u = v, or  u = beta (v - (a * S)^T k)
    r  = S'^T q

The second u is the delta rule: it writes the difference between v and what is stored.
Within a chunk of C steps that starts from S, every ``a_t ... a_(s+1) = exp(g_t - g_s)``
follows from the cumulative sum g of log a, so that

    r_t = S^T (exp(g_t) * q_t) + sum_(s <= t) <exp(g_t - g_s) * q_t, k_s> u_s

is two matrix products for all t, and so is the S after the chunk. The u of the delta
rule solve one triangular system (Yang et al. 2024, arXiv:2406.06484). No exponent is
positive, however fast the decay: the factors of a product over K are taken relative to
the edge between two blocks of steps, and directly inside the smallest blocks (Yang et
al. 2023, arXiv:2312.06635). Both triangular matrices are built from blocks, whose size
doubles at every level.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from zoo.engine.broadcast import spread
from zoo.engine.masks import Span
from zoo.engine.platform import platform
from zoo.types import Array

CHUNK = 64  # steps per chunk
BLOCK = 16  # steps of the smallest blocks, whose decays are computed directly


class Write(NamedTuple):
    """What one step writes, or many steps, ``[B, T, ...]``.

    Attributes:
        k: keys ``[B, heads, K]``.
        v: values ``[B, heads, V]``.
        log_decay: log a, 0 or less: ``[B, heads, 1]``, or one for each entry of a key.
        beta: ``[B, heads, 1]``: the fraction of the difference that the delta rule
            writes; None to write v itself.
    """

    k: Array
    v: Array
    log_decay: Array
    beta: Array | None = None


def write(S: Array, step: Write) -> Array:
    """Return the state after one step.

    Args:
        S: the state before it, ``[B, heads, K, V]``.
        step: what the step writes.
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
    """Compute all steps of a sequence in chunks.

    Args:
        q: queries ``[B, T, heads, K]``, T of 1 or more.
        steps: what the steps write, ``[B, T, ...]``.
        S: the state before the first step in processing order.
        initial: the state that a reset restarts from.
        span: mask, reset and direction.
        size: steps per chunk, `BLOCK` times a power of two.

    Returns:
        The state after the last step in processing order, and what is read after each
        step, ``[B, T, heads, V]``; at padding it is arbitrary.
    """
    T = q.shape[1]
    steps = _masked(steps, span.mask)
    arrays = (q, steps, span.restart)
    if span.reverse:
        arrays = jax.tree.map(lambda a: jnp.flip(a, 1), arrays)
    size = min(size, BLOCK << (-(-T // BLOCK) - 1).bit_length())
    chunks = jax.tree.map(partial(_in_chunks, size=size), arrays)
    S, r = jax.lax.scan(partial(_chunk, initial), S, chunks)
    # [chunks, B, heads, size, V]
    r = jnp.moveaxis(r, (0, 3), (1, 2))
    r = r.reshape(len(q), r.shape[1] * size, *r.shape[3:])[:, :T]
    return S, jnp.flip(r, 1) if span.reverse else r


def _masked(steps: Write, mask: Array | None) -> Write:
    """Return steps that write nothing at padding, and do not decay there."""
    if mask is None:
        return steps
    return jax.tree.map(
        lambda a: jnp.where(spread(mask, a), a, jnp.zeros((), a.dtype)), steps
    )


def _in_chunks(a: Array, size: int) -> Array:
    """Split ``[B, T, ...]`` into ``[chunks, B, heads, size, N]``, zeros at the end."""
    rest = -a.shape[1] % size
    a = jnp.pad(a, ((0, 0), (0, rest), *((0, 0) for _ in a.shape[2:])))
    # No -1: an empty batch would leave it undefined.
    a = a.reshape(len(a), a.shape[1] // size, size, *a.shape[2:])
    # Flags have no heads: their steps follow the batch.
    return jnp.moveaxis(a, (1, 2), (0, 2 if a.ndim == 3 else 3))


def _chunk(
    initial: Array, S: Array, chunk: tuple[Array, Write, Array | None]
) -> tuple[Array, Array]:
    """Compute the steps of one chunk: the body of ``jax.lax.scan``."""
    q, (k, v, log_decay, beta), reset = chunk
    g = jnp.cumsum(log_decay, axis=-2)  # [B, heads, C, 1 or K]
    C = q.shape[-2]
    visible = jnp.tri(C, dtype=bool)  # [t, s]: whether step t reads what s wrote
    since, carried = g, None
    if reset is not None:
        sequence = jnp.cumsum(reset, axis=-1)  # [B, C]
        same = sequence[:, :, None] == sequence[:, None, :]
        visible = (visible[None] & same)[:, None]  # [B, 1, C, C]
        carried = (sequence == 0)[:, None, :, None]  # before the first reset: S remains
        # The sum since the last reset, including the step with the reset.
        since = jnp.matmul(
            visible.astype(g.dtype), log_decay, precision=jax.lax.Precision.HIGHEST
        )

    def before(a: Array) -> Array:
        """Read from the state before the chunk, or from the last reset."""
        a = a * jnp.exp(since)
        return a @ S if carried is None else jnp.where(carried, a @ S, a @ initial)

    u = v
    if beta is not None:
        # (I + A) u = beta (v - S^T k), with A strictly lower triangular.
        u = _inverse(beta * _products(k, k, g, visible)) @ (beta * (v - before(k)))
    r = before(q) + _products(q, k, g, visible) @ u

    last = visible[..., -1, :, None]
    kept = k * jnp.exp(jnp.where(last, g[..., -1:, :] - g, -jnp.inf))
    S = S if carried is None else jnp.where(carried[:, :, -1:], S, initial)
    decay = jnp.exp(jnp.swapaxes(since[..., -1:, :], -1, -2))  # [B, heads, 1 or K, 1]
    return decay * S + jnp.swapaxes(kept, -1, -2) @ u, r


def _inverse(A: Array) -> Array:
    """Return the inverse of ``I + A``, reading A only below the diagonal.

    ``triangular_solve`` is not used: on a CPU, two concurrent calls of it can deadlock.

    Args:
        A: ``[..., C, C]``; C is a power of two.
    """
    *axes, C, _ = A.shape
    multiply = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)

    def below(size: int, inverses: Array) -> Array:
        # [[1 + A_1, 0], [B, 1 + A_2]] has [[F_1, 0], [-F_2 B F_1, F_2]] as its inverse.
        first, second = inverses[..., ::2, :, :], inverses[..., 1::2, :, :]
        pairs = jnp.arange(C // (2 * size))
        blocks = A.reshape(*axes, len(pairs), 2, size, len(pairs), 2, size)
        B = jnp.moveaxis(blocks[..., pairs, 1, :, pairs, 0, :], 0, -3)
        return -multiply(multiply(second, B), first)

    return _triangle(jnp.ones((*axes, C, 1, 1), A.dtype), below)


def _products(q: Array, k: Array, g: Array, visible: Array) -> Array:
    """Return ``<exp(g_t - g_s) * q_t, k_s>`` where s is visible to t, else 0.

    Args:
        q: ``[..., C, K]``.
        k: ``[..., C, K]``.
        g: ``[..., C, 1 or K]``, decreasing.
        visible: bool, ``[C, C]`` or more axes, True only for s <= t.
    """
    if g.shape[-1] == 1:
        decay = jnp.exp(jnp.where(visible, g - jnp.swapaxes(g, -1, -2), -jnp.inf))
        return (q @ jnp.swapaxes(k, -1, -2)) * decay
    *axes, C, K = q.shape

    def halves(a: Array, size: int) -> tuple[Array, Array]:
        """Return the first and the second block of each pair of blocks."""
        pairs = a.reshape(*axes, C // (2 * size), 2, size, K)
        return pairs[..., 0, :, :], pairs[..., 1, :, :]

    def below(size: int, _: Array) -> Array:
        _, q2 = halves(q, size)
        k1, _ = halves(k, size)
        g1, g2 = halves(g, size)
        edge = g1[..., -1:, :]
        return (q2 * jnp.exp(g2 - edge)) @ jnp.swapaxes(k1 * jnp.exp(edge - g1), -1, -2)

    # A CPU starts from single steps; elsewhere every level costs some launches, and the
    # smallest blocks are computed directly.
    size = 1 if platform() == "cpu" else BLOCK
    near = (*axes, C // size, size, K)
    q1, k1, g1 = (a.reshape(near) for a in (q, k, g))
    difference = g1[..., :, None, :] - g1[..., None, :, :]
    lower = jnp.tri(size, dtype=bool)[..., None]
    decay = jnp.exp(jnp.where(lower, difference, -jnp.inf))
    blocks = jnp.einsum("...tk,...sk,...tsk->...ts", q1, k1, decay)
    return jnp.where(visible, _triangle(blocks, below), jnp.zeros((), blocks.dtype))


def _triangle(blocks: Array, below: Callable[[int, Array], Array]) -> Array:
    """Return a lower triangular matrix with these blocks on its diagonal.

    At every level two blocks become one of twice the size; `below` returns the block in
    its lower left corner.

    Args:
        blocks: ``[..., n, size, size]``, n a power of two.
        below: ``(size, blocks) -> [..., n / 2, size, size]``.
    """
    while blocks.shape[-3] > 1:
        first, second = blocks[..., ::2, :, :], blocks[..., 1::2, :, :]
        top = jnp.concatenate([first, jnp.zeros_like(first)], -1)
        low = jnp.concatenate([below(blocks.shape[-1], blocks), second], -1)
        blocks = jnp.concatenate([top, low], -2)
    return blocks[..., 0, :, :]
