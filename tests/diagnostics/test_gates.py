"""Gates of every cell, their saturation, trajectories of states, and plots."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.cells.test_contract import OF_EACH_KIND  # noqa: F401 (read by conftest.py)
from tests.helpers.numerics import sigmoid
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from tests.helpers.typed import present, untyped
from zoo import diagnostics, plots
from zoo.diagnostics.plots import gradients

B, T, D, H = 3, 6, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = np.array(zoo.mask_from_lengths(np.array([6, 4, 0]), T))
# Their sigmoid is not a gate: it gives the state itself, or one number for all steps.
WITHOUT_GATE = {"scrn", "fast_rnn", "unicornn"}
# A gate without a sigmoid: the input-dependent decay exp(-Delta exp(A_log)).
OTHER_GATE = {"s6"}


def lstm_gates(cell: Any, x: np.ndarray, steps: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the gates of an LSTM at real tokens, by a loop in NumPy."""
    W, U, b = (np.asarray(p[...], np.float64) for p in (cell.W, cell.U, cell.b))
    gates = {name: np.zeros((B, T, H)) for name in "ifo"}
    for row in range(B):
        h, c = np.zeros(H), np.zeros(H)
        for t in steps:
            if MASK[row, t]:
                i, f, g, o = np.split(x[row, t] @ W + h @ U + b, 4)
                i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
                c = f * c + i * np.tanh(g)
                h = o * np.tanh(c)
                for name, value in zip("ifo", (i, f, o), strict=True):
                    gates[name][row, t] = value
    return gates


def test_gates_of_a_bidirectional_lstm_equal_the_equation():
    layer = zoo.LSTM(D, H, bidirectional=True, rngs=nnx.Rngs(0))
    x = np.where(MASK[..., None], X, np.nan)
    (gates,) = diagnostics.gates(layer, x, MASK)
    (bidirectional,) = layer.layers
    assert isinstance(bidirectional, zoo.Bidirectional)
    for direction, recurrent, steps in (
        ("forward", bidirectional.forward, range(T)),
        ("backward", bidirectional.backward, range(T)[::-1]),
    ):
        for name, values in lstm_gates(untyped(recurrent).cell, X, steps).items():
            assert_close(gates[f"{direction}/{name}"], values, REFERENCE)


def test_gates_of_a_gru_equal_the_equation():
    cell = zoo.GRUCell(D, H, rngs=nnx.Rngs(0))
    (gates,) = diagnostics.gates(zoo.Recurrent(cell), X, MASK)
    W, U, b, b_hn = (
        np.asarray(present(p)[...], np.float64)
        for p in (cell.W, cell.U, cell.b, cell.b_hn)
    )
    expected = {name: np.zeros((B, T, H)) for name in "rz"}
    for row in range(B):
        h = np.zeros(H)
        for t in np.flatnonzero(MASK[row]):
            p, q = np.split(X[row, t] @ W + b, 3), np.split(h @ U, 3)
            r, z = sigmoid(p[0] + q[0]), sigmoid(p[1] + q[1])
            expected["r"][row, t], expected["z"][row, t] = r, z
            h = (1 - z) * np.tanh(p[2] + r * (q[2] + b_hn)) + z * h
    assert_close(gates, expected, REFERENCE)


# Gates that depend on the input alone, as functions of the sigmoids of the projected
# input: some are normalised, or scaled in the logarithm.
INPUT_GATES = {
    "minlstm": ({}, lambda f, i, n: {"f": f / (f + i), "i": i / (f + i)}),
    "hgrn": ({"lower_bound": 0.5}, lambda f, c, g: {"f": 0.5 + 0.5 * f, "g": g}),
    "mlstm": ({}, lambda q, k, v, i, f, o: {"f": f, "o": o}),
    "gla": ({}, lambda q, k, v, alpha, g: {"alpha": alpha ** (1 / 16)}),
}


@pytest.mark.parametrize("name", INPUT_GATES)
def test_gates_that_depend_on_the_input_alone(name):
    options, expected = INPUT_GATES[name]
    cell = untyped(zoo.cells()[name])(D, H, **options, rngs=nnx.Rngs(0))
    with jax.disable_jit():
        (gates,) = diagnostics.gates(zoo.Recurrent(cell), X[:, :1])
    p = cell.project(jnp.asarray(X[:, :1]))
    parts = p.values() if isinstance(p, dict) else np.split(np.asarray(p), 3, axis=-1)
    sigmoids = [sigmoid(np.asarray(a)) for a in parts]
    assert_close(gates, expected(*sigmoids), REFERENCE)


