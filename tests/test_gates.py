"""The gates of every cell, how often they are shut, and where states move."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from numerics import sigmoid
from tolerances import REFERENCE, assert_close, assert_identical

import zoo
from zoo import diagnostics, plots

B, T, D, H = 3, 6, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = np.array(zoo.mask_from_lengths(np.array([6, 4, 0]), T))
# Their sigmoid is no gate of a unit: the state itself, one number for all steps, a
# constant of time, and a decay that is taken as a logarithm.
NO_GATE = {"scrn", "fast_rnn", "unicornn", "gla"}


def of_lstm(cell, x, mask, order):
    """Compute the gates of an LSTM row by row, in numpy."""
    W, U, b = (np.asarray(p[...], np.float64) for p in (cell.W, cell.U, cell.b))
    found = {name: np.zeros((B, T, H)) for name in "ifo"}
    for row in range(B):
        h, c = np.zeros(H), np.zeros(H)
        for t in order:
            if mask[row, t]:
                i, f, g, o = np.split(x[row, t] @ W + h @ U + b, 4)
                i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
                c = f * c + i * np.tanh(g)
                h = o * np.tanh(c)
                for name, value in zip("ifo", (i, f, o), strict=True):
                    found[name][row, t] = value
    return found


def test_gates_are_those_of_the_equation_in_both_directions():
    layer = zoo.LSTM(D, H, bidirectional=True, rngs=nnx.Rngs(0))
    x = np.where(MASK[..., None], X, np.nan)
    (found,) = diagnostics.gates(layer, x, MASK)
    both = layer.layers[0]
    for side, one, order in (
        ("forward", both.forward, range(T)),
        ("backward", both.backward, range(T)[::-1]),
    ):
        for name, values in of_lstm(one.cell, X, MASK, order).items():
            assert_close(found[f"{side}/{name}"], values, REFERENCE)


def test_gates_of_a_stack_see_the_layer_below():
    layer = zoo.GRU(D, H, 2, rngs=nnx.Rngs(0))
    lower, upper = diagnostics.gates(layer, X)
    below, above = layer.layers
    assert_identical(lower, diagnostics.gates(below, X)[0])
    assert_identical(upper, diagnostics.gates(above, below(X)[1])[0])
    residual = zoo.Residual(zoo.Recurrent(zoo.GRUCell(D, D, rngs=nnx.Rngs(0))))
    assert_identical(
        diagnostics.gates(residual, X), diagnostics.gates(residual.layer, X)
    )


@pytest.mark.parametrize("name", zoo.cells())
def test_every_gate_of_an_equation_has_a_name(name):
    cell = zoo.cells()[name]
    layer = zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(0)))
    (found,) = jax.eval_shape(lambda: diagnostics.gates(layer, X, MASK))
    gated = "sigmoid" in cell.equation or "LSTM(" in cell.equation
    assert bool(found) == (gated and name not in NO_GATE)
    for values in found.values():
        assert values.shape[:2] == (B, T)


def test_saturation_counts_real_tokens():
    values = np.zeros((2, 3, 2), np.float32)
    values[0, :, 0] = 0.05, 0.5, 0.95
    values[0, :, 1] = 0.95, 0.95, 0.95
    values[1] = 0.05  # only its first token is real
    mask = np.array([[1, 1, 1], [1, 0, 0]], bool)
    found = diagnostics.saturation(values, mask, bins=2)
    assert_close(found.left, np.array([2 / 4, 1 / 4], np.float32), 1e-6)
    assert_close(found.right, np.array([1 / 4, 3 / 4], np.float32), 1e-6)
    assert_close(found.histogram, np.array([3 / 8, 5 / 8], np.float32), 1e-6)
    whole = diagnostics.saturation(values, low=0.5, high=0.5)
    assert_close(whole.left, np.array([4 / 6, 3 / 6], np.float32), 1e-6)
    assert whole.histogram.shape == (20,)
    assert float(diagnostics.saturation(values, 0 * mask > 0).left.sum()) == 0.0


def test_trajectories_are_principal_components():
    layer = zoo.LSTM(D, H, 2, rngs=nnx.Rngs(0))
    found = diagnostics.trajectories(layer, X, MASK, part="c", dimensions=3)
    states = np.asarray(layer.states(X, MASK)[-1].c, np.float64)
    real = states[MASK]
    mean = real.mean(axis=0)
    _, sizes, vectors = np.linalg.svd(real - mean, full_matrices=False)
    assert_close(found.mean, mean, REFERENCE)
    assert_close(found.explained, (sizes**2 / (sizes**2).sum())[:3], REFERENCE)
    signs = np.sign(np.take_along_axis(vectors, abs(vectors).argmax(1)[:, None], 1))
    directions = (vectors * signs)[:3]
    assert_close(found.directions, directions, 1e-4)
    expected = np.where(MASK[..., None], (states - mean) @ directions.T, 0)
    assert_close(found.points, expected, 1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: diagnostics.gates(layer, X[..., 0] > 0), "floating"),
        (
            lambda layer: diagnostics.saturation(X[0]),
            r"values must have shape \[B, T, H\], got \(6, 3\)",
        ),
        (lambda layer: diagnostics.saturation(X, low=0.9, high=0.1), "0.9 and 0.1"),
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
        (lambda layer: plots.gates({}, "x.png"), "names none"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(zoo.GRU(D, H, rngs=nnx.Rngs(0)))


def test_plots_are_drawn(tmp_path):
    layer = zoo.LSTM(D, H, rngs=nnx.Rngs(0))
    (gates,) = diagnostics.gates(layer, X, MASK)
    each = {name: diagnostics.saturation(one, MASK) for name, one in gates.items()}
    span = diagnostics.memory_span(layer, X, jax.random.key(0))
    norms = diagnostics.gradient_norms(layer, jnp.asarray(X), lambda y: y.sum())
    radii = diagnostics.spectral_radius(layer)
    way = diagnostics.trajectories(layer, X, MASK)
    draw = {
        "gates": lambda path: plots.gates(gates, path, tokens=["a", " ", "$", "word"]),
        "saturation": lambda path: plots.saturation(each, path),
        "span": lambda path: plots.memory_span({"lstm": span}, path),
        "norms": lambda path: plots.gradient_norms(norms, path),
        "radius": lambda path: plots.spectral_radius(radii, path),
        "ways": lambda path: plots.trajectories(way, path, MASK),
    }
    for name, one in draw.items():
        one(tmp_path / f"{name}.png")
        content = (tmp_path / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 5_000
