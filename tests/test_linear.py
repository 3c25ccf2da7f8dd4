"""Linear recurrences: all steps at once give what one after the other does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from tolerances import REFERENCE, assert_close

import zoo
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
