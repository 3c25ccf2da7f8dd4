"""The GPU kernels on the emulator in tests/emulated: the same as the loop."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.kernel_table import NATIVE, load_table
from tests.helpers.kernels import CELLS, drawn, gradients, pair
from tests.helpers.tolerances import BFLOAT16, REFERENCE, assert_close, assert_identical
from zoo.engine import native
from zoo.engine.linear_scan import linear_scan

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("g++") or shutil.which("clang++")
pytestmark = [
    pytest.mark.skipif(
        COMPILER is None or sys.platform != "linux",
        reason="needs Linux and a compiler of C++",
    ),
    pytest.mark.usefixtures("gpu"),
]

NAMES = sorted(CELLS)
# How far results may be from those of the loop in float32, for each operand type.
DTYPES = {"float32": 3e-3, "bfloat16": BFLOAT16}
# Near zero, a ReLU may pass a gradient in one precision and none in another.
MARGIN = dict.fromkeys(NAMES, 0.0) | {"rnn_relu": 3.0}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Build the kernels with the emulated hardware."""
    folder = tmp_path_factory.mktemp("emulated")
    target = folder / "gpu.so"
    table = load_table()
    (folder / "kernel_table.h").write_text(table.header(table.read()))
    flags = ["-std=c++20", "-O1", "-g0", "-shared", "-fPIC"]
    flags += ["-Wall", "-Wextra", "-Wno-unknown-pragmas"]
    flags += [f"-I{path}" for path in (ROOT / "tests/emulated", NATIVE / "gpu", folder)]
    flags += [f"-isystem{Path(jaxlib.__file__).parent / 'include'}"]
    source = ROOT / "tests/emulated/gpu.cc"
    subprocess.run([COMPILER, *flags, "-o", target, source], check=True)
    library = ctypes.CDLL(str(target))
    library.zoo_gpu_runs.restype = ctypes.c_bool
    library.zoo_gpu_runs.argtypes = [ctypes.c_char_p, ctypes.c_bool, ctypes.c_int]
    for name in ("zoo_gpu_forward", "zoo_gpu_backward", "zoo_gpu_linear"):
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return library


