"""Linear recurrences: all steps at once give what one after the other does."""

import itertools
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import zoo
from tests.helpers import reference
from tests.helpers.tolerances import REFERENCE, assert_close
from zoo.cells.linear.s5 import hippo
from zoo.engine import linear_scan as module
from zoo.engine.linear_scan import linear_scan


def numbers(array):
    """Return complex numbers of pairs."""
    re, im = jnp.split(array, 2, -1)
    return jax.lax.complex(re, im)


def pairs_of(array):
    """Return pairs of complex numbers."""
    return jnp.concatenate([array.real, array.imag], -1)


def one_by_one(a, b, h, reverse, pairs):
    """Return the states, in plain Python."""
    a = jnp.broadcast_to(a, b.shape)
    if pairs:
        a, b, h = numbers(a), numbers(b), numbers(h)
    states = [None] * len(b)
    for t in reversed(range(len(b))) if reverse else range(len(b)):
        h = a[t] * h + b[t]
        states[t] = h
    states = jnp.stack(states)
    return pairs_of(states) if pairs else states


def arrays(T, constant, seed):
    """Return factors that neither vanish nor explode, what is added, and a start.

    As pairs, too, the factors are at most 1.
    """
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, (1 if constant else T, 3))
    size = rng.uniform(0.0, 1.0, angle.shape)
    a = np.concatenate([size * np.cos(angle), size * np.sin(angle)], -1)
    b, h = rng.normal(size=(T, 6)), rng.normal(size=6)
    return [jnp.asarray(part, jnp.float32) for part in (a, b, h)]


WAYS = pytest.mark.parametrize(
    ("constant", "pairs", "reverse"), list(itertools.product([False, True], repeat=3))
)


def on(where):
    """Take all steps as they are taken there."""
    return mock.patch.object(module, "platform", lambda: where)


@pytest.mark.parametrize("where", ["cpu", "tpu"])
@given(
    st.integers(1, 9), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 999)
)
def test_states(where, T, constant, pairs, reverse, seed):
    a, b, h = arrays(T, constant, seed)
    expected = one_by_one(a, b, h, reverse, pairs)
    with on(where):
        found = linear_scan(a, b, h, reverse=reverse, pairs=pairs)
    assert_close(found, expected, REFERENCE)


@WAYS
@pytest.mark.parametrize("where", ["cpu", "tpu"])
def test_gradients(where, constant, pairs, reverse):
    """And the gradients of gradients, which pass both a recurrence and its adjoint."""
    given = arrays(7, constant, 0)
    rng = np.random.default_rng(1)
    weights = jnp.asarray(rng.normal(size=(7, 6)), jnp.float32)
    ahead = [jnp.asarray(rng.normal(size=part.shape), jnp.float32) for part in given]

    def both(states):
        def loss(*arrays):
            found = states(*arrays)
            return (weights * (found + found**2)).sum()

        def slope(*arrays):
            grads = jax.grad(loss, argnums=(0, 1, 2))(*arrays)
            parts = zip(grads, ahead, strict=True)
            return sum((jnp.sin(g) * d).sum() for g, d in parts), grads

        return jax.grad(slope, argnums=(0, 1, 2), has_aux=True)(*given)

    with on(where):
        found = both(lambda a, b, h: linear_scan(a, b, h, reverse=reverse, pairs=pairs))
    expected = both(lambda a, b, h: one_by_one(a, b, h, reverse, pairs))
    assert_close(found, expected, 20 * REFERENCE)


@pytest.mark.parametrize("where", ["cpu", "tpu"])
def test_any_axis(where):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 1, (2, 3, 5, 2, 4)).astype(np.float32)
    h = rng.normal(size=(3, 2, 4)).astype(np.float32)
    turned = [np.moveaxis(part, 1, 0) for part in (a, b)]
    expected = jnp.moveaxis(linear_scan(*turned, h), 0, 1)
    with on(where):
        assert_close(linear_scan(a, b, h, axis=1), expected, REFERENCE)


@pytest.mark.parametrize(
    ("name", "barriers"),
    # One for each product of all steps, and one for the sum of two that is y.
    [("mingru", 1), ("lru", 4), ("s5", 3)],
)
def test_what_enters_two_products_is_computed_once_on_a_gpu(name, barriers):
    layer = zoo.make(name, 3, 4, rngs=nnx.Rngs(0))
    params, apply = zoo.functional(layer)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3)), jnp.float32)

    def slopes(params, x):
        return jax.grad(lambda *given: jnp.sin(apply(*given)[1]).sum(), (0, 1))(
            params, x
        )

    found = []
    for where, count in (("cpu", 0), ("gpu", barriers)):
        with mock.patch.object(jax, "default_backend", lambda where=where: where):
            jax.clear_caches()  # of what was traced for the other
            jaxpr = jax.make_jaxpr(slopes)(params, x)
            assert str(jaxpr).count("optimization_barrier") == count
            found.append(jax.jit(lambda *given: slopes(*given))(params, x))
    jax.clear_caches()
    assert_close(*found, REFERENCE)


