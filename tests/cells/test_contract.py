"""Every cell and every layer satisfies the contract."""

from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.cells.option_cases import OPTIONS
from tests.helpers import reference
from tests.helpers.contract import Contract
from tests.helpers.subject import D, H, Subject
from tests.helpers.tolerances import BFLOAT16, BFLOAT16_GRADIENT, SCHEDULE


def recurrent(cell, *, cell_options=None, **layer_options):
    """Return a function that builds a layer of one cell."""

    def make(rngs, dtype=None, param_dtype=jnp.float32, **options):
        dtypes = {"dtype": dtype, "param_dtype": param_dtype}
        instance = cell(D, H, rngs=rngs, **dtypes, **(cell_options or {}))
        return zoo.Recurrent(instance, **{**layer_options, **options})

    return make


def uneven(rngs, **options):
    """Build a stack of different cells with different hidden sizes."""
    return zoo.Stacked(
        [
            zoo.Recurrent(zoo.LSTMCell(D, 5, rngs=rngs, **options)),
            zoo.Recurrent(zoo.GRUCell(5, H, rngs=rngs, **options)),
            zoo.Residual(zoo.Recurrent(zoo.ElmanCell(H, H, rngs=rngs, **options))),
        ]
    )


def residual_both(rngs, **options):
    """Build a residual layer around the sum of two directions."""
    forward = zoo.MGUCell(D, D, rngs=rngs, **options)
    backward = zoo.ElmanCell(D, D, rngs=rngs, **options)
    return zoo.Residual(
        zoo.Bidirectional(
            zoo.Recurrent(forward), zoo.Recurrent(backward, reverse=True), merge="sum"
        )
    )


# name: (function that builds the layer, name of its reference or None)
CASES = {name: (recurrent(cell), name) for name, cell in zoo.cells().items()} | {
    "rnn relu": (
        recurrent(zoo.ElmanCell, cell_options={"nonlinearity": "relu"}),
        "rnn_relu",
    ),
    "lstm no bias": (recurrent(zoo.LSTMCell, cell_options={"bias": False}), "lstm"),
    "gru no bias": (recurrent(zoo.GRUCell, cell_options={"bias": False}), "gru"),
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
    "fast_grnn low rank": (
        recurrent(zoo.FastGRNNCell, cell_options={"W_rank": 2, "U_rank": 2}),
        None,
    ),
    "lru reverse": (recurrent(zoo.LRUCell, reverse=True), "lru"),
    "uneven stack": (uneven, None),
    "residual both ways": (residual_both, None),
}


for cell_name, options, needed in OPTIONS:
    cell = zoo.cells()[cell_name.removesuffix("_tanh")]
    label: str = " ".join(
        [cell_name, *(f"{key}={value}" for key, value in options.items())]
    )
    constants = {key: options[key] for key in needed}
    if constants:
        references: dict[str, Any] = reference.CELLS
        references[label] = partial(references[cell_name], **constants)
    numpy_name = label if constants else cell_name
    CASES[label] = (recurrent(cell, cell_options=options), numpy_name)


# Layer norm divides by the deviation of a few entries, here small.
SCHEDULE_TOLERANCES = {"layernorm_lstm": 5e-6}
# Larger tolerances in bfloat16. The output of mLSTM is a quotient of two sums that may
# both be near zero.
BFLOAT16_TOLERANCES = {"mlstm": 5e-2}
BFLOAT16_GRADIENT_TOLERANCES = {"layernorm_gru": 1.5e-1}
# One case for each kind of cell: additive and other updates, products between gates,
# parameters in the update, an output function, complex and integer states, constants,
# windows, matrix states. And one for each kind of layer.
OF_EACH_KIND = {
    *("rnn", "lstm", "layernorm_lstm", "projected_lstm", "gru", "mgu", "lru", "sru"),
    *("qrnn", "clockwork_rnn", "urnn", "scrn", "slstm", "gla"),
    *("lstm reverse", "lru reverse", "lstm learnt state", "lstm zoneout"),
    *("fast_grnn low rank", "slstm num_heads=2"),
    *("lstm projected, 2 layers", "gru stacked both ways", "uneven stack"),
    *("residual both ways", "lstm both ways, one loop"),
}
GOLDEN = Path(__file__).parents[1] / "golden" / "cells.npz"


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Return a case of the table, whose programs are compiled once."""
    make, reference_name = CASES[request.param]
    tolerances = (
        SCHEDULE_TOLERANCES.get(request.param, SCHEDULE),
        BFLOAT16_TOLERANCES.get(request.param, BFLOAT16),
        BFLOAT16_GRADIENT_TOLERANCES.get(request.param, BFLOAT16_GRADIENT),
    )
    return Subject(make, *tolerances), reference_name, request.param


@pytest.fixture
def subject(case):
    """Return the layer of a case."""
    return case[0]


@pytest.fixture
def reference_name(case):
    """Return the name of the reference of a case, or None."""
    return case[1]


@pytest.fixture
def golden(case):
    """Return the golden values of a cell by name, or None for other cases."""
    name = case[2]
    if name not in zoo.cells():
        return None
    prefix = name + "/"
    with np.load(GOLDEN) as file:
        values = {k.removeprefix(prefix): file[k] for k in file if k.startswith(prefix)}
    assert values, f"{name} has no golden values: run python -m tests.golden.make_cells"
    return values


class TestContract(Contract):
    """All tests of the contract, for every case."""