@pytest.fixture
def gpu(library, monkeypatch):
    """Run layers as on a GPU."""

    def obstacle_on_gpu(cell, bfloat16, H):
        runs = library.zoo_gpu_runs(cell.encode(), bfloat16, H)
        return None if runs else f"no {cell} of {H} units"

    table = load_table().read()
    wheel = SimpleNamespace(
        INTERFACE=table.interface, TABLE=table, obstacle_on_gpu=obstacle_on_gpu
    )
    monkeypatch.setitem(sys.modules, "zoo_native", wheel)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    native.missing.cache_clear()
    yield
    native.missing.cache_clear()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("sizes", "masked", "reset", "reverse", "remat", "dtype"),
    [
        # One block; several, with padded rows and units; twice the rows in a cluster,
        # since more clusters would not run concurrently.
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
    kernel, loop = pair(name, D, H, dtype=dtype, **options)
    x, state = drawn(kernel, B, T, D)
    rng = np.random.default_rng(2)
    mask = jnp.asarray(rng.random((B, T)) < 0.7) if masked else None
    if mask is not None:
        mask = mask.at[1].set(False).at[:, 0].set(False)
    resets = jnp.asarray(rng.random((B, T)) < 0.3) if reset else None
    inputs = x, state, mask, resets
    results = [
        gradients(layer, *inputs, margin=MARGIN[name]) for layer in (kernel, loop)
    ]
    assert_close(*results, DTYPES[dtype])


@pytest.mark.parametrize(
    ("name", "dtype", "H"),
    [
        *((name, "float32", 260) for name in NAMES),
        # Too large for 32 registers of each thread plus shared memory: uses 64.
        ("lstm", "float32", 400),
        ("lstm", "bfloat16", 640),
    ],
)
def test_a_matrix_larger_than_the_registers(name, dtype, H):
    B, T, D = 2, 3, 4
    kernel, loop = pair(name, D, H, dtype=dtype)
    x, state = drawn(kernel, B, T, D)
    results = [gradients(one, x, state, margin=MARGIN[name]) for one in (kernel, loop)]
    assert_close(*results, DTYPES[dtype])


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh"])
def test_a_state_out_of_range_of_float16(name):
    """It is multiplied as the largest float16, not as infinity."""
    kernel, loop = pair(name, 3, 20)
    x, state = drawn(kernel, 2, 3, 3)
    far = jax.tree.map(lambda part: jnp.sign(part) * 1e7, state)
    assert_close(kernel(x, state=far), loop(x, state=far), DTYPES["float32"])


@pytest.mark.parametrize(
    ("name", "remat"), [("lstm", "none"), ("gru", "chunk:4"), ("mgu", "step")]
)
def test_both_directions_in_one_call(name, remat):
    layers = [
        zoo.Bidirectional(
            *(
                zoo.Recurrent(
                    cell, reverse=reverse, backend=backend, unroll=1, remat=remat
                )
                for reverse, cell in enumerate(
                    CELLS[name](4, 20, rngs=nnx.Rngs(seed)) for seed in range(2)
                )
            )
        )
        for backend in ("native", "scan")
    ]
    x, state = drawn(layers[0], 5, 6, 4)
    mask = zoo.mask_from_lengths(jnp.array([6, 2, 0, 5, 1]), 6)
    reset = jnp.zeros((5, 6), bool).at[0, 3].set(True)
    results = [gradients(layer, x, state, mask, reset) for layer in layers]
    assert_close(*results, DTYPES["float32"])
    plans = zoo.explain(layers[0], x, mask)
    assert [plan.backend for plan in plans] == ["native", "native"]
    assert "of both directions in one call of a kernel" in plans[0].why


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_padding_is_never_read(name):
    kernel, _ = pair(name, 4, 20)
    x, state = drawn(kernel, 6, 9, 4)
    mask = zoo.mask_from_lengths(jnp.array([9, 0, 1, 4, 9, 7]), 9)
    clean = gradients(kernel, jnp.where(mask[..., None], x, 0), state, mask)
    dirty = gradients(kernel, jnp.where(mask[..., None], x, jnp.nan), state, mask)
    assert_identical(dirty, clean)


@pytest.mark.parametrize("name", NAMES)
def test_nan_propagates(name):
    kernel, _ = pair(name, 3, 20)
    x, state = drawn(kernel, 2, 4, 3)
    _, y = kernel(x.at[0, 2, 1].set(jnp.nan), state=state)
    finite = jnp.isfinite(y).all(-1)
    np.testing.assert_array_equal(finite, [[1, 1, 0, 0], [1, 1, 1, 1]])


def test_no_rows_and_no_steps():
    kernel, loop = pair("lstm", 3, 20)
    for B, T in ((0, 4), (2, 0)):
        x, state = drawn(kernel, B, T, 3)
        assert_identical(kernel(x, state=state), loop(x, state=state))


def test_second_derivatives_under_vmap():
    kernel, loop = pair("gru", 4, 20)
    x, _ = drawn(kernel, 3, 5, 4)
    many = jnp.stack([x, 2 * x])

    def second(layer):
        def norm(x):
            return jnp.sum(jax.grad(lambda x: jnp.sum(layer(x)[1] ** 2))(x) ** 2)

        return jax.jit(jax.vmap(jax.grad(norm)))(many)

    assert_close(second(kernel), second(loop), DTYPES["float32"])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis", "of_a"),
    [
        # Fewer lanes than a warp, and more; one tile of steps, and several.
        ((1, 6), 0, (1, 6)),
        ((3, 200, 66), 1, (3, 200, 66)),
        ((3, 7, 6), 1, (1, 7, 6)),
        ((2, 3, 200, 40), 2, (40,)),
        # Constant factors, with a sum over time: of one tile, of several warps.
        ((3, 7, 6), 1, (6,)),
        ((2, 150, 132), 1, (2, 1, 132)),
    ],
)
def test_a_linear_recurrence_equals_the_tree(shape, axis, of_a, pairs, reverse):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=size) * 0.5 for size in (of_a, shape, shape)]
    arrays = [jnp.asarray(array, jnp.float32) for array in arrays]
    a, b, weights = arrays
    h = b.take(0, axis)

    def both(scan):
        def loss(a, b, h):
            y = scan(a, b, h, axis=axis, reverse=reverse, pairs=pairs)
            return jnp.sum(y * weights), y

        return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(a, b, h)

    results = both(linear_scan)
    with jax.default_device(jax.devices("cpu")[0]):
        assert_close(results, both(linear_scan), REFERENCE)


