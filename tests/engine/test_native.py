"""The kernels for CPUs compute what the loop in JAX computes."""

import contextlib
import json
import os
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export

import zoo
from tests.helpers.kernel_table import load_module
from tests.helpers.kernels import (
    CELLS,
    build_cell,
    gradients,
    kernel_and_loop,
    random_inputs,
    require_kernels,
)
from tests.helpers.tolerances import (
    BFLOAT16,
    BFLOAT16_GRADIENT,
    REFERENCE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)
from zoo.engine import native

zoo_native = require_kernels()

# The dtypes of the matmuls, and the tolerances relative to the loop.
DTYPES = {"float32": REFERENCE}
if zoo_native.BFLOAT16:
    DTYPES["bfloat16"] = BFLOAT16


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(sorted(CELLS)),
    # Below, at and above the widths of a vector and of a tile.
    sizes=st.tuples(*2 * [st.sampled_from([1, 7, 16, 33, 65, 130])]),
    shape=st.tuples(st.integers(0, 14), st.integers(0, 9)),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    learnt=st.booleans(),
    remat=st.sampled_from(["none", "step", "chunk:4"]),
    dtype=st.sampled_from(sorted(DTYPES)),
    seed=st.integers(0, 99),
)
def test_a_kernel_equals_the_loop(
    name, sizes, shape, flags, learnt, remat, dtype, seed
):
    (D, H), (B, T) = sizes, shape
    masked, reset, reverse, bias = flags
    options = {"reverse": reverse, "learn_initial_state": learnt, "remat": remat}
    kernel, loop = kernel_and_loop(name, D, H, bias=bias, dtype=dtype, **options)
    x, state = random_inputs(kernel, B, T, D, seed)
    rng = np.random.default_rng(seed)
    mask = jnp.asarray(rng.random(shape) < 0.7) if masked else None
    resets = jnp.asarray(rng.random(shape) < 0.2) if reset else None
    actual = gradients(kernel, x, state, mask, resets, seed)
    assert_close(actual, gradients(loop, x, state, mask, resets, seed), DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    "D, T", [(70, 200), (150, 12)]
)  # with few tokens, threads share the columns
def test_more_tokens_and_columns_than_one_work_item(name, dtype, D, T):
    B, H = 3, 18
    kernel, loop = kernel_and_loop(name, D, H, dtype=dtype)
    x, state = random_inputs(kernel, B, T, D)
    mask = zoo.mask_from_lengths(jnp.array([T, 1, T * 5 // 6]), T)
    actual = gradients(kernel, x, state, mask)
    assert_close(actual, gradients(loop, x, state, mask), DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
def test_recomputed_gates(name, dtype):
    # More tokens than one chunk of the recomputation in the backward pass.
    B, T, D, H = 3, 900, 4, 18
    recompute, _ = kernel_and_loop(name, D, H, remat="step", dtype=dtype)
    store, _ = kernel_and_loop(name, D, H, dtype=dtype)
    x, state = random_inputs(recompute, B, T, D)
    rng = np.random.default_rng(0)
    mask = zoo.mask_from_lengths(jnp.array([900, 1, 700]), T)
    reset = jnp.asarray(rng.random((B, T)) < 0.01)
    actual = gradients(recompute, x, state, mask, reset)
    assert_close(actual, gradients(store, x, state, mask, reset), REFERENCE)

    def largest_residual(layer):
        _, vjp = jax.vjp(lambda x: layer(x)[1], x)
        return max(leaf.size for leaf in jax.tree.leaves(vjp))

    assert largest_residual(recompute) < 2 * B * T * H
    planes = native.bias_blocks(name)
    if planes > 1:
        assert largest_residual(store) >= planes * B * T * H


@pytest.mark.parametrize("name", CELLS)
def test_kernels_are_close_to_float64(name):
    kernel, loop = kernel_and_loop(name, 100, 200)
    x, state = random_inputs(kernel, 5, 40, 100)
    with jax.enable_x64(True):
        exact = zoo.Recurrent(build_cell(name, 100, 200, param_dtype=jnp.float64))
        nnx.update(
            exact, jax.tree.map(lambda p: p.astype(jnp.float64), nnx.state(loop))
        )
        x64, state64 = jax.tree.map(lambda a: a.astype(jnp.float64), (x, state))
        expected = exact(x64, state=state64)
    assert_close(kernel(x, state=state), expected, 2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_padding_is_never_read(name, dtype):
    kernel, _ = kernel_and_loop(name, 8, 20, dtype=dtype)
    x, state = random_inputs(kernel, 6, 9, 8)
    mask = zoo.mask_from_lengths(jnp.array([9, 0, 1, 4, 9, 7]), 9)
    clean = gradients(kernel, jnp.where(mask[..., None], x, 0), state, mask)
    dirty = gradients(kernel, jnp.where(mask[..., None], x, jnp.nan), state, mask)
    assert_identical(dirty, clean)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
def test_nan_propagates(name, dtype):
    kernel, _ = kernel_and_loop(name, 3, 5, dtype=dtype)
    x, state = random_inputs(kernel, 2, 4, 3)
    _, y = kernel(x.at[0, 2, 1].set(jnp.nan), state=state)
    finite = jnp.isfinite(y).all(-1)
    np.testing.assert_array_equal(finite, [[1, 1, 0, 0], [1, 1, 1, 1]])


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh"])
def test_saturated_gates(name):
    kernel, loop = kernel_and_loop(name, 3, 5)
    x, state = random_inputs(kernel, 2, 4, 3)
    for scale in (10.0, 1e3, 1e30):
        assert_close(kernel(x * scale, None, state), loop(x * scale, None, state), 1e-6)
    # The gradient of a saturated unit is exactly zero, not just small.
    (_, d_x, _), _ = gradients(kernel, x * 1e30, state)
    np.testing.assert_array_equal(d_x, np.zeros_like(d_x))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_mode_and_second_derivatives(name, dtype):
    def derivatives(layer):
        params, apply = zoo.functional(layer)
        x, state = random_inputs(layer, 3, 5, 4)
        mask = zoo.mask_from_lengths(jnp.array([5, 2, 4]), 5)

        def loss(params, x, state):
            y = apply(params, x, mask, state)[1].astype(jnp.float32)
            return jnp.sum(jnp.tanh(y) ** 2)

        gradient = jax.grad(loss, (0, 1, 2))

        def gradient_sum(params, x, state):
            grads = gradient(params, x, state)
            return sum(jnp.sum(jnp.sin(g)) for g in jax.tree.leaves(grads))

        @jax.jit
        def all_modes(*primals):
            tangents = jax.tree.map(jnp.sin, primals)
            forward = jax.jvp(loss, primals, tangents)
            forward_over_reverse = jax.jvp(gradient, primals, tangents)[1]
            reverse_over_reverse = jax.grad(gradient_sum, (0, 1, 2))(*primals)
            return forward, forward_over_reverse, reverse_over_reverse

        return all_modes(params, x, state)

    kernel, loop = map(derivatives, kernel_and_loop(name, 4, 6, dtype=dtype))
    tolerances = {"float32": SCHEDULE_GRADIENT, "bfloat16": BFLOAT16_GRADIENT}
    assert_close(kernel, loop, tolerances[dtype])


def test_vmap_scan_and_checkpoint():
    kernel, loop = kernel_and_loop("lstm", 4, 6)
    x, _ = random_inputs(kernel, 3, 5, 4)
    stacked = jnp.stack([x, 2 * x])

    def transformed(layer):
        gradient = jax.grad(lambda x: jnp.sum(layer(x)[1] ** 2))

        def body(carry, x):
            return carry, jax.checkpoint(gradient)(x)

        return jax.vmap(gradient)(stacked), jax.lax.scan(body, 0, stacked)[1]

    actual = jax.jit(lambda: transformed(kernel))()
    assert_close(actual, transformed(loop), REFERENCE)


def test_concurrent_calls_do_not_deadlock():
    # Both directions of three layers run concurrently, and compete for threads.
    options = {"bidirectional": True, "rngs": nnx.Rngs(0)}
    layers = [zoo.LSTM(32, 64, 3, **options, backend=b) for b in ("native", "scan")]
    programs = [jax.jit(zoo.functional(layer)[1]) for layer in layers]
    params = zoo.functional(layers[0])[0]
    for B in (1, 2, 7):
        x = jnp.asarray(np.random.default_rng(B).normal(size=(B, 50, 32)), jnp.float32)
        expected = programs[1](params, x)[1]
        outputs = [programs[0](params, x)[1] for _ in range(50)]
        assert_close(outputs[-1], expected, REFERENCE)
        for y in outputs:
            assert_identical(y, outputs[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_affinity_of_threads_is_restored():
    kernel, _ = kernel_and_loop("lstm", 32, 64)
    x, state = random_inputs(kernel, 4, 50, 32, 0)
    for _ in range(100):
        gradients(kernel, x, state, None, None, 0)
    allowed = os.sched_getaffinity(0)
    for name in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # the thread has ended
            for _ in range(100):  # one that started late may be moving
                if os.sched_getaffinity(int(name)) == allowed:
                    break
                time.sleep(0.1)
            assert os.sched_getaffinity(int(name)) == allowed


def test_only_the_scan_exports_with_fixed_sizes():
    """Symbolic sizes run the scan anyway."""
    kernel, loop = kernel_and_loop("lstm", 8, 16)
    x, _ = random_inputs(kernel, 4, 12, 8)
    with pytest.raises(ValueError, match="custom calls.* no compatibility guarantees"):
        export.export(jax.jit(lambda x: kernel(x)))(x)
    exported = export.export(jax.jit(lambda x: loop(x)))(x)
    assert_close(exported.call(x), kernel(x), REFERENCE)
    auto = zoo.Recurrent(kernel.cell)
    B, T = export.symbolic_shape("b, t")
    symbolic = jax.ShapeDtypeStruct((B, T, 8), x.dtype)
    exported = export.export(jax.jit(lambda x: auto(x)))(symbolic)
    assert_close(exported.call(x), kernel(x), REFERENCE)


PROGRAM = """
import json, sys, jax.numpy as jnp, numpy as np, zoo_native, zoo, jax
from flax import nnx
out = [zoo_native.LEVEL]
for layer_type in (zoo.LSTM, zoo.GRU, zoo.RNN):
    layer = layer_type(9, 37, rngs=nnx.Rngs(0), backend="native")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(8, 6, 9)), jnp.float32)
    d_x = jax.grad(lambda x: jnp.sum(layer(x)[1] ** 2))(x)
    out.append(json.dumps([float(jnp.sum(jnp.abs(a))) for a in (layer(x)[1], d_x)]))
print("|".join(out))
"""


def test_every_instruction_set_gives_the_same_results():
    runs = load_module("levels").of_this_machine()
    usable = [level for level in runs if level in zoo_native.BUILT]
    sums = {}
    for level in usable:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"ZOO_NATIVE_LEVEL": level, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
        used, *values = done.stdout.strip().split("|")
        assert used == level
        sums[level] = [np.array(json.loads(value)) for value in values]
    for level in usable:
        assert_close(sums[level], sums[usable[0]], REFERENCE)
