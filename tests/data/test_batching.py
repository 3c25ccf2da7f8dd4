"""Batches hold every row once, in few shapes and with little padding."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.batching import Buckets, Streams, boundaries

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(1, 9), st.one_of(st.none(), st.integers(0, 99)))
def test_every_row_once(lengths, batch_size, seed):
    buckets = Buckets(lengths, batch_size)
    plan = buckets.epoch(seed)
    rows = np.concatenate([rows for _, rows in plan])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert len(plan) == len(buckets)
    assert sum(len(rows) < batch_size for _, rows in plan) <= 1
    for T, rows in plan:
        assert T in buckets.sizes
        assert lengths[rows].max() <= T


@given(LENGTHS, st.integers(1, 9))
def test_the_same_seed_gives_the_same_batches(lengths, batch_size):
    buckets = Buckets(lengths, batch_size)
    for (S, one), (T, other) in zip(buckets.epoch(7), buckets.epoch(7), strict=True):
        assert S == T
        assert (one == other).all()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(1, 4))
def test_boundaries_have_the_least_padding(lengths, shapes):
    lengths = np.array(lengths)
    found = boundaries(lengths, padding=0.0, max_shapes=shapes)

    def positions(sizes):
        return sum(min(s for s in sizes if s >= n) for n in lengths)

    sizes = sorted(set(lengths.tolist()))

    best = min(
        positions([*some, sizes[-1]])
        for some in itertools.combinations(sizes[:-1], min(shapes, len(sizes)) - 1)
    )
    assert positions(found) == best


def test_longer_rows_get_a_shape_of_their_own():
    buckets = Buckets(np.array([3, 90]), 2, [4, 8])
    assert [T for T, _ in buckets.epoch(None)] == [96]


@given(st.integers(2, 400), st.integers(1, 7), st.integers(1, 50))
def test_streams_read_the_whole_text_once(length, batch_size, window):
    streams = Streams(length, batch_size, window)
    read = [[] for _ in range(batch_size)]
    count = 0
    for rows in streams.epoch():
        count += 1
        for b, (start, stop) in enumerate(rows):
            assert stop - start <= window
            read[b] += range(start, stop)
    assert count == len(streams)
    assert sum(read, []) == list(range(length - 1))
