"""When a layer runs a kernel for CPUs, and the reasons why it does not."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import zoo
from tests.helpers.kernels import kernel_and_loop, random_inputs, require_kernels
from tests.helpers.tolerances import REFERENCE, assert_close
from zoo.engine import native

zoo_native = require_kernels()

LSTM, GRU = zoo.LSTMCell, zoo.GRUCell
UNAVAILABLE = {
    "there is no kernel for PeepholeLSTMCell": (zoo.PeepholeLSTMCell, {}, {}),
    "the kernels compute in float32 and bfloat16": (LSTM, {"dtype": jnp.float16}, {}),
    "a regulariser acts on every step": (GRU, {}, {"zoneout": 0.1}),
    'gradient="loop" is asked for': (GRU, {}, {"gradient": "loop"}),
}


@pytest.mark.parametrize("why", UNAVAILABLE)
def test_layers_without_a_kernel(why):
    cell, cell_options, options = UNAVAILABLE[why]
    x = jax.ShapeDtypeStruct((4, 5, 4), jnp.float32)

    def layer(backend):
        built = cell(4, 5, rngs=nnx.Rngs(0), **cell_options)
        return zoo.Recurrent(built, backend=backend, **options)

    (plan,) = zoo.explain(layer("auto"), x)
    assert plan.backend == "scan"
    if layer("auto").cell.kernel():
        assert f"no kernel: {why}" in plan.why
    with pytest.raises(ValueError, match=f'backend="native": {why}'):
        layer("native")(jnp.zeros((4, 5, 4)))


def test_states_and_noise_need_the_loop():
    x = jnp.ones((4, 5, 4))
    dropped = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), recurrent_dropout=0.5)
    (evaluation,) = zoo.explain(dropped, x)
    (training,) = zoo.explain(dropped, x, key=jax.random.key(0))
    assert (evaluation.backend, training.backend) == ("native", "scan")
    native_only = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), backend="native")
    with pytest.raises(ValueError, match="the states of all steps are asked for"):
        native_only.states(x)


def test_parameters_in_another_precision():
    kernel, loop = kernel_and_loop("gru", 4, 6)
    x, _ = random_inputs(kernel, 3, 5, 4)
    params, apply = zoo.functional(kernel)
    bfloat16 = jax.tree.map(lambda a: a.astype(jnp.bfloat16), params)
    expected = zoo.functional(loop)[1](bfloat16, x)
    assert_close(apply(bfloat16, x), expected, REFERENCE)


def test_few_tokens_run_the_loop():
    layer = zoo.Recurrent(GRU(4, 5, rngs=nnx.Rngs(0)))

    def backend(*shape):
        return zoo.explain(layer, jax.ShapeDtypeStruct(shape, jnp.float32))[0].backend

    assert backend(32, 3, 4) == backend(1, 15, 4) == "scan"
    assert backend(32, 4, 4) == backend(1, 16, 4) == "native"


def test_a_subclass_does_not_inherit_the_kernel():
    class Doubled(zoo.LSTMCell):
        def output(self, state, p):
            return 2 * state.h

    layer = zoo.Recurrent(Doubled(4, 5, rngs=nnx.Rngs(0)))
    plain = zoo.Recurrent(zoo.LSTMCell(4, 5, rngs=nnx.Rngs(0)))
    x = jnp.ones((4, 5, 4))
    assert layer.cell.kernel() is None
    assert_close(layer(x)[1], 2 * plain(x)[1], REFERENCE)


@pytest.fixture
def uncached() -> Iterator[None]:
    """Clear the cached answers on which kernels are available, before and after."""
    native.missing.cache_clear()
    yield
    native.missing.cache_clear()


@pytest.mark.usefixtures("uncached")
def test_an_error_says_that_the_kernels_are_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "zoo_native", None)
    layer = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), backend="native")
    with pytest.raises(ValueError, match="rnn-zoo-native is not installed"):
        layer(jnp.zeros((1, 2, 4)))


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        (None, "rnn-zoo-native-cuda is not installed"),
        (lambda cell, H: True, None),
        (lambda cell, H: False, "for NVIDIA GPUs from compute capability 9.0 on"),
        (lambda cell, H: H < 99, "the matrix of 100 units does not fit on the chip"),
    ],
)
def test_the_reason_why_a_gpu_runs_no_kernel(monkeypatch, runs, why):
    library = runs and SimpleNamespace(
        zoo_gpu_runs=lambda cell, bfloat16, H: runs(cell, H)
    )
    monkeypatch.setattr(zoo_native, "_gpu", library)
    unavailable = zoo_native.gpu_unavailable("gru", False, 100)
    assert unavailable == why or why in unavailable


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"BUILT": []}, r"installed without a C\+\+ compiler"),
        ({"BUILT": ["v4"]}, r"was built for a faster CPU \(v4\): install it again"),
        ({"_REQUESTED": "none"}, "ZOO_NATIVE_LEVEL=none turns them off"),
    ],
)
def test_the_reason_why_no_library_was_loaded(monkeypatch, attributes, why):
    for name, value in {"LEVEL": None, **attributes}.items():
        monkeypatch.setattr(zoo_native, name, value)
    (plan,) = zoo.explain(zoo.LSTM(4, 5, rngs=nnx.Rngs(0)), jnp.zeros((8, 5, 4)))
    assert plan.backend == "scan"
    layer = zoo.Recurrent(LSTM(4, 5, rngs=nnx.Rngs(0)), backend="native")
    with pytest.raises(ValueError, match=why):
        layer(jnp.zeros((1, 2, 4)))


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize(
    ("attribute", "value", "dtype", "why"),
    [
        ("INTERFACE", "0123", "float32", "built from another table of kernels"),
        ("BFLOAT16", False, "bfloat16", "no instructions of bfloat16"),
    ],
)
def test_incompatible_kernels_are_not_called(monkeypatch, attribute, value, dtype, why):
    monkeypatch.setattr(zoo_native, attribute, value)
    layer = zoo.Recurrent(LSTM(4, 5, dtype=dtype, rngs=nnx.Rngs(0)))
    (plan,) = zoo.explain(layer, jnp.zeros((8, 5, 4)))
    assert plan.backend == "scan"
    assert why in plan.why