def test_second_derivatives_of_linear_recurrences():
    rng = np.random.default_rng(0)
    a, b, h = (
        jnp.asarray(rng.normal(size=size) * 0.5, jnp.float32)
        for size in ((4, 6), (4, 3, 5, 6), (4, 3, 6))
    )

    def second():
        def square(*inputs):
            return jnp.sum(linear_scan(*inputs, axis=1, pairs=True) ** 2)

        def norm(*inputs):
            gradients = jax.grad(square, (0, 1, 2))(*inputs)
            return sum(jnp.sum(d**2) for d in gradients)

        return jax.jit(jax.vmap(jax.grad(norm, (0, 1, 2))))(a, b, h)

    results = second()
    with jax.default_device(jax.devices("cpu")[0]):
        assert_close(results, second(), REFERENCE)


@pytest.mark.parametrize("cell", [zoo.LRUCell, zoo.HGRNCell, zoo.S6Cell])
def test_linear_cells_with_masks_and_resets(cell):
    layers = [
        zoo.Recurrent(cell(4, 20, rngs=nnx.Rngs(0)), steps=steps, unroll=1)
        for steps in ("parallel", "loop")
    ]
    x, state = drawn(layers[0], 5, 30, 4)
    mask = zoo.mask_from_lengths(jnp.array([30, 2, 0, 17, 1]), 30)
    reset = jnp.zeros((5, 30), bool).at[0, 3].set(True)
    results = [gradients(layer, x, state, mask, reset) for layer in layers]
    assert_close(*results, REFERENCE)
    (plan,) = zoo.explain(layers[0], x)
    assert plan.why.endswith("as asked, in one pass of a kernel")


@pytest.mark.parametrize("remat", ["none", "step", "chunk:8"])
def test_residuals(remat):
    B, T, D, H = 3, 40, 2, 8
    kernel, _ = pair("lstm", D, H, remat=remat)
    x, _ = drawn(kernel, B, T, D)
    _, back = jax.vjp(lambda x: kernel(x)[1], x)
    largest = max(leaf.size for leaf in jax.tree.leaves(back))
    # All gates; only y; nothing larger than U.
    kept = {"none": B * T * 4 * H, "step": B * T * H, "chunk:8": H * 4 * H}
    assert largest == kept[remat]
    (plan,) = zoo.explain(kernel, x)
    steps = "the steps of a chunk" if remat == "chunk:8" else "all steps"
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
def test_how_many_units_fit(library, name, float32, bfloat16):
    # The numbers of native/README.md.
    for is_bfloat16, most in enumerate((float32, bfloat16)):
        runs = [
            library.zoo_gpu_runs(name.encode(), is_bfloat16, most + k) for k in (0, 1)
        ]
        assert runs == [True, False]


def test_full_float32_precision_uses_the_loop():
    kernel, _ = pair("lstm", 4, 5)
    bfloat16, _ = pair("lstm", 4, 5, dtype="bfloat16")
    x = jnp.zeros((4, 5, 4))
    with jax.default_matmul_precision("highest"):
        with pytest.raises(ValueError, match="on a GPU the kernels multiply TF32"):
            kernel(x)
        assert zoo.explain(bfloat16, x)[0].backend == "native"
    assert zoo.explain(kernel, x)[0].backend == "native"


def test_few_steps_use_the_loop():
    layer = zoo.Recurrent(zoo.GRUCell(4, 5, rngs=nnx.Rngs(0)))
    shapes = [jax.ShapeDtypeStruct((1, T, 4), jnp.float32) for T in (3, 4)]
    backends = [zoo.explain(layer, shape)[0].backend for shape in shapes]
    assert backends == ["scan", "native"]
