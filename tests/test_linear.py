"""Linear recurrences: all steps at once give what one after the other does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
import scipy.linalg
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from tolerances import REFERENCE, assert_close

import zoo
from zoo.cells.s5 import hippo
from zoo.linear import linear_scan


def one_by_one(a, b, h, reverse):
    """Return the states, in plain Python."""
    states = [None] * len(a)
    for t in reversed(range(len(a))) if reverse else range(len(a)):
        h = a[t] * h + b[t]
        states[t] = h
    return jnp.stack(states)


def arrays(T, kind, seed):
    """Return factors that neither vanish nor explode, what is added, and a start."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, T, 3)) + 1j * rng.normal(size=(2, T, 3))
    h = rng.normal(size=3) + 1j * rng.normal(size=3)
    a = a / np.abs(a) * rng.uniform(0.0, 1.0, a.shape)
    if kind == "real":
        return [jnp.asarray(part.real, jnp.float32) for part in (a, b, h)]
    return [jnp.asarray(part, jnp.complex64) for part in (a, b, h)]


@given(
    st.integers(1, 9),
    st.sampled_from(["real", "complex"]),
    st.booleans(),
    st.integers(0, 999),
)
def test_states(T, kind, reverse, seed):
    a, b, h = arrays(T, kind, seed)
    expected = one_by_one(a, b, h, reverse)
    for parallel in (True, False):
        found = linear_scan(a, b, h, reverse=reverse, parallel=parallel)
        assert_close(found, expected, REFERENCE)


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_gradients(kind, reverse, parallel):
    a, b, h = arrays(7, kind, 0)
    weights = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)

    def loss(states):
        return (weights * (states.real + jnp.abs(states) ** 2)).sum()

    def ours(a, b, h):
        return loss(linear_scan(a, b, h, reverse=reverse, parallel=parallel))

    def plain(a, b, h):
        return loss(one_by_one(a, b, h, reverse))

    found = jax.grad(ours, argnums=(0, 1, 2))(a, b, h)
    assert_close(found, jax.grad(plain, argnums=(0, 1, 2))(a, b, h), 10 * REFERENCE)


def test_the_tree_is_not_stored():
    """The backward pass keeps a, the states and the start, and no inner node."""
    a, b, h = arrays(64, "real", 0)
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
    cell = zoo.RGLRUCell(3, 500, rngs=nnx.Rngs(0))
    a = np.exp(-8 * jax.nn.softplus(cell.Lambda[...]))
    assert 0.9 <= a.min() < 0.91
    assert 0.99 < a.max() <= 0.9991


def test_what_linear_cells_have_not():
    def layer(cell, **options):
        return zoo.Recurrent(cell(3, 4, rngs=nnx.Rngs(0)), **options)

    with pytest.raises(ValueError, match='steps="parallel" is for linear cells'):
        layer(zoo.LSTMCell, steps="parallel")
    with pytest.raises(ValueError, match="zoneout acts on one state after the other"):
        layer(zoo.GILRCell, steps="parallel", zoneout=0.1)
    with pytest.raises(ValueError, match="recurrent_dropout acts on the h of"):
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
    assert_close(added, reference.hgrn(params, nothing, x, 0.9)["h"], REFERENCE)
    once = {"h": np.ones((50, 4))}
    new = reference.hgrn(params, once, x, 0.9)["h"]
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
