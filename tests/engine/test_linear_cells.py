"""Linear cells: initial values from their papers, bounds, and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from flax import nnx

import zoo
from tests.helpers import reference
from tests.helpers.tolerances import REFERENCE, SCHEDULE, assert_close
from tests.helpers.typed import present
from zoo.cells.linear.s5 import hippo


def test_lru_initialises_its_eigenvalues_in_a_ring():
    cell = zoo.LRUCell(3, 500, r_min=0.5, r_max=0.9, max_phase=0.3, rngs=nnx.Rngs(0))
    radius, angle = np.exp(-np.exp(cell.nu[...])), np.exp(cell.theta[...])
    assert 0.5 <= radius.min() < 0.52
    assert 0.88 < radius.max() <= 0.9
    assert 0 < angle.min() < 0.01
    assert 0.29 < angle.max() <= 0.3
    gamma = np.exp(cell.gamma[...])
    np.testing.assert_allclose(gamma, np.sqrt(1 - radius**2), rtol=1e-4)


def test_rglru_initialises_slow_decays():
    def decay(**options):
        cell = zoo.RGLRUCell(3, 500, **options, rngs=nnx.Rngs(0))
        return np.exp(-8 * jax.nn.softplus(cell.Lambda[...]))

    a = decay()
    assert 0.9**8 <= a.min() < 0.44
    assert 0.98 < a.max() <= 0.9921
    root = a ** (1 / 4)
    np.testing.assert_allclose(root.mean(), (0.9**2 + 0.999**2) / 2, rtol=1e-2)
    a = decay(a_min=0.9, a_max=0.999)
    assert 0.9 <= a.min() < 0.91
    assert 0.99 < a.max() <= 0.9991


def test_rglru_does_not_scale_the_first_input_of_a_sequence():
    x = np.ones((1, 4, 3), np.float32)
    reset = np.array([[False, False, True, False]])
    inputs = {}
    for scale_first in (False, True):
        cell = zoo.RGLRUCell(3, 2, scale_first=scale_first, rngs=nnx.Rngs(0))
        layer = zoo.Recurrent(cell)
        state, y = layer(x, reset=reset)
        np.testing.assert_array_equal(y[:, 2:], y[:, :2])
        assert state.t == 2
        inputs[scale_first] = y[0, 0]
    a, _ = cell.coefficients(cell.project(x[0, 0]))
    np.testing.assert_allclose(
        inputs[True], inputs[False] * np.sqrt(1 - a**2), rtol=1e-5
    )


class Halved:
    """Halves the matrices or the h of a new state, in `advance` alone."""

    def advance(self, state, p, **options):
        state = super().advance(state, p, **options)  # pyright: ignore
        return state._replace(**{state._fields[0]: state[0] / 2})


class HalvedMinGRUCell(Halved, zoo.MinGRUCell):
    """From a mixin."""


class HalvedRetNetCell(Halved, zoo.RetNetCell):
    """Of a cell in chunks."""


class NegatedGLACell(zoo.GLACell):
    """In chunks, `output` is not called either."""

    def output(self, state, p):
        return -super().output(state, p)


class NegatedLRUCell(zoo.LRUCell):
    """A parallel scan calls `output`."""

    def output(self, state, p):
        return -super().output(state, p)


@pytest.mark.parametrize(
    ("kind", "parallel"),
    [
        (HalvedMinGRUCell, False),
        (HalvedRetNetCell, False),
        (NegatedGLACell, False),
        (NegatedLRUCell, True),
    ],
)
def test_a_new_step_is_not_replaced_by_the_inherited_parallel_form(kind, parallel):
    cell = kind(3, 4, rngs=nnx.Rngs(0))
    assert cell.parallel == parallel
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    state, outputs = cell.init_state(2), []
    for t in range(5):
        state, y_t = cell.step(state, cell.project(x[:, t]))
        outputs.append(y_t)
    last, y = zoo.Recurrent(cell)(x)
    assert_close(y, np.stack(outputs, 1), SCHEDULE)
    assert_close(last, state, SCHEDULE)
    if not parallel:
        message = "a class with a step of its own also needs a run_parallel"
        with pytest.raises(ValueError, match=message):
            zoo.Recurrent(cell, steps="parallel")


def test_a_class_states_that_its_new_step_is_parallel():
    class Stated(HalvedMinGRUCell):
        parallel = True

    class Both(Halved, zoo.MinGRUCell):
        def run_parallel(self, p, state, initial, span):
            return super().run_parallel(p, state, initial, span)

    assert Stated.parallel and Both.parallel
    assert not HalvedMinGRUCell.parallel and zoo.MinGRUCell.parallel


def test_errors_of_linear_cells():
    def layer(cell, **options):
        return zoo.Recurrent(cell(3, 4, rngs=nnx.Rngs(0)), **options)

    with pytest.raises(ValueError, match='steps="parallel" is for linear cells'):
        layer(zoo.LSTMCell, steps="parallel")
    with pytest.raises(ValueError, match="zoneout acts on one state after the other"):
        layer(zoo.GILRCell, steps="parallel", zoneout=0.1)
    with pytest.raises(ValueError, match="recurrent_dropout acts on the h that"):
        layer(zoo.GILRCell, recurrent_dropout=0.1)
    with pytest.raises(ValueError, match="weight_drop acts on recurrent matrices"):
        layer(zoo.LRUCell, weight_drop=0.1)
    with pytest.raises(ValueError, match="0 <= r_min < r_max <= 1 must hold"):
        zoo.LRUCell(3, 4, r_min=0.9, r_max=0.5, rngs=nnx.Rngs(0))
    empty = layer(zoo.MinGRUCell, steps="parallel")(np.zeros((2, 0, 3), np.float32))
    assert empty[1].shape == (2, 0, 4)


def test_s5_initialises_a_discretised_real_system():
    """In its original basis, ``ds/dt = A s + x B``, ``y = s C + x D``, A is HiPPO-N."""
    cell = zoo.S5Cell(
        3, 4, state_size=6, blocks=2, step_min=0.02, step_max=0.02, rngs=nnx.Rngs(0)
    )
    # HiPPO-LegS plus the rank-one term that makes it normal.
    root = np.sqrt(np.arange(6) + 0.5)
    legendre = -np.tril(2 * np.outer(root, root), -1) - np.diag(np.arange(6) + 1.0)
    A = np.kron(np.eye(2), legendre + np.outer(root, root))
    frequency, vectors = hippo(6, 2)
    rate = -np.exp(np.asarray(cell.decay[...])) + 1j * np.asarray(cell.frequency[...])
    assert_close(A @ vectors, rate * vectors, REFERENCE)
    assert (frequency > 0).all()

    re, im, D = np.split(np.asarray(cell.W[...], np.float64), [6, 12], axis=1)
    B = 2 * ((re + 1j * im) @ vectors.T).real
    assert_close(B @ vectors.conj(), re + 1j * im, REFERENCE)
    C = np.asarray(cell.C[...], np.float64)
    C = 2 * (vectors.conj() @ (C[0] + 1j * C[1])).real
    # The zero-order hold: the integral of exp(A t) from 0 to Delta, times the input.
    A_bar = scipy.linalg.expm(0.02 * A)
    B_bar = np.linalg.solve(A, A_bar - np.eye(12))
    s, y = np.zeros(12), []
    x = np.random.default_rng(0).normal(size=(9, 3))
    for x_t in x:
        s = A_bar @ s + B_bar @ (x_t @ B)
        y.append(s @ C + x_t @ D)
    actual = zoo.Recurrent(cell)(x[None].astype(np.float32))[1][0]
    assert_close(actual, np.stack(y), REFERENCE)


def test_s6_initialises_rates_and_step_sizes_of_the_paper():
    cell = zoo.S6Cell(3, 500, state_size=5, rngs=nnx.Rngs(0))
    rates, steps = (
        np.exp(cell.A_log[...]),
        np.asarray(jax.nn.softplus(present(cell.b)[...])),
    )
    np.testing.assert_allclose(rates, np.tile(np.arange(1, 6), (500, 1)), rtol=1e-6)
    assert 0.00099 < steps.min() < 0.0012 and 0.085 < steps.max() < 0.101
    assert 0.008 < np.median(steps) < 0.0125  # uniform in the logarithm


def test_hgrn_has_a_lower_bound_of_its_decay():
    cell = zoo.HGRNCell(3, 4, lower_bound=0.9, rngs=nnx.Rngs(0))
    x = 10 * np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    a, b = cell.coefficients(cell.project(jnp.asarray(x)))
    assert 0.9 <= a.min() < 0.91
    params = {name: np.asarray(getattr(cell, name)[...]) for name in ("W", "b")}
    zeros, ones = {"h": np.zeros((50, 4))}, {"h": np.ones((50, 4))}
    step = reference.CELLS["hgrn"]
    assert_close(b, step(params, zeros, x, 0.9)["h"], REFERENCE)
    assert_close(a + b, step(params, ones, x, 0.9)["h"], REFERENCE)


def test_errors_of_state_space_cells():
    rngs = nnx.Rngs(0)
    with pytest.raises(ValueError, match="blocks must divide state_size = 4, got 3"):
        zoo.S5Cell(3, 4, blocks=3, rngs=rngs)
    with pytest.raises(ValueError, match="0 < step_min <= step_max must hold"):
        zoo.S5Cell(3, 4, step_min=0.1, step_max=0.01, rngs=rngs)
    with pytest.raises(ValueError, match="state_size must be an int of 1 or more"):
        zoo.S6Cell(3, 4, state_size=0, rngs=rngs)
    with pytest.raises(ValueError, match=r"lower_bound must lie in \[0, 1\), got 1.0"):
        zoo.HGRNCell(3, 4, lower_bound=1.0, rngs=rngs)
    with pytest.raises(ValueError, match="0 < shortest <= longest must hold"):
        zoo.initializers.timescales(0.0, 1.0)
