"""Attention against numpy: values, gradients, padding, all steps at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, SCHEDULE, assert_close, assert_identical
from zoo.modules.attention import KINDS, Attention

B, T, S, Q = 3, 4, 5, 6
MASK = np.array(zoo.mask_from_lengths(np.array([5, 3, 0]), S))
RNG = np.random.default_rng(0)
QUERY = jnp.asarray(RNG.normal(size=(B, T, Q)), jnp.float32)


def built(kind):
    """Return attention with biases that count, and a memory's vectors."""
    M = Q if kind == "dot" else 7
    attention = Attention(kind, Q, M, rngs=nnx.Rngs(0))
    if kind == "additive":
        attention.b[...] = jnp.linspace(-0.5, 0.5, Q)
    return attention, jnp.asarray(np.random.default_rng(1).normal(size=(B, S, M)), "f4")


def naive(kind, params, query, values):
    """Return context and weights of one query, over real tokens, in float64."""
    p = {k: np.asarray(v, np.float64) for k, v in params.items()}
    logits = []
    for m in values:
        if kind == "additive":
            e = p["v"] @ np.tanh(query @ p["W"] + m @ p["U"] + p["b"])
        elif kind == "dot":
            e = query @ m
        else:
            e = query @ p["W"] @ m
        logits.append(e)
    weights = np.exp(np.array(logits))
    weights = weights / weights.sum()
    return weights @ values, weights


def attend(apply, params, values, query, mask=MASK):
    """Make a memory and ask it."""

    def run(module):
        return module(query, module.remember(values, mask))

    return apply(params, method=run)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_the_papers(kind):
    attention, values = built(kind)
    params, apply = zoo.functional(attention)
    context, weights = attend(apply, params, values, QUERY)
    assert context.shape == (B, T, values.shape[-1]) and weights.shape == (B, T, S)
    for b in range(B):
        n = int(MASK[b].sum())
        for t in range(T):
            if n == 0:
                assert not np.asarray(context[b, t]).any()
                assert not np.asarray(weights[b, t]).any()
                continue
            memory = np.asarray(values[b, :n], np.float64)
            expected = naive(kind, params, np.asarray(QUERY[b, t], np.float64), memory)
            assert_close((context[b, t], weights[b, t, :n]), expected, REFERENCE)
            assert not np.asarray(weights[b, t, n:]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_differences(kind):
    attention, values = built(kind)
    params, apply = zoo.functional(attention)

    def total(params, query, values):
        """Return a sum over contexts, in plain numpy."""
        out = 0.0
        for b in range(B):
            n = int(MASK[b].sum())
            for t in range(T if n else 0):
                context, _ = naive(kind, params, query[b, t], values[b, :n])
                out += np.sin(context).sum()
        return out

    def loss(params, query, values):
        return jnp.sin(attend(apply, params, values, query)[0]).sum()

    grads = jax.grad(loss, (0, 1, 2))(params, QUERY, values)
    exact = [
        {k: np.asarray(v, np.float64) for k, v in params.items()},
        np.asarray(QUERY, np.float64),
        np.asarray(values, np.float64),
    ]
    for array, grad in zip(jax.tree.leaves(exact), jax.tree.leaves(grads), strict=True):
        for index in np.ndindex(array.shape):
            if np.random.default_rng(index).random() > 0.2:
                continue
            kept = array[index]
            array[index] = kept + 1e-5
            up = total(*exact)
            array[index] = kept - 1e-5
            down = total(*exact)
            array[index] = kept
            np.testing.assert_allclose(grad[index], (up - down) / 2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_may_hold_anything(kind):
    attention, values = built(kind)
    params, apply = zoo.functional(attention)

    def loss(params, values, query):
        context, weights = attend(apply, params, values, query)
        return jnp.sin(context).sum() + (weights**2).sum(), (context, weights)

    grad = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))
    clean = grad(params, values, QUERY)
    dirty = grad(params, jnp.where(MASK[..., None], values, jnp.nan), QUERY)
    assert_identical(dirty, clean)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))


@pytest.mark.parametrize("kind", KINDS)
def test_all_steps_at_once_are_the_steps(kind):
    attention, values = built(kind)
    memory = attention.remember(values, MASK)
    whole = attention(QUERY, memory)
    for t in range(T):
        step = attention(QUERY[:, t], memory)
        assert_close(step, jax.tree.map(lambda a, t=t: a[:, t], whole), SCHEDULE)


def test_bfloat16_keeps_its_weights_exact():
    attention, values = built("additive")
    memory = attention.remember(values.astype(jnp.bfloat16), MASK)
    context, weights = attention(QUERY, memory)
    assert (context.dtype, weights.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(weights[:2].sum(-1), 1.0, atol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="did you mean 'general'"):
        Attention("generel", 3, 3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="needs query_size = memory_size, got 3 and 4"):
        Attention("dot", 3, 4, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match='size is for kind="additive"'):
        Attention("general", 3, 4, size=5, rngs=nnx.Rngs(0))
    attention, values = built("general")
    with pytest.raises(ValueError, match="M = 7, got"):
        attention.remember(values[..., :2])
    with pytest.raises(ValueError, match=r"mask must have shape \[B, S\] = \(3, 5\)"):
        attention.remember(values, MASK[:, :2])
    with pytest.raises(TypeError, match="mask must be bool"):
        attention.remember(values, MASK.astype(int))
    with pytest.raises(ValueError, match="B = 3 and Q = 6, got"):
        attention(QUERY[:2], attention.remember(values))
