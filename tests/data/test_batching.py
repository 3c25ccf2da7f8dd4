"""Batches hold every row once, in few shapes and with little padding."""

import itertools
from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zoo.tasks.data.batching import Buckets, Streams, boundaries

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(1, 9), st.one_of(st.none(), st.integers(0, 99)))
def test_every_row_is_in_one_batch(
    lengths: np.ndarray, batch_size: int, seed: int | None
) -> None:
    buckets = Buckets(lengths, batch_size)
    batches = buckets.epoch(seed)
    rows = np.concatenate([rows for _, rows in batches])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert len(batches) == len(buckets)
    assert sum(len(rows) < batch_size for _, rows in batches) <= 1
    for T, rows in batches:
        assert T in buckets.sizes
        assert lengths[rows].max() <= T


@given(
    LENGTHS,
    st.integers(1, 40),
    st.integers(1, 400),
    st.one_of(st.none(), st.integers(0, 99)),
    st.one_of(st.none(), st.lists(st.integers(1, 40), min_size=1, unique=True)),
)
def test_no_batch_has_more_tokens_than_allowed(
    lengths: np.ndarray,
    batch_size: int,
    max_tokens: int,
    seed: int | None,
    sizes: list[int] | None,
) -> None:
    sizes = sorted(sizes) if sizes else None
    buckets = Buckets(lengths, batch_size, sizes, max_tokens)
    batches = buckets.epoch(seed)
    rows = np.concatenate([rows for _, rows in batches])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert len(batches) == len(buckets)
    for T, rows in batches:
        B = buckets.batch_rows[T]  # one number of rows, and one program, for each T
        assert T in buckets.sizes and lengths[rows].max() <= T
        assert len(rows) <= B <= batch_size
        assert B * T <= max_tokens or B == 1
    unlimited = Buckets(lengths, batch_size, sizes)
    if batch_size * max(unlimited.sizes) <= max_tokens:  # nothing changes
        pairs = zip(batches, unlimited.epoch(seed), strict=True)
        assert all(S == T and (a == b).all() for (S, a), (T, b) in pairs)


def test_a_single_long_row_is_a_batch_of_its_own() -> None:
    lengths = np.array([5] * 259 + [5000])
    buckets = Buckets(lengths, 32, max_tokens=16_000)
    assert buckets.sizes == [5, 5000]
    assert buckets.batch_rows == {5: 32, 5000: 1}
    assert [(T, len(rows)) for T, rows in buckets.epoch(None)] == [
        *[(5, 32)] * 8,
        *((5, 3), (5000, 1)),
    ]
    long = Buckets(np.array([9, 10, 90]), 2, [10, 90], max_tokens=20)
    assert [(T, rows.tolist()) for T, rows in long.epoch(None)] == [
        *((10, [0, 1]), (90, [2])),
    ]


@given(LENGTHS, st.integers(1, 9))
def test_the_same_seed_gives_the_same_batches(
    lengths: np.ndarray, batch_size: int
) -> None:
    buckets = Buckets(lengths, batch_size)
    pairs = zip(buckets.epoch(7), buckets.epoch(7), strict=True)
    for (S, first), (T, second) in pairs:
        assert S == T
        assert (first == second).all()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(1, 4))
def test_boundaries_minimise_padding(lengths: list[int], max_shapes: int) -> None:
    def num_positions(sizes: Iterable[int]) -> int:
        return sum(min(size for size in sizes if size >= n) for n in lengths)

    sizes = sorted(set(lengths))
    best = min(
        num_positions([*chosen, sizes[-1]])
        for chosen in itertools.combinations(
            sizes[:-1], min(max_shapes, len(sizes)) - 1
        )
    )
    chosen = boundaries(np.array(lengths), shape_cost=0, max_shapes=max_shapes)
    assert num_positions(chosen) == best


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=30),
    st.integers(1, 4),
    st.integers(1, 40),
)
def test_a_bucket_costs_as_much_as_some_positions(
    lengths: list[int], epochs: int, shape_cost: int
) -> None:
    def cost(sizes: Iterable[int]) -> int:
        positions = sum(min(size for size in sizes if size >= n) for n in lengths)
        return epochs * positions + shape_cost * len(list(sizes))

    sizes = sorted(set(lengths))
    best = min(
        cost([*chosen, sizes[-1]])
        for number in range(len(sizes))
        for chosen in itertools.combinations(sizes[:-1], number)
    )
    chosen = boundaries(np.array(lengths), epochs=epochs, shape_cost=shape_cost)
    assert cost(chosen) == best


def test_rows_longer_than_every_bucket_get_a_new_bucket() -> None:
    buckets = Buckets(np.array([3, 90]), 2, [4, 8])
    assert [T for T, _ in buckets.epoch(None)] == [96]


@given(st.integers(2, 400), st.integers(1, 7), st.integers(1, 50))
def test_streams_read_every_position_once(
    length: int, batch_size: int, window: int
) -> None:
    streams = Streams(length, batch_size, window)
    positions = [[] for _ in range(batch_size)]
    num_batches = 0
    for rows in streams.epoch():
        num_batches += 1
        for b, (start, stop) in enumerate(rows):
            assert stop - start <= window
            positions[b] += range(start, stop)
    assert num_batches == len(streams)
    assert sum(positions, []) == list(range(length - 1))
