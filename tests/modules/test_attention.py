"""Attention against NumPy: values, gradients, padding, queries of many steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, SCHEDULE, assert_close, assert_identical
from tests.helpers.typed import present, untyped
from zoo.modules.attention import KINDS, Attention
from zoo.types import Array, Params

B, T, S, Q = 3, 4, 5, 6
MASK = np.array(zoo.mask_from_lengths(np.array([5, 3, 0]), S))
RNG = np.random.default_rng(0)
QUERY = jnp.asarray(RNG.normal(size=(B, T, Q)), jnp.float32)


def build(kind: str) -> tuple[Attention, Array]:
    """Return attention with nonzero biases, and the vectors of a memory."""
    M = Q if kind == "dot" else 7
    attention = Attention(untyped(kind), Q, M, rngs=nnx.Rngs(0))
    if kind == "additive":
        present(attention.b)[...] = jnp.linspace(-0.5, 0.5, Q)
    return attention, jnp.asarray(np.random.default_rng(1).normal(size=(B, S, M)), "f4")


def attention_of_query(
    kind: str, params: Params, query: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return context and weights of one query over real tokens, in float64."""
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


def attend(
    apply: Callable[..., Any], params: Params, values: Array, query: Array
) -> tuple[Array, Array]:
    """Return context and weights of queries, from the vectors of a memory."""

    def run(module):
        return module(query, module.remember(values, MASK))

    return apply(params, method=run)


@pytest.mark.parametrize("kind", KINDS)
def test_values_equal_the_equations_of_the_papers(kind):
    attention, values = build(kind)
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
            expected = attention_of_query(
                kind, params, np.asarray(QUERY[b, t], np.float64), memory
            )
            assert_close((context[b, t], weights[b, t, :n]), expected, REFERENCE)
            assert not np.asarray(weights[b, t, n:]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(kind):
    attention, values = build(kind)
    params, apply = zoo.functional(attention)

    def total(params, query, values):
        """Return a sum over contexts, in NumPy."""
        result = 0.0
        for b in range(B):
            n = int(MASK[b].sum())
            for t in range(T if n else 0):
                context, _ = attention_of_query(
                    kind, params, query[b, t], values[b, :n]
                )
                result += np.sin(context).sum()
        return result

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
            value = array[index]
            array[index] = value + 1e-5
            above = total(*exact)
            array[index] = value - 1e-5
            below = total(*exact)
            array[index] = value
            np.testing.assert_allclose(grad[index], (above - below) / 2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_in_padding_changes_nothing(kind):
    attention, values = build(kind)
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
def test_many_queries_equal_one_at_a_time(kind):
    attention, values = build(kind)
    memory = attention.remember(values, MASK)
    expected = attention(QUERY, memory)
    for t in range(T):
        step = attention(QUERY[:, t], memory)
        row = jax.tree.map(lambda a, t=t: a[:, t], expected)
        assert_close(step, row, SCHEDULE)


def test_weights_are_float32_for_a_bfloat16_memory():
    attention, values = build("additive")
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
    attention, values = build("general")
    with pytest.raises(ValueError, match="M = 7, got"):
        attention.remember(values[..., :2])
    with pytest.raises(ValueError, match=r"mask must have shape \[B, S\] = \(3, 5\)"):
        attention.remember(values, MASK[:, :2])
    with pytest.raises(TypeError, match="mask must be bool"):
        attention.remember(values, MASK.astype(int))
    with pytest.raises(ValueError, match="B = 3 and Q = 6, got"):
        attention(QUERY[:2], attention.remember(values))
