"""Layers under `jax.export` with symbolic sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

import zoo


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.LRUCell, zoo.MatrixLSTMCell])
def test_an_exported_layer_takes_any_batch_and_length(cell):
    """The outputs and the gradients, from one export with symbolic shapes."""
    layer = zoo.Recurrent(cell(4, 8, rngs=nnx.Rngs(0)), remat="chunk:4")
    params, apply = zoo.functional(layer)

    @jax.jit
    def run(params, x, mask):
        def loss(params):
            _, y = apply(params, x, mask)
            return (y**2).sum(), y

        return jax.value_and_grad(loss, has_aux=True)(params)

    B, T = export.symbolic_shape("b, t")
    exported = export.export(run)(
        jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params),
        jax.ShapeDtypeStruct((B, T, 4), jnp.float32),
        jax.ShapeDtypeStruct((B, T), jnp.bool_),
    )
    for rows, steps in ((2, 7), (5, 3), (1, 1)):
        x = np.random.default_rng(0).normal(size=(rows, steps, 4)).astype(np.float32)
        mask = np.arange(steps) <= np.arange(rows)[:, None]
        expected, result = run(params, x, mask), exported.call(params, x, mask)
        for a, b in zip(*map(jax.tree.leaves, (expected, result)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
