"""The initialisation of cells is that of their authors' code."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo


def build(cell, D=40, H=400, **options):
    """Return a cell."""
    return cell(D, H, rngs=nnx.Rngs(0), **options)


def values(param):
    """Return a parameter as a float64 array."""
    return np.asarray(param[...], np.float64)


def assert_uniform(a, low, high):
    """Assert that the entries look like draws from U(low, high)."""
    width = high - low
    assert low <= a.min() < low + 0.05 * width
    assert high - 0.05 * width < a.max() <= high
    np.testing.assert_allclose(a.mean(), (low + high) / 2, atol=0.06 * width)


def test_slstm_starts_without_recurrence_and_forgets_per_head():
    cell = build(zoo.SLSTMCell, H=8, num_heads=2)
    assert (values(cell.U) == 0).all()
    i, f, g, o = np.split(values(cell.b), 4)
    head = 5 - 12 * (np.arange(4) / 3) ** 0.3
    np.testing.assert_allclose(f, np.tile(head, 2), rtol=1e-6)
    assert not i.any() and not g.any() and not o.any()


def test_sru_halves_the_variance_of_its_gates():
    z, f, r = np.split(values(build(zoo.SRUCell).W), 3, axis=1)
    bound = (3 / 40) ** 0.5
    assert_uniform(z, -bound, bound)
    for gate in (f, r):
        assert_uniform(gate, -bound * 0.5**0.5, bound * 0.5**0.5)
    ones = nnx.initializers.ones
    assert (values(build(zoo.SRUCell, W_init=ones).W) == 1).all()


@pytest.mark.parametrize("cell", [zoo.LRUCell, zoo.S5Cell])
def test_feedthrough_of_equal_sizes_is_diagonal(cell):
    D = values(build(cell, 400, 400).W)[:, -400:]
    assert (D == np.diag(np.diag(D))).all()
    np.testing.assert_allclose(np.diag(D).std(), 1, rtol=0.1)
    D = values(build(cell, 400, 300).W)[:, -300:]
    assert (D != 0).all()


def test_s5_draws_b_and_c_with_the_variance_of_the_state():
    cell = build(zoo.S5Cell, 40, 30, state_size=100)
    re, im, _ = np.split(values(cell.W), [100, 200], axis=1)
    # Half of the eigenvectors of an orthogonal basis: the rotation keeps 1 / 2N per
    # entry as a complex number.
    np.testing.assert_allclose((re**2 + im**2).mean(), 1 / 200, rtol=0.1)
    C = values(cell.C)
    np.testing.assert_allclose((C**2).sum(axis=0).mean(), 2 / 200, rtol=0.1)


def test_phased_lstm():
    cell = build(zoo.PhasedLSTMCell)
    assert_uniform(values(cell.tau), 10, 100)
    assert_uniform(values(cell.s), -1000, 0)
    np.testing.assert_allclose(values(cell.r), 0.05, rtol=1e-6)
    assert not isinstance(cell.r, nnx.Param)
    assert (values(cell.b)[400:800] == 2).all()
    for name in "WUV":
        np.testing.assert_allclose(values(getattr(cell, name)).std(), 0.1, rtol=0.05)
    cell = build(zoo.PhasedLSTMCell, periods="paper", learn_r=True)
    assert_uniform(np.log(values(cell.tau)), 0, 3)
    assert_uniform(values(cell.s) / values(cell.tau), 0, 1)
    assert isinstance(cell.r, nnx.Param)


def test_mogrifier_lstm_draws_all_but_the_biases_of_its_rounds():
    cell = build(zoo.MogrifierLSTMCell)
    for name, fan_in in {"W": 40, "U": 400, "Q": 400, "R": 40}.items():
        std = values(getattr(cell, name)).std()
        np.testing.assert_allclose(std, fan_in**-0.5, rtol=0.05)
    i, f, g, o = np.split(values(cell.b), 4)
    np.testing.assert_allclose([i.mean(), f.mean()], [0, 1], atol=0.01)
    np.testing.assert_allclose([f.std(), o.std()], 400**-0.5, rtol=0.1)
    assert not values(cell.b_Q).any() and not values(cell.b_R).any()
    assert build(zoo.MogrifierLSTMCell, round_bias=False).b_Q is None


def test_augmented_lstm_is_orthogonal():
    cell = build(zoo.AugmentedLSTMCell)
    for block in np.split(values(cell.W), 6, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(40), atol=1e-5)


def test_biases_of_gates():
    """Zero or one, as in the authors' code."""
    biases = {
        zoo.UGRNNCell: [1, 0],
        zoo.IntersectionRNNCell: [0, 0, 1, 1],
        zoo.LayerNormLSTMCell: [0, 0, 0, 0],
        zoo.CoupledLSTMCell: [1, 0, 0],
    }
    for cell, expected in biases.items():
        b = values(build(cell, 4, 5).b)
        np.testing.assert_array_equal(b, np.repeat(expected, 5))


