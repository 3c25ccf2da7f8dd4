"""The convolutional LSTM and the composite cells: values, masks, chunks, errors."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import (
    BFLOAT16_GRADIENT,
    REFERENCE,
    SCHEDULE,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import untyped
from zoo.engine import matmul

B, T, H = 2, 4, 3
RNG = np.random.default_rng(0)


def draw(*shape):
    """Draw standard normal float32 numbers."""
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("space", [(5,), (4, 3), (3, 2, 4)])
@pytest.mark.usefixtures("standard_promotion")
def test_conv_lstm_equals_flax(space):
    """Outputs and gradients; Flax has the gate order i g f o, and adds 1 to f."""
    kernel = (3, 2, 3)[: len(space)]
    x, weights = draw(B, T, *space, 2), draw(B, T, *space, H)
    flax_layer = nn.RNN(nn.ConvLSTMCell(H, kernel))
    params = flax_layer.init(jax.random.key(0), x)
    params = jax.tree.map(lambda p: p + 0.3 * draw(*p.shape), params)

    def flax_loss(params, x):
        y = untyped(flax_layer.apply(params, x))
        return (y * weights).sum(), y

    (d_params, d_x), expected = jax.grad(flax_loss, (0, 1), has_aux=True)(params, x)

    def ordered(array):
        i, g, f, o = np.split(np.asarray(array), 4, axis=-1)
        return np.concatenate([i, f, g, o], axis=-1)

    def converted(cell, forget_bias):
        """Convert parameters or gradients from Flax, and add to the bias of f."""
        extra = np.repeat(np.array([0, forget_bias, 0, 0], np.float32), H)
        return {
            "W": ordered(cell["ih"]["kernel"]),
            "U": ordered(cell["hh"]["kernel"]),
            "b": ordered(cell["ih"]["bias"]) + extra,
        }

    cell = zoo.ConvLSTMCell((*space, 2), H, kernel_size=kernel, rngs=nnx.Rngs(0))
    own = {"cell": converted(params["params"]["cell"], 1)}
    own["cell"]["b"] += ordered(params["params"]["cell"].get("hh", {}).get("bias", 0))
    _, apply = zoo.functional(zoo.Recurrent(cell))

    def loss(params, x):
        _, y = apply(params, x)
        return (y * weights).sum(), y

    (d_own, d_x_own), y = jax.grad(loss, (0, 1), has_aux=True)(own, x)
    assert_close((y, d_x_own), (expected, d_x), REFERENCE)
    assert_close(d_own["cell"], converted(d_params["params"]["cell"], 0), REFERENCE)


@pytest.mark.parametrize("space, kernel", [((5,), (3,)), ((4, 3), (2, 5))])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_derivatives_of_a_convolution_equal_those_of_xla(space, kernel, dtype):
    """In forward and reverse mode, and of second order."""
    x, W, v = draw(B, *space, 2), draw(*kernel, 2, H), draw(B, *space, 2)

    def derivatives(convolve):
        def loss(x, W):
            y = convolve(x.astype(dtype), W.astype(dtype), dtype, jnp.float32)
            return (jnp.tanh(y) ** 2).sum()

        def along(x, W):
            return jax.jvp(lambda x: loss(x, W), (x,), (v,))[1]

        return loss(x, W), *jax.grad(loss, (0, 1))(x, W), *jax.grad(along, (0, 1))(x, W)

    tolerance = {"float32": REFERENCE, "bfloat16": BFLOAT16_GRADIENT}[dtype]
    expected = derivatives(matmul._xla_convolution)
    assert_close(derivatives(matmul.convolution), expected, tolerance)


def conv(rngs):
    """Build a layer over images."""
    return zoo.Recurrent(zoo.ConvLSTMCell((4, 3, 2), H, rngs=rngs))


def fast_slow(rngs):
    """Build a layer of three fast LSTMs and a GRU."""
    fast = [zoo.LSTMCell(size, H, rngs=rngs) for size in (2, 5, 1)]
    return zoo.Recurrent(zoo.FastSlowCell(fast, zoo.GRUCell(H, 5, rngs=rngs)))


def multiplicative(rngs):
    """Build a layer of a multiplicative GRU."""
    cell = zoo.MultiplicativeCell(zoo.GRUCell(2, H, rngs=rngs), rngs=rngs)
    return zoo.Recurrent(cell)


@pytest.mark.parametrize("make", [conv, fast_slow, multiplicative])
def test_layer_contract(make):
    """Padding has no effect, chunks and steps equal the sequence, all is learnt."""
    layer = make(nnx.Rngs(0))
    params, apply = zoo.functional(layer)
    x = draw(B, T, *layer.input_shape)
    mask = np.array([[1, 1, 1, 1], [1, 0, 1, 0]], bool)
    dirty = x.copy()
    dirty[~mask] = np.nan

    def loss(params, x):
        state, y = apply(params, x, mask)
        parts = jax.tree.leaves((state, y))
        return sum((part**2).sum() for part in parts), (state, y)

    run = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
    gradients, (state, y) = run(params, x)
    assert_identical(run(params, dirty), (gradients, (state, y)))
    assert (np.asarray(y)[~mask] == 0).all()
    first, y1 = layer(x[:, :2], mask[:, :2])
    second, y2 = layer(x[:, 2:], mask[:, 2:], first)
    joined = jnp.concatenate([y1, y2], axis=1)
    assert_close((second, joined), (state, y), SCHEDULE)
    now, outputs = layer.init_state(B), []
    for t in range(T):
        now, y_t = layer.step(now, x[:, t])
        outputs.append(y_t)
    assert_close(jnp.stack(outputs, axis=1), layer(x)[1], SCHEDULE)
    unused = {"['cell']['fast']['2']['W']"}  # the third fast cell reads a zero
    for path, g in jax.tree.leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert (np.abs(g).max() > 0) != (name[3:] in unused), name


def test_fast_slow_equals_its_cells_in_sequence():
    layer = fast_slow(nnx.Rngs(0))
    cell = untyped(layer.cell)
    x = draw(B, T, 2)
    fast, slow = layer.init_state(B)
    expected = []
    for t in range(T):
        fast, h = cell.fast[0].step(fast, cell.fast[0].project(x[:, t]))
        slow, h = cell.slow.step(slow, cell.slow.project(h))
        fast, h = cell.fast[1].step(fast, cell.fast[1].project(h))
        zero = np.zeros((B, 1), np.float32)
        fast, h = cell.fast[2].step(fast, cell.fast[2].project(zero))
        expected.append(h)
    state, y = layer(x)
    assert_close(y, jnp.stack(expected, axis=1), SCHEDULE)
    assert_close(tuple(state), (fast, slow), SCHEDULE)


def test_multiplicative_cell_of_an_lstm_equals_the_multiplicative_lstm():
    lstm = zoo.MultiplicativeLSTMCell(2, H, rngs=nnx.Rngs(0))
    wrapper = zoo.MultiplicativeCell(
        zoo.LSTMCell(2, H, rngs=nnx.Rngs(1)), rngs=nnx.Rngs(2)
    )
    for name in ("W", "U", "b"):
        getattr(wrapper.cell, name)[...] = getattr(lstm, name)[...]
    for name in ("W_m", "U_m"):
        getattr(wrapper, name)[...] = getattr(lstm, name)[...]
    x = draw(B, T, 2)
    expected = zoo.Recurrent(lstm)(x)
    assert_close(zoo.Recurrent(wrapper)(x), expected, SCHEDULE)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda r: zoo.ConvLSTMCell((4,), H, rngs=r), "one to three spatial axes"),
        (lambda r: zoo.ConvLSTMCell((4, 0), H, rngs=r), "a size of input_shape must"),
        (
            lambda r: zoo.ConvLSTMCell((4, 2), H, kernel_size=(3, 3), rngs=r),
            "kernel_size must have one entry for each of 1 axes",
        ),
        (
            lambda r: zoo.FastSlowCell(
                [zoo.GRUCell(2, H, rngs=r)], zoo.GRUCell(H, H, rngs=r)
            ),
            "fast must hold two cells or more, got 1",
        ),
        (
            lambda r: zoo.FastSlowCell(
                [zoo.GRUCell(2, H, rngs=r), zoo.GRUCell(2, H, rngs=r)],
                zoo.GRUCell(H, H, rngs=r),
            ),
            r"fast\[1\] must have input_size = 3, got 2",
        ),
        (
            lambda r: zoo.FastSlowCell(
                [zoo.GRUCell(2, H, rngs=r), zoo.LSTMCell(H, H, rngs=r)],
                zoo.GRUCell(H, H, rngs=r),
            ),
            "cells with equal states",
        ),
        (
            lambda r: zoo.MultiplicativeCell(zoo.MinGRUCell(2, H, rngs=r), rngs=r),
            "recurrent products with a state h, got MinGRUCell",
        ),
        (lambda r: conv(r)(draw(B, T, 4, 2)), "with 4, 3, 2 in place of D, got"),
    ],
)
def test_errors_say_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make(nnx.Rngs(0))
