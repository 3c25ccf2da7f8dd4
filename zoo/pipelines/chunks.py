"""Rows in batches of similar length, and long ones in chunks.

Reading in chunks takes the memory of a chunk and has the results of the whole row.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from zoo.layers import BidirectionalState
from zoo.types import State

Read = Callable[[dict[str, np.ndarray], State], tuple[State, Any]]


def read_in_chunks(
    read: Read, batch: dict[str, np.ndarray], state: State, length: int
) -> Any:
    """Read a batch chunk by chunk, with the states that the whole would have.

    A layer that reads forwards begins a chunk with its state after the chunk before, a
    layer that reads in reverse with its state after the chunk that follows. The chunks
    are swept from the first to the last, then back. Each pair of sweeps makes the
    states between the chunks right for one more bidirectional layer, from the lowest
    up, since its inputs are right by then; the last sweep gives the results.

    Args:
        read: ``(chunk, state) -> (state, part)``; a part is a pytree of arrays
            ``[B, ...]``.
        batch: arrays ``[B, T, ...]``.
        state: the initial state of the layers, all of which read in one direction, or
            all in both.
        length: of a chunk, a divisor of T.

    Returns:
        The parts of the C chunks as arrays ``[B, C, ...]``.
    """
    starts = range(0, batch["mask"].shape[1], length)
    chunks = [
        {name: a[:, start : start + length] for name, a in batch.items()}
        for start in starts
        if batch["mask"][:, start:].any()
    ]
    num_bidirectional = sum(map(_is_bidirectional, _nodes(state)))
    num_sweeps = max(1, 2 * num_bidirectional)
    states = [state] * len(chunks)
    parts: list[Any] = [None] * len(chunks)
    for sweep in range(num_sweeps):
        numbers = range(len(chunks))
        for k in numbers if sweep % 2 == 0 else reversed(numbers):
            after, part = read(chunks[k], states[k])
            if k + 1 < len(chunks):
                states[k + 1] = _after_previous(states[k + 1], after)
            if k > 0:
                states[k - 1] = _after_next(states[k - 1], after)
            if sweep == num_sweeps - 1:
                parts[k] = jax.device_get(part)
    padding = jax.tree.map(np.zeros_like, parts[0])
    parts += [padding] * (len(starts) - len(chunks))
    return jax.tree.map(lambda *arrays: np.stack(arrays, axis=1), *parts)


def _is_bidirectional(node: Any) -> bool:
    return isinstance(node, BidirectionalState)


def _nodes(state: State) -> list[Any]:
    return jax.tree.leaves(state, is_leaf=_is_bidirectional)


def _after_previous(state: State, after: State) -> State:
    """Return the state of a chunk, with the forward states of the chunk before."""
    return jax.tree.map(
        lambda a, b: b._replace(backward=a.backward) if _is_bidirectional(a) else b,
        state,
        after,
        is_leaf=_is_bidirectional,
    )


def _after_next(state: State, after: State) -> State:
    """Return the state of a chunk, with the backward states of the chunk after it."""
    return jax.tree.map(
        lambda a, b: b._replace(forward=a.forward) if _is_bidirectional(a) else a,
        state,
        after,
        is_leaf=_is_bidirectional,
    )


def batches(
    lengths: Sequence[int], batch_size: int, factor: Callable[[int], int]
) -> Iterator[tuple[list[int], int]]:
    """Yield the indices of the rows of each batch, and B, the shortest rows first.

    Args:
        lengths: of the rows.
        batch_size: B of rows with factor 1.
        factor: returns by what the B of rows of a length is smaller; it does not
            decrease with the length. A batch has rows of one factor.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for number, group in itertools.groupby(order, lambda k: factor(lengths[k])):
        indices, size = list(group), max(1, batch_size // number)
        for start in range(0, len(indices), size):
            yield indices[start : start + size], size