def test_gates_of_cells_within_a_cell_are_numbered():
    rngs = nnx.Rngs(0)
    fast = [zoo.LSTMCell(D, H, rngs=rngs), zoo.LSTMCell(5, H, rngs=rngs)]
    slow = zoo.GRUCell(H, 5, rngs=rngs)
    layer = zoo.Recurrent(zoo.FastSlowCell(fast, slow))
    with jax.disable_jit():
        (gates,) = diagnostics.gates(layer, X[:, :1])
        (first,) = diagnostics.gates(zoo.Recurrent(fast[0]), X[:, :1])
    assert set(gates) == {"i_1", "f_1", "o_1", "i_2", "f_2", "o_2", "r", "z"}
    for name, values in first.items():
        assert_close(gates[f"{name}_1"], values, REFERENCE)
    assert gates["z"].shape == (B, 1, 5)


def test_gates_of_a_stack_read_the_layer_below():
    stack = zoo.GRU(D, H, 2, rngs=nnx.Rngs(0))
    first_gates, second_gates = diagnostics.gates(stack, X)
    first, second = stack.layers
    assert_identical(first_gates, diagnostics.gates(first, X)[0])
    assert_identical(second_gates, diagnostics.gates(second, first(X)[1])[0])


def test_gates_of_layers_within_layers():
    stack = zoo.GRU(D, D, 2, rngs=nnx.Rngs(0))
    rnn = zoo.Recurrent(zoo.ElmanCell(D, D, rngs=nnx.Rngs(1)))
    layer = zoo.Stacked([zoo.Residual(stack), rnn])
    with jax.disable_jit():
        nested, rnn_gates = diagnostics.gates(layer, X[:, :2])
        plain = diagnostics.gates(stack, X[:, :2])
    assert rnn_gates == {}
    assert set(nested) == {"0/r", "0/z", "1/r", "1/z"}
    for level, gates in enumerate(plain):
        expected = {name: nested[f"{level}/{name}"] for name in gates}
        assert_identical(gates, expected)


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", zoo.cells())
def test_every_gate_of_an_equation_has_a_name(case):
    cell = zoo.cells()[case]
    layer = zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(0)))
    has_sigmoid = "sigmoid" in cell.equation or "LSTM(" in cell.equation
    with jax.disable_jit():  # compiling takes longer than a step
        (gates,) = diagnostics.gates(layer, X[:, :1])
    gated = has_sigmoid and case not in WITHOUT_GATE or case in OTHER_GATE
    assert bool(gates) == gated
    for values in gates.values():
        assert values.shape[:2] == (B, 1)
        assert ((values >= 0) & (values <= 1)).all()  # and finite


def test_saturation_counts_real_tokens():
    values = np.zeros((2, 3, 2), np.float32)
    values[0, :, 0] = 0.05, 0.5, 0.95
    values[0, :, 1] = 0.95, 0.95, 0.95
    values[1] = 0.05  # only its first token is real
    mask = np.array([[1, 1, 1], [1, 0, 0]], bool)
    result = diagnostics.saturation(values, mask, bins=2)
    assert_close(result.left, np.array([2 / 4, 1 / 4], np.float32), 1e-6)
    assert_close(result.right, np.array([1 / 4, 3 / 4], np.float32), 1e-6)
    assert_close(result.histogram, np.array([3 / 8, 5 / 8], np.float32), 1e-6)
    unmasked = diagnostics.saturation(values, low=0.5, high=0.5)
    assert_close(unmasked.left, np.array([4 / 6, 3 / 6], np.float32), 1e-6)
    assert unmasked.histogram.shape == (20,)
    assert float(diagnostics.saturation(values, 0 * mask > 0).left.sum()) == 0.0
    # The units of a gate with heads or spatial axes are counted separately.
    heads = diagnostics.saturation(values[..., None], mask, bins=2)
    assert_close(heads.left, result.left[:, None], 0)
    assert_close(heads.histogram, result.histogram, 0)


