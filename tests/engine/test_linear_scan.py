"""The parallel scan of linear recurrences against a loop over the steps."""

import itertools
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close
from zoo.engine import linear_scan as module
from zoo.engine.linear_scan import linear_scan
from zoo.types import Array


def to_complex(array: Array) -> Array:
    """Return the complex numbers of an array ``[..., (re, im)]``."""
    re, im = jnp.split(array, 2, -1)
    return jax.lax.complex(re, im)


def from_complex(array: Array) -> Array:
    """Return real and imaginary parts, concatenated on the last axis."""
    return jnp.concatenate([array.real, array.imag], -1)


def loop(a: Array, b: Array, h: Array, reverse: bool, pairs: bool) -> Array:
    """Return the states of all steps, computed by a Python loop."""
    a = jnp.broadcast_to(a, b.shape)
    if pairs:
        a, b, h = to_complex(a), to_complex(b), to_complex(h)
    states = []
    for t in reversed(range(len(b))) if reverse else range(len(b)):
        h = a[t] * h + b[t]
        states.append(h)
    y = jnp.stack(states[::-1] if reverse else states)
    return from_complex(y) if pairs else y


def recurrence(T: int, constant: bool, seed: int) -> tuple[Array, Array, Array]:
    """Return the factors, the inputs and the initial state of a recurrence.

    The factors have magnitudes of at most 1, as real numbers and as complex pairs.

    Args:
        T: number of steps.
        constant: one factor for all steps.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, (1 if constant else T, 3))
    size = rng.uniform(0.0, 1.0, angle.shape)
    a = np.concatenate([size * np.cos(angle), size * np.sin(angle)], -1)
    b, h = rng.normal(size=(T, 6)), rng.normal(size=6)
    a, b, h = (jnp.asarray(array, jnp.float32) for array in (a, b, h))
    return a, b, h


EVERY_VARIANT = pytest.mark.parametrize(
    ("constant", "pairs", "reverse"), list(itertools.product([False, True], repeat=3))
)


def scan_of(platform: str) -> Any:
    """Patch the scan to run the implementation of a platform."""
    return mock.patch.object(module, "platform", lambda: platform)


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
@given(
    st.integers(1, 9), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 999)
)
def test_states(platform, T, constant, pairs, reverse, seed):
    a, b, h = recurrence(T, constant, seed)
    expected = loop(a, b, h, reverse, pairs)
    with scan_of(platform):
        states = linear_scan(a, b, h, reverse=reverse, pairs=pairs)
    assert_close(states, expected, REFERENCE)


@EVERY_VARIANT
@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_gradients(platform, constant, pairs, reverse):
    """First and second derivatives; the second pass the scan and its adjoint."""
    arrays = recurrence(7, constant, 0)
    rng = np.random.default_rng(1)
    weights = jnp.asarray(rng.normal(size=(7, 6)), jnp.float32)
    direction = [jnp.asarray(rng.normal(size=a.shape), jnp.float32) for a in arrays]

    def derivatives(scan):
        """Return the second and the first derivatives."""

        def loss(*arrays):
            states = scan(*arrays, reverse=reverse, pairs=pairs)
            return (weights * (states + states**2)).sum()

        def slope(*arrays):
            grads = jax.grad(loss, argnums=(0, 1, 2))(*arrays)
            terms = zip(grads, direction, strict=True)
            return sum((jnp.sin(g) * d).sum() for g, d in terms), grads

        return jax.grad(slope, argnums=(0, 1, 2), has_aux=True)(*arrays)

    with scan_of(platform):
        actual = derivatives(linear_scan)
    assert_close(actual, derivatives(loop), 20 * REFERENCE)


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_any_axis(platform):
    rng = np.random.default_rng(0)
    a, b = jnp.asarray(rng.uniform(0, 1, (2, 3, 5, 2, 4)), jnp.float32)
    h = jnp.asarray(rng.normal(size=(3, 2, 4)), jnp.float32)
    time_major = linear_scan(jnp.moveaxis(a, 1, 0), jnp.moveaxis(b, 1, 0), h)
    expected = jnp.moveaxis(time_major, 0, 1)
    with scan_of(platform):
        assert_close(linear_scan(a, b, h, axis=1), expected, REFERENCE)


@pytest.mark.parametrize(
    ("name", "barriers"),
    # One for each matmul over all steps, and one for the sum of two products that is y.
    [("mingru", 1), ("lru", 4), ("s5", 3)],
)
def test_operands_of_two_matmuls_are_materialised_on_a_gpu(name, barriers):
    layer = zoo.make(name, 3, 4, rngs=nnx.Rngs(0))
    params, apply = zoo.functional(layer)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3)), jnp.float32)

    gradient = jax.grad(lambda params, x: jnp.sin(apply(params, x)[1]).sum(), (0, 1))
    results = []
    for platform, count in (("cpu", 0), ("gpu", barriers)):
        with mock.patch.object(jax, "default_backend", lambda name=platform: name):
            jax.clear_caches()  # which hold traces for the other platform
            jaxpr = jax.make_jaxpr(gradient)(params, x)
            assert str(jaxpr).count("optimization_barrier") == count
            results.append(jax.jit(lambda params, x: gradient(params, x))(params, x))
    jax.clear_caches()
    cpu, gpu = results
    assert_close(gpu, cpu, REFERENCE)


def test_inner_nodes_of_the_scan_are_not_stored():
    """The residuals of the backward pass are a, the states and the initial state."""
    a, b, h = recurrence(64, False, 0)
    with scan_of("tpu"):
        _, vjp = jax.vjp(lambda a, b, h: linear_scan(a, b, h), a, b, h)
    size = sum(leaf.size for leaf in jax.tree.leaves(vjp))
    assert size <= a.size + b.size + h.size
