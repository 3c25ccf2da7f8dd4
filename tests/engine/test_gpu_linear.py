"""The scan kernel for GPUs, emulated on a CPU, against the scan in JAX."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.kernels import gradients, random_inputs
from tests.helpers.tolerances import REFERENCE, assert_close
from zoo.engine.linear_scan import linear_scan

pytestmark = pytest.mark.usefixtures("emulated_gpu")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis", "a_shape"),
    [
        # Fewer and more lanes than a warp; one and several tiles of steps.
        ((1, 6), 0, (1, 6)),
        ((3, 200, 66), 1, (3, 200, 66)),
        ((3, 7, 6), 1, (1, 7, 6)),
        ((2, 3, 200, 40), 2, (40,)),
        # d_a is a sum over time: of one tile; over the lanes of more than two warps.
        ((3, 7, 6), 1, (6,)),
        ((2, 150, 132), 1, (2, 1, 132)),
    ],
)
def test_the_kernel_equals_the_scan_in_jax(shape, axis, a_shape, pairs, reverse):
    rng = np.random.default_rng(0)
    a, b, weights = (
        jnp.asarray(rng.normal(size=size) * 0.5, jnp.float32)
        for size in (a_shape, shape, shape)
    )
    h = b.take(0, axis)

    def derivatives_and_states(kernel):
        run = partial(
            linear_scan, axis=axis, reverse=reverse, pairs=pairs, kernel=kernel
        )

        def loss(a, b, h):
            y = run(a, b, h)
            return jnp.sum(y * weights), y

        tangents = jax.jit(lambda *primals: jax.jvp(run, primals, primals))(a, b, h)
        return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(a, b, h), tangents

    assert_close(
        derivatives_and_states(kernel=True),
        derivatives_and_states(kernel=False),
        REFERENCE,
    )


def test_second_derivatives_under_vmap():
    rng = np.random.default_rng(0)
    a, b, h = (
        jnp.asarray(rng.normal(size=size) * 0.5, jnp.float32)
        for size in ((4, 6), (4, 3, 5, 6), (4, 3, 6))
    )

    def second_derivatives(kernel):
        def loss(a, b, h):
            y = linear_scan(a, b, h, axis=1, pairs=True, kernel=kernel)
            return jnp.sum(y**2)

        gradient = jax.grad(loss, (0, 1, 2))

        def squared_norm(a, b, h):
            return sum(jnp.sum(g**2) for g in gradient(a, b, h))

        def both(*primals):
            forward_over_reverse = jax.jvp(gradient, primals, primals)[1]
            return jax.grad(squared_norm, (0, 1, 2))(*primals), forward_over_reverse

        return jax.jit(jax.vmap(both))(a, b, h)

    assert_close(
        second_derivatives(kernel=True), second_derivatives(kernel=False), REFERENCE
    )


@pytest.mark.parametrize("cell", [zoo.LRUCell, zoo.HGRNCell, zoo.S6Cell])
def test_linear_cells_with_masks_and_resets(cell):
    parallel, loop = (
        zoo.Recurrent(cell(4, 20, rngs=nnx.Rngs(0)), steps=steps, unroll=1)
        for steps in ("parallel", "loop")
    )
    x, state = random_inputs(parallel, 5, 30, 4)
    mask = zoo.mask_from_lengths(jnp.array([30, 2, 0, 17, 1]), 30)
    reset = jnp.zeros((5, 30), bool).at[0, 3].set(True)
    expected = gradients(loop, x, state, mask, reset)
    assert_close(gradients(parallel, x, state, mask, reset), expected, REFERENCE)
    (plan,) = zoo.explain(parallel, x)
    assert plan.why.endswith("as asked, in one pass of a kernel")
