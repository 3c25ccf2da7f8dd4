"""The gates of every cell, how often they are shut, and where states move."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.cells.test_contract import OF_EACH_KIND  # noqa: F401 (which cells, see conftest)
from tests.helpers.numerics import sigmoid
from tests.helpers.tolerances import REFERENCE, assert_close, assert_identical
from zoo import diagnostics, plots

B, T, D, H = 3, 6, 3, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = np.array(zoo.mask_from_lengths(np.array([6, 4, 0]), T))
# Their sigmoid is no gate: the state itself, and one number for all steps.
NO_GATE = {"scrn", "fast_rnn", "unicornn"}
# A gate that is no sigmoid: the decay exp(-Delta exp(A_log)), which sees the input.
OTHER_GATE = {"s6"}


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


def test_gates_of_a_gru_are_those_of_the_equation():
    layer = zoo.GRU(D, H, rngs=nnx.Rngs(0))
    (found,) = diagnostics.gates(layer, X, MASK)
    cell = layer.layers[0].cell
    W, U, b, b_hn = (
        np.asarray(p[...], np.float64) for p in (cell.W, cell.U, cell.b, cell.b_hn)
    )
    expected = {name: np.zeros((B, T, H)) for name in "rz"}
    for row in range(B):
        h = np.zeros(H)
        for t in np.flatnonzero(MASK[row]):
            p, q = np.split(X[row, t] @ W + b, 3), np.split(h @ U, 3)
            r, z = sigmoid(p[0] + q[0]), sigmoid(p[1] + q[1])
            expected["r"][row, t], expected["z"][row, t] = r, z
            h = (1 - z) * np.tanh(p[2] + r * (q[2] + b_hn)) + z * h
    assert_close(found, expected, REFERENCE)


# Gates that see the input alone, of what the cell projects it to; some are computed
# otherwise, or used as a logarithm.
OF_INPUT = {
    "minlstm": ({}, lambda f, i, n: {"f": f / (f + i), "i": i / (f + i)}),
    "hgrn": ({"lower_bound": 0.5}, lambda f, c, g: {"f": 0.5 + 0.5 * f, "g": g}),
    "mlstm": ({}, lambda q, k, v, i, f, o: {"f": f, "o": o}),
    "gla": ({}, lambda q, k, v, alpha, g: {"alpha": alpha ** (1 / 16)}),
}


@pytest.mark.parametrize("name", OF_INPUT)
def test_gates_that_are_computed_otherwise(name):
    options, expected = OF_INPUT[name]
    cell = zoo.cells()[name](D, H, **options, rngs=nnx.Rngs(0))
    with jax.disable_jit():
        (found,) = diagnostics.gates(zoo.Recurrent(cell), X[:, :1])
    p = cell.project(jnp.asarray(X[:, :1]))
    parts = p.values() if isinstance(p, dict) else np.split(np.asarray(p), 3, axis=-1)
    assert_close(found, expected(*(sigmoid(np.asarray(a)) for a in parts)), REFERENCE)


def test_gates_of_cells_within_a_cell_are_numbered():
    rngs = nnx.Rngs(0)
    fast = [zoo.LSTMCell(D, H, rngs=rngs), zoo.LSTMCell(5, H, rngs=rngs)]
    slow = zoo.GRUCell(H, 5, rngs=rngs)
    layer = zoo.Recurrent(zoo.FastSlowCell(fast, slow))
    with jax.disable_jit():
        (found,) = diagnostics.gates(layer, X[:, :1])
        (first,) = diagnostics.gates(zoo.Recurrent(fast[0]), X[:, :1])
    assert set(found) == {"i_1", "f_1", "o_1", "i_2", "f_2", "o_2", "r", "z"}
    for name, values in first.items():
        assert_close(found[f"{name}_1"], values, REFERENCE)
    assert found["z"].shape == (B, 1, 5)


def test_gates_of_a_stack_see_the_layer_below():
    layer = zoo.GRU(D, H, 2, rngs=nnx.Rngs(0))
    lower, upper = diagnostics.gates(layer, X)
    below, above = layer.layers
    assert_identical(lower, diagnostics.gates(below, X)[0])
    assert_identical(upper, diagnostics.gates(above, below(X)[1])[0])


def test_gates_of_layers_within_layers():
    stack = zoo.GRU(D, D, 2, rngs=nnx.Rngs(0))
    rnn = zoo.Recurrent(zoo.ElmanCell(D, D, rngs=nnx.Rngs(1)))
    layer = zoo.Stacked([zoo.Residual(stack), rnn])
    with jax.disable_jit():
        nested, nothing = diagnostics.gates(layer, X[:, :2])
        plain = diagnostics.gates(stack, X[:, :2])
    assert nothing == {}
    assert set(nested) == {"0/r", "0/z", "1/r", "1/z"}
    for level, one in enumerate(plain):
        assert_identical(one, {name: nested[f"{level}/{name}"] for name in one})


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", zoo.cells())
def test_every_gate_of_an_equation_has_a_name(case):
    name, cell = case, zoo.cells()[case]
    layer = zoo.Recurrent(cell(D, H, rngs=nnx.Rngs(0)))
    gated = "sigmoid" in cell.equation or "LSTM(" in cell.equation
    with jax.disable_jit():  # compiling takes longer than a step
        (found,) = diagnostics.gates(layer, X[:, :1])
    assert bool(found) == (name not in NO_GATE and (gated or name in OTHER_GATE))
    for values in found.values():
        assert values.shape[:2] == (B, 1)
        assert ((values >= 0) & (values <= 1)).all()  # and finite


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
    # Of a gate with heads, or places: as many units.
    heads = diagnostics.saturation(values[..., None], mask, bins=2)
    assert_close(heads.left, found.left[:, None], 0)
    assert_close(heads.histogram, found.histogram, 0)


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
        "layers": lambda path: plots.saturation([each, {"f": each["f"]}], path),
        "span": lambda path: plots.memory_span({"lstm": span}, path),
        "norms": lambda path: plots.gradient_norms(norms, path),
        "radius": lambda path: plots.spectral_radius(radii, path),
        "ways": lambda path: plots.trajectories(way, path, MASK),
    }
    for name, one in draw.items():
        one(tmp_path / f"{name}.png")
        content = (tmp_path / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG") and len(content) > 5_000


def test_padding_does_not_lower_the_mean_of_gradients(tmp_path, monkeypatch):
    """A row that has ended has no gradient; the mean is of those that go on."""
    drawn = {}
    monkeypatch.setattr(
        plots.gradients, "plot_lines", lambda lines, *_: drawn.update(lines)
    )
    plots.gradient_norms(np.array([[[4.0, 2.0, 0.0], [1.0, 0.0, 0.0]]]), tmp_path)
    assert_close(drawn["layer 0"][:2], np.array([2.0, 2.0]), 1e-12)
    assert np.isnan(drawn["layer 0"][2])
