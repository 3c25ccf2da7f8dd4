"""Every cell and every layer keeps the contract."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.helpers.contract import Contract, D, H, Subject


def recurrent(cell, *, of_cell=None, **of_loop):
    """Return a function that builds a layer of one cell."""

    def make(rngs, dtype=None, param_dtype=jnp.float32, **options):
        dtypes = {"dtype": dtype, "param_dtype": param_dtype}
        made = cell(D, H, rngs=rngs, **dtypes, **(of_cell or {}))
        return zoo.Recurrent(made, **{**of_loop, **options})

    return make


def uneven(rngs, **options):
    """Stack different cells of different widths."""
    return zoo.Stacked(
        [
            zoo.Recurrent(zoo.LSTMCell(D, 5, rngs=rngs, **options)),
            zoo.Recurrent(zoo.GRUCell(5, H, rngs=rngs, **options)),
            zoo.Residual(zoo.Recurrent(zoo.ElmanCell(H, H, rngs=rngs, **options))),
        ]
    )


def residual_both(rngs, **options):
    """Add the input to the sum of both directions."""
    forward = zoo.MGUCell(D, D, rngs=rngs, **options)
    backward = zoo.ElmanCell(D, D, rngs=rngs, **options)
    return zoo.Residual(
        zoo.Bidirectional(
            zoo.Recurrent(forward), zoo.Recurrent(backward, reverse=True), merge="sum"
        )
    )


# name: (how to build it, the cell of tests/helpers/reference.py that it is to equal, or None)
CASES = {name: (recurrent(cell), name) for name, cell in zoo.cells().items()} | {
    "rnn relu": (
        recurrent(zoo.ElmanCell, of_cell={"nonlinearity": "relu"}),
        "rnn_relu",
    ),
    "lstm no bias": (recurrent(zoo.LSTMCell, of_cell={"bias": False}), "lstm"),
    "gru no bias": (recurrent(zoo.GRUCell, of_cell={"bias": False}), "gru"),
    "lstm reverse": (recurrent(zoo.LSTMCell, reverse=True), "lstm"),
    "gru reverse": (recurrent(zoo.GRUCell, reverse=True), "gru"),
    "lstm learnt state": (recurrent(zoo.LSTMCell, learn_initial_state=True), None),
    "lstm zoneout": (recurrent(zoo.LSTMCell, zoneout={"h": 0.1, "c": 0.5}), None),
    "lstm projected, 2 layers": (
        lambda rngs, **o: zoo.LSTM(D, H, 2, proj_size=2, rngs=rngs, **o),
        None,
    ),
    "gru stacked both ways": (
        lambda rngs, **o: zoo.GRU(
            D, H, 2, bidirectional=True, merge="stack", rngs=rngs, **o
        ),
        None,
    ),
    "lstm both ways, one loop": (
        lambda rngs, **o: zoo.LSTM(
            D,
            H,
            2,
            bidirectional=True,
            loops="one",
            learn_initial_state=True,
            rngs=rngs,
            **o,
        ),
        None,
    ),
    "clockwork both ways, one loop": (
        lambda rngs, **o: zoo.CellStack(
            zoo.ClockworkRNNCell,
            D,
            H,
            bidirectional=True,
            loops="one",
            rngs=rngs,
            **o,
        ),
        None,
    ),
    "lru reverse": (recurrent(zoo.LRUCell, reverse=True), "lru"),
    "uneven stack": (uneven, None),
    "residual both ways": (residual_both, None),
}


# What bfloat16 may lose where it is more than of other cells: the read-out of mLSTM is
# a quotient of two sums that may both be near zero.
ROUGH = {"mlstm": 5e-2}
# What the loop meets: plain and additive updates, products between the gates, small
# parameters in the update, a read-out, complex and integer states, constants, windows,
# matrix states; and each kind of layer.
OF_EACH_KIND = {
    *("rnn", "lstm", "layernorm_lstm", "projected_lstm", "gru", "mgu", "lru", "sru"),
    *("qrnn", "clockwork_rnn", "urnn", "scrn", "slstm", "gla"),
    *("lstm reverse", "lru reverse", "lstm learnt state", "lstm zoneout"),
    *("lstm projected, 2 layers", "gru stacked both ways", "uneven stack"),
    *("residual both ways", "lstm both ways, one loop"),
}
GOLDEN = Path(__file__).parents[1] / "golden" / "cells.npz"


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Return one row of the table, with its programs compiled once."""
    make, reference_name = CASES[request.param]
    rough = {"bfloat16": ROUGH[request.param]} if request.param in ROUGH else {}
    return Subject(make, **rough), reference_name, request.param


@pytest.fixture
def subject(case):
    """Return the layer of a case."""
    return case[0]


@pytest.fixture
def reference_name(case):
    """Return the reference of a case."""
    return case[1]


@pytest.fixture
def golden(case):
    """Return the values of a cell that are kept in a file, by name."""
    name = case[2]
    if name not in zoo.cells():
        return None
    with np.load(GOLDEN) as kept:
        start = name + "/"
        found = {key[len(start) :]: kept[key] for key in kept if key.startswith(start)}
    assert found, f"{name} has no golden values: tests/golden/make_cells.py makes them"
    return found


class TestContract(Contract):
    """The contract, for every case."""
