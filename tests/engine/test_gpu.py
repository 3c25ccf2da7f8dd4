"""The recurrent kernels for GPUs, emulated on a CPU, against the loop in JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.kernels import CELLS, gradients, kernel_and_loop, random_inputs
from tests.helpers.tolerances import BFLOAT16, assert_close, assert_identical

pytestmark = pytest.mark.usefixtures("emulated_gpu")

NAMES = sorted(CELLS)
# The dtypes of the matmuls, and the tolerances relative to the loop. For float32 the
# kernels multiply TF32.
DTYPES = {"float32": 3e-3, "bfloat16": BFLOAT16}
# Near zero, rounding decides whether a ReLU passes a gradient; biases avoid zero.
MARGIN = dict.fromkeys(NAMES, 0.0) | {"rnn_relu": 3.0}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("sizes", "masked", "reset", "reverse", "remat", "dtype"),
    [
        # One block of threads; several, with padded rows and units; twice the rows per
        # cluster, because more clusters would not run at the same time.
        ((3, 5, 4, 6), False, False, False, "none", "float32"),
        ((9, 7, 5, 40), True, True, False, "step", "float32"),
        ((9, 7, 5, 40), True, True, True, "none", "bfloat16"),
        ((21, 6, 5, 17), True, False, True, "none", "float32"),
        ((2, 9, 3, 33), False, True, True, "chunk:4", "float32"),
    ],
)
def test_a_kernel_equals_the_loop(name, sizes, masked, reset, reverse, remat, dtype):
    B, T, D, H = sizes
    options = {"reverse": reverse, "learn_initial_state": True, "unroll": 1}
    options |= {"remat": remat}
    kernel, loop = kernel_and_loop(name, D, H, dtype=dtype, **options)
    x, state = random_inputs(kernel, B, T, D)
    rng = np.random.default_rng(2)
    mask = jnp.asarray(rng.random((B, T)) < 0.7) if masked else None
    if mask is not None:
        mask = mask.at[1].set(False).at[:, 0].set(False)
    resets = jnp.asarray(rng.random((B, T)) < 0.3) if reset else None
    actual, expected = (
        gradients(layer, x, state, mask, resets, margin=MARGIN[name])
        for layer in (kernel, loop)
    )
    assert_close(actual, expected, DTYPES[dtype])


@pytest.mark.parametrize(
    ("name", "dtype", "H"),
    [
        *((name, "float32", 260) for name in NAMES),
        # The part that 32 registers of a thread cannot hold exceeds shared memory too.
        ("lstm", "float32", 400),
        ("lstm", "bfloat16", 640),
    ],
)
def test_a_matrix_larger_than_the_registers(name, dtype, H):
    B, T, D = 2, 3, 4
    kernel, loop = kernel_and_loop(name, D, H, dtype=dtype)
    x, state = random_inputs(kernel, B, T, D)
    actual, expected = (
        gradients(layer, x, state, margin=MARGIN[name]) for layer in (kernel, loop)
    )
    assert_close(actual, expected, DTYPES[dtype])


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh"])
def test_a_state_beyond_float16(name):
    """Values beyond the range of float16 are clipped to its maximum, not infinite."""
    kernel, loop = kernel_and_loop(name, 3, 20)
    x, state = random_inputs(kernel, 2, 3, 3)
    large = jax.tree.map(lambda leaf: jnp.sign(leaf) * 1e7, state)
    assert_close(kernel(x, state=large), loop(x, state=large), DTYPES["float32"])


@pytest.mark.parametrize(
    ("name", "remat"), [("lstm", "none"), ("gru", "chunk:4"), ("mgu", "step")]
)
def test_both_directions_in_one_call(name, remat):
    def build(backend: Any) -> zoo.Bidirectional:
        def direction(seed: int, reverse: bool) -> zoo.Recurrent:
            cell = CELLS[name](4, 20, rngs=nnx.Rngs(seed))
            schedule = {"backend": backend, "unroll": 1, "remat": remat}
            return zoo.Recurrent(cell, reverse=reverse, **schedule)

        return zoo.Bidirectional(direction(0, False), direction(1, True))

    kernel, loop = build("native"), build("scan")
    x, state = random_inputs(kernel, 5, 6, 4)
    mask = zoo.mask_from_lengths(jnp.array([6, 2, 0, 5, 1]), 6)
    reset = jnp.zeros((5, 6), bool).at[0, 3].set(True)
    expected = gradients(loop, x, state, mask, reset)
    assert_close(gradients(kernel, x, state, mask, reset), expected, DTYPES["float32"])
    plans = zoo.explain(kernel, x, mask)
    assert [plan.backend for plan in plans] == ["native", "native"]
    assert "of both directions in one call of a kernel" in plans[0].why


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_padding_is_never_read(name):
    kernel, _ = kernel_and_loop(name, 4, 20)
    x, state = random_inputs(kernel, 6, 9, 4)
    mask = zoo.mask_from_lengths(jnp.array([9, 0, 1, 4, 9, 7]), 9)
    clean = gradients(kernel, jnp.where(mask[..., None], x, 0), state, mask)
    dirty = gradients(kernel, jnp.where(mask[..., None], x, jnp.nan), state, mask)
    assert_identical(dirty, clean)


@pytest.mark.parametrize("name", NAMES)
def test_nan_propagates(name):
    kernel, _ = kernel_and_loop(name, 3, 20)
    x, state = random_inputs(kernel, 2, 4, 3)
    _, y = kernel(x.at[0, 2, 1].set(jnp.nan), state=state)
    finite = jnp.isfinite(y).all(-1)
    np.testing.assert_array_equal(finite, [[1, 1, 0, 0], [1, 1, 1, 1]])


def test_no_rows_and_no_steps():
    kernel, loop = kernel_and_loop("lstm", 3, 20)
    for B, T in ((0, 4), (2, 0)):
        x, state = random_inputs(kernel, B, T, 3)
        assert_identical(kernel(x, state=state), loop(x, state=state))


def test_second_derivatives_under_vmap():
    kernel, loop = kernel_and_loop("gru", 4, 20)
    x, _ = random_inputs(kernel, 3, 5, 4)
    stacked = jnp.stack([x, 2 * x])

    def second_derivatives(layer):
        gradient = jax.grad(lambda x: jnp.sum(layer(x)[1] ** 2))

        def both(x):
            forward_over_reverse = jax.jvp(gradient, (x,), (x,))[1]
            squared_norm = jax.grad(lambda x: jnp.sum(gradient(x) ** 2))
            return squared_norm(x), forward_over_reverse

        return jax.jit(jax.vmap(both))(stacked)

    actual = second_derivatives(kernel)
    assert_close(actual, second_derivatives(loop), DTYPES["float32"])


@pytest.mark.parametrize("remat", ["none", "step", "chunk:8"])
def test_residuals_of_the_backward_pass(remat):
    B, T, D, H = 3, 40, 2, 8
    kernel, _ = kernel_and_loop("lstm", D, H, remat=remat)
    x, _ = random_inputs(kernel, B, T, D)
    _, vjp = jax.vjp(lambda x: kernel(x)[1], x)
    largest = max(leaf.size for leaf in jax.tree.leaves(vjp))
    # The gates of all tokens; the outputs of all tokens; nothing larger than U.
    expected = {"none": B * T * 4 * H, "step": B * T * H, "chunk:8": H * 4 * H}
    assert largest == expected[remat]
    (plan,) = zoo.explain(kernel, x)
    steps = "8 steps at a time" if remat == "chunk:8" else "all steps"
    assert f"; {steps} in one call of a kernel" in plan.why


def test_a_matrix_that_is_too_large():
    why = "no lstm of 1100 units"
    layers = {
        backend: zoo.Recurrent(zoo.LSTMCell(4, 1100, rngs=nnx.Rngs(0)), backend=backend)
        for backend in ("auto", "native")
    }
    x = jnp.zeros((4, 5, 4))
    (plan,) = zoo.explain(layers["auto"], x)
    assert plan.backend == "scan" and f"no kernel: {why}" in plan.why
    with pytest.raises(ValueError, match=f'backend="native": {why}'):
        layers["native"](x)


@pytest.mark.parametrize(
    ("name", "float32", "bfloat16"),
    [
        ("lstm", 512, 640),
        ("gru", 512, 640),
        ("reset_before_gru", 512, 768),
        ("reset_after_mgu", 768, 1024),
        ("mgu", 768, 1024),
        ("rnn_tanh", 1024, 1024),
    ],
)
def test_the_largest_hidden_size(gpu_library, name, float32, bfloat16):
    # The limits of native/README.md.
    for is_bfloat16, limit in ((False, float32), (True, bfloat16)):
        for H, fits in ((limit, True), (limit + 1, False)):
            assert gpu_library.zoo_gpu_runs(name.encode(), is_bfloat16, H) == fits


def test_exact_float32_matmuls_run_the_loop():
    kernel, _ = kernel_and_loop("lstm", 4, 5)
    low, _ = kernel_and_loop("lstm", 4, 5, dtype="bfloat16")
    x = jnp.zeros((4, 5, 4))
    with jax.default_matmul_precision("highest"):
        with pytest.raises(ValueError, match="on a GPU the kernels multiply TF32"):
            kernel(x)
        assert zoo.explain(low, x)[0].backend == "native"
    assert zoo.explain(kernel, x)[0].backend == "native"


def test_few_steps_run_the_loop():
    layer = zoo.Recurrent(zoo.GRUCell(4, 5, rngs=nnx.Rngs(0)))
    shapes = [jax.ShapeDtypeStruct((1, T, 4), jnp.float32) for T in (3, 4)]
    backends = [zoo.explain(layer, shape)[0].backend for shape in shapes]
    assert backends == ["scan", "native"]
