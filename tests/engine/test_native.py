"""The CPU kernels: the same results as the loop in JAX, wherever they are called."""

import contextlib
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.kernels import CELLS, drawn, gradients, pair
from tests.helpers.tolerances import (
    BFLOAT16,
    REFERENCE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)
from zoo.engine import native

zoo_native = pytest.importorskip(
    "zoo_native", reason="the kernels are not installed: pip install ./native"
)

# The operand types, and how far results may be from those of the loop.
DTYPES = {"float32": REFERENCE}
if zoo_native.BFLOAT16:
    DTYPES["bfloat16"] = BFLOAT16


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(sorted(CELLS)),
    # Smaller and larger than a vector and a tile.
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
    masked, reset, reverse, bias = flags
    options = {"reverse": reverse, "learn_initial_state": learnt, "remat": remat}
    kernel, loop = pair(name, *sizes, bias=bias, dtype=dtype, **options)
    x, state = drawn(kernel, *shape, sizes[0], seed)
    rng = np.random.default_rng(seed)
    mask = jnp.asarray(rng.random(shape) < 0.7) if masked else None
    resets = jnp.asarray(rng.random(shape) < 0.2) if reset else None
    results = gradients(kernel, x, state, mask, resets, seed)
    assert_close(results, gradients(loop, x, state, mask, resets, seed), DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("D, T", [(70, 200), (150, 12)])  # few tokens share columns
def test_more_tokens_and_columns_than_one_piece_of_work(name, dtype, D, T):
    B, H = 3, 18
    kernel, loop = pair(name, D, H, dtype=dtype)
    x, state = drawn(kernel, B, T, D)
    mask = zoo.mask_from_lengths(jnp.array([T, 1, T * 5 // 6]), T)
    results = gradients(kernel, x, state, mask)
    assert_close(results, gradients(loop, x, state, mask), DTYPES[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
def test_recomputed_gates(name, dtype):
    # More tokens than the backward pass recomputes at a time.
    B, T, D, H = 3, 900, 4, 18
    recomputed, _ = pair(name, D, H, remat="step", dtype=dtype)
    kept, _ = pair(name, D, H, dtype=dtype)
    x, state = drawn(recomputed, B, T, D)
    rng = np.random.default_rng(0)
    mask = zoo.mask_from_lengths(jnp.array([900, 1, 700]), T)
    reset = jnp.asarray(rng.random((B, T)) < 0.01)
    results = gradients(recomputed, x, state, mask, reset)
    assert_close(results, gradients(kept, x, state, mask, reset), REFERENCE)

    def stored(layer):
        _, back = jax.vjp(lambda x: layer(x)[1], x)
        return max(leaf.size for leaf in jax.tree.leaves(back))

    assert stored(recomputed) < 2 * B * T * H
    planes = native.bias_blocks(name)
    if planes > 1:
        assert stored(kept) >= planes * B * T * H


@pytest.mark.parametrize("name", CELLS)
def test_errors_against_float64(name):
    kernel, loop = pair(name, 100, 200)
    x, state = drawn(kernel, 5, 40, 100)
    with jax.enable_x64(True):
        of_cell = {"nonlinearity": "relu"} if name == "rnn_relu" else {}
        cell = CELLS[name](
            100, 200, rngs=nnx.Rngs(0), param_dtype=jnp.float64, **of_cell
        )
        exact = zoo.Recurrent(cell)
        nnx.update(
            exact, jax.tree.map(lambda p: p.astype(jnp.float64), nnx.state(loop))
        )
        wide = [jax.tree.map(lambda a: a.astype(jnp.float64), a) for a in (x, state)]
        expected = exact(wide[0], state=wide[1])
    assert_close(kernel(x, state=state), expected, 2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_padding_is_never_read(name, dtype):
    kernel, _ = pair(name, 8, 20, dtype=dtype)
    x, state = drawn(kernel, 6, 9, 8)
    mask = zoo.mask_from_lengths(jnp.array([9, 0, 1, 4, 9, 7]), 9)
    clean = gradients(kernel, jnp.where(mask[..., None], x, 0), state, mask)
    dirty = gradients(kernel, jnp.where(mask[..., None], x, jnp.nan), state, mask)
    assert_identical(dirty, clean)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CELLS)
def test_nan_propagates(name, dtype):
    kernel, _ = pair(name, 3, 5, dtype=dtype)
    x, state = drawn(kernel, 2, 4, 3)
    _, y = kernel(x.at[0, 2, 1].set(jnp.nan), state=state)
    finite = jnp.isfinite(y).all(-1)
    np.testing.assert_array_equal(finite, [[1, 1, 0, 0], [1, 1, 1, 1]])


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh"])
def test_saturated_gates(name):
    kernel, loop = pair(name, 3, 5)
    x, state = drawn(kernel, 2, 4, 3)
    for scale in (10.0, 1e3, 1e30):
        assert_close(kernel(x * scale, None, state), loop(x * scale, None, state), 1e-6)
    # A saturated unit passes no gradient at all, not even a small one.
    results = gradients(kernel, x * 1e30, state)
    d_x = results[0][1]
    np.testing.assert_array_equal(d_x, np.zeros_like(d_x))


@pytest.mark.parametrize("name", CELLS)
def test_second_derivatives(name):
    def second(layer):
        params, apply = zoo.functional(layer)
        x, state = drawn(layer, 3, 5, 4)
        mask = zoo.mask_from_lengths(jnp.array([5, 2, 4]), 5)

        def loss(params, x, state):
            return jnp.sum(jnp.tanh(apply(params, x, mask, state)[1]) ** 2)

        def size(params, x, state):
            d = jax.grad(loss, (0, 1, 2))(params, x, state)
            return sum(jnp.sum(jnp.sin(a)) for a in jax.tree.leaves(d))

        return jax.jit(jax.grad(size, (0, 1, 2)))(params, x, state)

    kernel, loop = (second(layer) for layer in pair(name, 4, 6))
    assert_close(kernel, loop, SCHEDULE_GRADIENT)


def test_vmap_and_loops():
    kernel, loop = pair("lstm", 4, 6)
    x, _ = drawn(kernel, 3, 5, 4)
    many = jnp.stack([x, 2 * x])

    def norm(layer, x):
        return jnp.sum(layer(x)[1] ** 2)

    def each(layer):
        of_one = jax.grad(lambda x: norm(layer, x))
        mapped = jax.vmap(of_one)(many)
        _, scanned = jax.lax.scan(lambda c, x: (c, jax.checkpoint(of_one)(x)), 0, many)
        return mapped, scanned

    assert_close(jax.jit(lambda: each(kernel))(), each(loop), REFERENCE)


def test_concurrent_calls_do_not_block_each_other():
    # Both directions of three layers in parallel, with too few threads for all.
    options = {"bidirectional": True, "rngs": nnx.Rngs(0)}
    layers = [zoo.LSTM(32, 64, 3, **options, backend=b) for b in ("native", "scan")]
    programs = [jax.jit(zoo.functional(layer)[1]) for layer in layers]
    params = zoo.functional(layers[0])[0]
    for B in (1, 2, 7):
        x = jnp.asarray(np.random.default_rng(B).normal(size=(B, 50, 32)), jnp.float32)
        expected = programs[1](params, x)[1]
        outputs = [programs[0](params, x)[1] for _ in range(50)]
        assert_close(outputs[-1], expected, REFERENCE)
        for output in outputs:
            assert_identical(output, outputs[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="threads change cores on Linux")
def test_threads_keep_their_affinity():
    kernel, _ = pair("lstm", 32, 64)
    x, state = drawn(kernel, 4, 50, 32, 0)
    for _ in range(100):
        gradients(kernel, x, state, None, None, 0)
    allowed = os.sched_getaffinity(0)
    for name in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # the thread has ended
            assert os.sched_getaffinity(int(name)) == allowed


LSTM, GRU = zoo.LSTMCell, zoo.GRUCell
OBSTACLES = {
    "there is no kernel of PeepholeLSTMCell": (zoo.PeepholeLSTMCell, {}, {}),
    "the kernels are of float32 and bfloat16": (LSTM, {"dtype": jnp.float16}, {}),
    "a regulariser acts on every step": (GRU, {}, {"zoneout": 0.1}),
    'gradient="loop" is asked for': (GRU, {}, {"gradient": "loop"}),
}


@pytest.mark.parametrize("why", OBSTACLES)
def test_obstacles(why):
    cell, of_cell, options = OBSTACLES[why]
    x = jax.ShapeDtypeStruct((4, 5, 4), jnp.float32)

    def layer(backend):
        made = cell(4, 5, rngs=nnx.Rngs(0), **of_cell)
        return zoo.Recurrent(made, backend=backend, **options)

    (plan,) = zoo.explain(layer("auto"), x)
    assert plan.backend == "scan"
    if layer("auto").cell.kernel():
        assert f"no kernel: {why}" in plan.why
    with pytest.raises(ValueError, match=f'backend="native": {why}'):
        layer("native")(jnp.zeros((4, 5, 4)))


def test_states_and_noise_use_the_loop():
    x = jnp.ones((4, 5, 4))
    dropped = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), recurrent_dropout=0.5)
    (still,), (noisy,) = (
        zoo.explain(dropped, x),
        zoo.explain(dropped, x, key=jax.random.key(0)),
    )
    assert (still.backend, noisy.backend) == ("native", "scan")
    asked = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), backend="native")
    with pytest.raises(ValueError, match="the states of all steps are asked for"):
        asked.states(x)


def test_parameters_in_another_precision():
    kernel, loop = pair("gru", 4, 6)
    x, _ = drawn(kernel, 3, 5, 4)
    params, apply = zoo.functional(kernel)
    bfloat16_params = jax.tree.map(lambda a: a.astype(jnp.bfloat16), params)
    expected = zoo.functional(loop)[1](bfloat16_params, x)
    assert_close(apply(bfloat16_params, x), expected, REFERENCE)


def test_few_tokens_use_the_loop():
    layer = zoo.Recurrent(GRU(4, 5, rngs=nnx.Rngs(0)))

    def backend(*shape):
        return zoo.explain(layer, jax.ShapeDtypeStruct(shape, jnp.float32))[0].backend

    assert backend(32, 3, 4) == backend(1, 15, 4) == "scan"
    assert backend(32, 4, 4) == backend(1, 16, 4) == "native"


def test_a_subclass_does_not_inherit_the_kernel():
    class Louder(zoo.LSTMCell):
        def output(self, state, p):
            return 2 * state.h

    layer = zoo.Recurrent(Louder(4, 5, rngs=nnx.Rngs(0)))
    plain = zoo.Recurrent(zoo.LSTMCell(4, 5, rngs=nnx.Rngs(0)))
    x = jnp.ones((4, 5, 4))
    assert layer.cell.kernel() is None
    assert_close(layer(x)[1], 2 * plain(x)[1], REFERENCE)


@pytest.fixture
def clear_cache():
    """Check whether kernels are available in this test, and again after it."""
    native.missing.cache_clear()
    yield
    native.missing.cache_clear()


@pytest.mark.usefixtures("clear_cache")
def test_missing_wheel(monkeypatch):
    monkeypatch.setitem(sys.modules, "zoo_native", None)
    layer = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), backend="native")
    with pytest.raises(ValueError, match="rnn-zoo-native is not installed"):
        layer(jnp.zeros((1, 2, 4)))


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        (None, "rnn-zoo-native was built without nvcc, for CPUs alone"),
        (lambda cell, H: True, None),
        (lambda cell, H: False, "for NVIDIA GPUs from compute capability 9.0 on"),
        (lambda cell, H: H < 99, "the matrix of 100 units does not fit on the chip"),
    ],
)
def test_obstacles_on_a_gpu(monkeypatch, runs, why):
    library = runs and SimpleNamespace(
        zoo_gpu_runs=lambda cell, bfloat16, H: runs(cell, H)
    )
    monkeypatch.setattr(zoo_native, "_gpu", library)
    obstacle = zoo_native.obstacle_on_gpu("gru", False, 100)
    assert obstacle == why or why in obstacle