def test_the_tree_is_not_stored():
    """The backward pass keeps a, the states and the start, and no inner node."""
    a, b, h = arrays(64, False, 0)
    with on("tpu"):
        _, kept = jax.vjp(lambda a, b, h: linear_scan(a, b, h), a, b, h)
    size = sum(leaf.size for leaf in jax.tree.leaves(kept))
    assert size <= a.size + b.size + h.size


def test_lru_begins_in_the_ring():
    cell = zoo.LRUCell(3, 500, r_min=0.5, r_max=0.9, max_phase=0.3, rngs=nnx.Rngs(0))
    size, angle = np.exp(-np.exp(cell.nu[...])), np.exp(cell.theta[...])
    assert 0.5 <= size.min() < 0.52
    assert 0.88 < size.max() <= 0.9
    assert 0 < angle.min() < 0.01
    assert 0.29 < angle.max() <= 0.3
    np.testing.assert_allclose(np.exp(cell.gamma[...]), np.sqrt(1 - size**2), rtol=1e-4)


def test_rglru_begins_slow():
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


def test_what_linear_cells_have_not():
    def layer(cell, **options):
        return zoo.Recurrent(cell(3, 4, rngs=nnx.Rngs(0)), **options)

    with pytest.raises(ValueError, match='steps="parallel" is for linear cells'):
        layer(zoo.LSTMCell, steps="parallel")
    with pytest.raises(ValueError, match="zoneout acts on one state after the other"):
        layer(zoo.GILRCell, steps="parallel", zoneout=0.1)
    with pytest.raises(ValueError, match="recurrent_dropout acts on the h that recurrent"):
        layer(zoo.GILRCell, recurrent_dropout=0.1)
    with pytest.raises(ValueError, match="weight_drop acts on recurrent matrices"):
        layer(zoo.LRUCell, weight_drop=0.1)
    with pytest.raises(ValueError, match="0 <= r_min < r_max <= 1 must hold"):
        zoo.LRUCell(3, 4, r_min=0.9, r_max=0.5, rngs=nnx.Rngs(0))
    empty = layer(zoo.MinGRUCell, steps="parallel")(np.zeros((2, 0, 3), np.float32))
    assert empty[1].shape == (2, 0, 4)


def test_s5_begins_as_a_real_system():
    """Turned back, it is ``ds/dt = A s + x B``, ``y = s C + x D``; A is HiPPO-N."""
    cell = zoo.S5Cell(
        3, 4, state_size=6, blocks=2, step_min=0.02, step_max=0.02, rngs=nnx.Rngs(0)
    )
    # HiPPO-LegS, and the product of two vectors that makes it normal.
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
    turn = scipy.linalg.expm(0.02 * A)
    hold = np.linalg.solve(A, turn - np.eye(12))
    s, y = np.zeros(12), []
    x = np.random.default_rng(0).normal(size=(9, 3))
    for x_t in x:
        s = turn @ s + hold @ (x_t @ B)
        y.append(s @ C + x_t @ D)
    found = zoo.Recurrent(cell)(x[None].astype(np.float32))[1][0]
    assert_close(found, np.stack(y), REFERENCE)


def test_s6_begins_with_rates_and_steps_of_the_paper():
    cell = zoo.S6Cell(3, 500, state_size=5, rngs=nnx.Rngs(0))
    rates, steps = np.exp(cell.A_log[...]), np.asarray(jax.nn.softplus(cell.b[...]))
    np.testing.assert_allclose(rates, np.tile(np.arange(1, 6), (500, 1)), rtol=1e-6)
    assert 0.00099 < steps.min() < 0.0012 and 0.085 < steps.max() < 0.101
    assert 0.008 < np.median(steps) < 0.0125  # uniform in the logarithm


def test_hgrn_keeps_at_least_its_bound():
    cell = zoo.HGRNCell(3, 4, lower_bound=0.9, rngs=nnx.Rngs(0))
    x = 10 * np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    keep, added = cell.coefficients(cell.project(x))
    assert 0.9 <= keep.min() < 0.91
    params = {name: np.asarray(getattr(cell, name)[...]) for name in ("W", "b")}
    nothing = {"h": np.zeros((50, 4))}
    assert_close(
        added, reference.CELLS["hgrn"](params, nothing, x, 0.9)["h"], REFERENCE
    )
    once = {"h": np.ones((50, 4))}
    new = reference.CELLS["hgrn"](params, once, x, 0.9)["h"]
    assert_close(keep + added, new, REFERENCE)


def test_what_state_space_cells_have_not():
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
