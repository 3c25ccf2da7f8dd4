"""Parameters of 16 bits: drawn in float32, and cast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.cells import test_contract
from tests.helpers.tolerances import assert_identical

OF_EACH_KIND = {
    f"{cell} {dtype}"
    for cell in test_contract.OF_EACH_KIND & zoo.cells().keys()
    for dtype in ("bfloat16", "float16")
}
CASES = {
    f"{cell} {dtype}": (cell, jnp.dtype(dtype))
    for cell in zoo.cells()
    for dtype in ("bfloat16", "float16")
}


def build(name, dtype):
    """Return a layer of a cell."""
    cell = zoo.cells()[name](4, 4, param_dtype=dtype, rngs=nnx.Rngs(0))
    return zoo.Recurrent(cell)


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_those_of_float32_cast(case):
    name, dtype = CASES[case]
    low, full = (nnx.state(build(name, d), nnx.Param) for d in (dtype, jnp.float32))
    assert {p.dtype for p in jax.tree.leaves(low)} <= {dtype}
    assert_identical(jax.tree.map(lambda p: p.astype(dtype), full), low, name)
    assert all(np.isfinite(p.astype(jnp.float32)).all() for p in jax.tree.leaves(low))


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", CASES)
def test_layer_runs_and_has_a_gradient(case):
    name, dtype = CASES[case]
    params, apply = zoo.functional(build(name, dtype))
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)

    def loss(params):
        _, y = apply(params, x)
        assert y.dtype == dtype
        return (y.astype(jnp.float32) ** 2).sum()

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(params))
    assert all(g.dtype == dtype for g in gradients)
    assert all(np.isfinite(g.astype(jnp.float32)).all() for g in gradients)