@pytest.mark.usefixtures("clear_cache")
@pytest.mark.parametrize(
    ("what", "value", "dtype", "why"),
    [
        ("INTERFACE", "0123", "float32", "built from another table of kernels"),
        ("BFLOAT16", False, "bfloat16", "no instructions of bfloat16"),
    ],
)
def test_unusable_kernels_are_not_called(monkeypatch, what, value, dtype, why):
    monkeypatch.setattr(zoo_native, what, value)
    layer = zoo.Recurrent(LSTM(4, 5, dtype=dtype, rngs=nnx.Rngs(0)))
    (plan,) = zoo.explain(layer, jnp.zeros((8, 5, 4)))
    assert plan.backend == "scan"
    assert why in plan.why


SUM = """
import json, sys, jax.numpy as jnp, numpy as np, zoo_native, zoo, jax
from flax import nnx
out = [zoo_native.LEVEL]
for make in (zoo.LSTM, zoo.GRU, zoo.RNN):
    layer = make(9, 37, rngs=nnx.Rngs(0), backend="native")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(8, 6, 9)), jnp.float32)
    d_x = jax.grad(lambda x: jnp.sum(layer(x)[1] ** 2))(x)
    out.append(json.dumps([float(jnp.sum(jnp.abs(a))) for a in (layer(x)[1], d_x)]))
print("|".join(out))
"""


def test_all_instruction_levels_agree():
    levels = ["v2", "v3", "v4"]
    levels = levels[: 1 + levels.index(zoo_native.LEVEL)]
    sums = {}
    for level in levels:
        done = subprocess.run(
            [sys.executable, "-c", SUM],
            env=os.environ | {"ZOO_NATIVE_LEVEL": level, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
        used, *values = done.stdout.strip().split("|")
        assert used == level
        sums[level] = [np.array(json.loads(value)) for value in values]
    for level in levels:
        assert_close(sums[level], sums["v2"], REFERENCE)