def test_trajectories_are_principal_components():
    layer = zoo.LSTM(D, H, 2, rngs=nnx.Rngs(0))
    result = diagnostics.trajectories(layer, X, MASK, part="c", dimensions=3)
    states = np.asarray(layer.states(X, MASK)[-1].c, np.float64)
    real = states[MASK]
    mean = real.mean(axis=0)
    _, singular, vectors = np.linalg.svd(real - mean, full_matrices=False)
    assert_close(result.mean, mean, REFERENCE)
    assert_close(result.explained, (singular**2 / (singular**2).sum())[:3], REFERENCE)
    signs = np.sign(np.take_along_axis(vectors, abs(vectors).argmax(1)[:, None], 1))
    directions = (vectors * signs)[:3]
    assert_close(result.directions, directions, 1e-4)
    expected = np.where(MASK[..., None], (states - mean) @ directions.T, 0)
    assert_close(result.points, expected, 1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: diagnostics.gates(layer, X > 0), "floating"),
        (lambda layer: diagnostics.gates(layer, X[0]), r"\[B, T, D\]"),
        (
            lambda layer: diagnostics.gates(layer, X, MASK[:, :2]),
            r"mask must have shape \[B, T\] = \(3, 6\), got \(3, 2\)",
        ),
        (lambda layer: diagnostics.saturation(X, MASK * 1), "mask must be bool"),
        (
            lambda layer: diagnostics.saturation(X[0]),
            r"values must have shape \[B, T, H\], got \(6, 3\)",
        ),
        (lambda layer: diagnostics.saturation(X, low=0.9, high=0.1), "0.9, 0.1"),
        (
            lambda layer: diagnostics.trajectories(layer, X, part="c"),
            "part must be one of 'h', got 'c'",
        ),
        (
            lambda layer: diagnostics.trajectories(layer, X, dimensions=5),
            "at most H = 4, got 5",
        ),
        (
            lambda layer: diagnostics.trajectories(
                zoo.GRU(D, H, bidirectional=True, rngs=nnx.Rngs(0)), X
            ),
            "one direction",
        ),
        (
            lambda layer: diagnostics.trajectories(
                zoo.make("clockwork_rnn", D, H, rngs=nnx.Rngs(0)), X, part="t"
            ),
            "part must be one of 'h', got 't'",
        ),
        (
            lambda layer: plots.trajectories(
                diagnostics.trajectories(layer, X, dimensions=1), "x.png"
            ),
            "2 dimensions, got 1",
        ),
        (lambda layer: plots.gates({}, "x.png"), "has none"),
        (lambda layer: plots.saturation([{}], "x.png"), "must have a gate"),
    ],
)
def test_errors_name_the_expected_value(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(zoo.GRU(D, H, rngs=nnx.Rngs(0)))


def test_plots_are_written(tmp_path):
    layer = zoo.LSTM(D, H, rngs=nnx.Rngs(0))
    (gates,) = diagnostics.gates(layer, X, MASK)
    saturation = {
        name: diagnostics.saturation(values, MASK) for name, values in gates.items()
    }
    span = diagnostics.memory_span(layer, X, jax.random.key(0))
    norms = diagnostics.gradient_norms(layer, jnp.asarray(X), lambda y: y.sum())
    radii = diagnostics.spectral_radius(layer)
    trajectories = diagnostics.trajectories(layer, X, MASK)
    functions = {
        "gates": lambda path: plots.gates(gates, path, tokens=["a", " ", "$", "word"]),
        "saturation": lambda path: plots.saturation(saturation, path),
        "layers": lambda path: plots.saturation(
            [saturation, {"f": saturation["f"]}], path
        ),
        "span": lambda path: plots.memory_span({"lstm": span}, path),
        "norms": lambda path: plots.gradient_norms(norms, path),
        "radius": lambda path: plots.spectral_radius(radii, path),
        "trajectories": lambda path: plots.trajectories(trajectories, path, MASK),
    }
    for name, plot in functions.items():
        plot(tmp_path / f"{name}.png")
        content = (tmp_path / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 5_000


def test_padding_does_not_lower_the_mean_of_gradients(tmp_path, monkeypatch):
    """The mean at a step is over the rows that have a token there."""
    plotted = {}
    monkeypatch.setattr(
        gradients, "plot_lines", lambda lines, *_: plotted.update(lines)
    )
    plots.gradient_norms(np.array([[[4.0, 2.0, 0.0], [1.0, 0.0, 0.0]]]), tmp_path)
    assert_close(plotted["layer 0"][:2], np.array([2.0, 2.0]), 1e-12)
    assert np.isnan(plotted["layer 0"][2])