def test_a_cell_overrides_the_default_initialisers():
    """`inits` is inherited, and an argument takes precedence over it."""
    ones, zeros = nnx.initializers.ones, nnx.initializers.zeros

    class Ones(zoo.MultiplicativeLSTMCell):
        inits: ClassVar = {**zoo.MultiplicativeLSTMCell.inits, "W": ones}

    cell = build(Ones, 4, 5, W_init=None)
    assert (values(cell.W) == 1).all() and (values(cell.W_m) == 1).all()
    np.testing.assert_array_equal(values(cell.b), np.repeat([0, 1, 0, 0], 5))
    cell = build(Ones, 4, 5, W_init=zeros)
    assert not values(cell.W).any() and not values(cell.W_m).any()


def test_rhn():
    cell = build(zoo.RHNCell, depth=3)
    b = values(cell.b).reshape(3, 2, 400)
    for drawn in (values(cell.W), values(cell.U), *b[:, 0]):
        assert_uniform(drawn, -0.04, 0.04)
    assert (b[:, 1] == -2).all() and (b[0, 0] != b[1, 0]).all()


def test_qrnn():
    cell = build(zoo.QRNNCell, window=3)
    for name in "WVb":
        assert_uniform(values(getattr(cell, name)), -(120**-0.5), 120**-0.5)


def test_scrn_and_lmu():
    cell = build(zoo.SCRNCell)
    for name in "WUBP":
        np.testing.assert_allclose(values(getattr(cell, name)).std(), 0.05, rtol=0.05)
    cell = build(zoo.LMUCell)
    for name, rows in {"W": 40, "U": 400, "M": 16}.items():
        std = values(getattr(cell, name)).std()
        np.testing.assert_allclose(std, (2 / (rows + 400)) ** 0.5, rtol=0.05)
    assert_uniform(values(cell.e_h), -((3 / 400) ** 0.5), (3 / 400) ** 0.5)
    assert not values(cell.e_m).any()


def test_lipschitz_rnn():
    cell = build(zoo.LipschitzRNNCell)
    assert (cell.epsilon, cell.beta, cell.gamma) == (0.01, 0.8, 0.01)
    for name in ("A", "U"):
        np.testing.assert_allclose(
            values(getattr(cell, name)).std(), 1 / 400, rtol=0.05
        )
    for name in ("W", "b"):
        assert_uniform(values(getattr(cell, name)), -(40**-0.5), 40**-0.5)


def test_unitary_cells():
    cell = build(zoo.URNNCell)
    bound = (6 / (40 + 800)) ** 0.5
    assert_uniform(values(cell.W), -bound, bound)
    bound = (6 / (2 + 800)) ** 0.5
    assert_uniform(values(cell.r), -bound, bound)
    assert_uniform(values(cell.d), -np.pi, np.pi)
    assert_uniform(values(cell.b), -0.01, 0.01)
    cell = build(zoo.ExpRNNCell)
    np.testing.assert_allclose(values(cell.W).std(), (2 / 40) ** 0.5, rtol=0.05)
    assert_uniform(values(cell.b), -0.01, 0.01)


def test_retnet_starts_small():
    bound = 2**-2.5 * (6 / 440) ** 0.5
    assert_uniform(values(build(zoo.RetNetCell).W), -bound, bound)


def test_nas_multiplies_the_bias_with_the_input():
    cell = zoo.NASCell(
        1, 1, b_init=lambda k, g, H, d: jnp.arange(8.0), rngs=nnx.Rngs(0)
    )
    zero = cell.init_state(1)
    p = cell.project(jnp.zeros((1, 1)))
    np.testing.assert_array_equal(p, 0)
    state = cell.advance(zero, p)
    b = np.arange(8.0)
    s = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    c = np.tanh(np.tanh(s(b[0]) * b[1])) * np.tanh(s(b[2]) + 0)
    n = np.tanh(np.tanh(b[4]) * s(b[5])) + s(np.tanh(b[6]) + s(b[7]))
    np.testing.assert_allclose(state.h[0, 0], np.tanh(c * np.tanh(n)), rtol=1e-6)


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        (
            zoo.RGLRUCell,
            {"a_min": 0.9, "a_max": 0.5},
            "0 < a_min < a_max < 1 must hold",
        ),
        (zoo.HGRNCell, {"output_gate": "tanh"}, "output_gate must be"),
        (zoo.SCRNCell, {"reads": "none"}, "reads must be"),
        (zoo.PhasedLSTMCell, {"periods": "none"}, "periods must be"),
        (zoo.URNNCell, {"epsilon": -1.0}, "epsilon must be 0 or more, got -1.0"),
    ],
)
def test_refusals(cell, options, message):
    with pytest.raises(ValueError, match=message):
        build(cell, 3, 4, **options)
