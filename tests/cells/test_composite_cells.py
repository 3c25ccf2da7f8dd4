"""Cells over space and cells made of cells: values, masks, chunks, what is refused."""

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
from zoo.engine import matmul

B, T, H = 2, 4, 3
RNG = np.random.default_rng(0)


def draw(*shape):
    """Draw float32 numbers."""
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("space", [(5,), (4, 3), (3, 2, 4)])
@pytest.mark.usefixtures("standard_promotion")
def test_conv_lstm_equals_flax(space):
    """Outputs and gradients; Flax orders i g f o, and adds one to f."""
    kernel = (3, 2, 3)[: len(space)]
    x, weights = draw(B, T, *space, 2), draw(B, T, *space, H)
    theirs = nn.RNN(nn.ConvLSTMCell(H, kernel))
    params = theirs.init(jax.random.key(0), x)
    params = jax.tree.map(lambda p: p + 0.3 * draw(*p.shape), params)

    def their_loss(params, x):
        y = theirs.apply(params, x)
        return (y * weights).sum(), y

    (by_params, by_x), y = jax.grad(their_loss, (0, 1), has_aux=True)(params, x)

    def ordered(array):
        i, g, f, o = np.split(np.asarray(array), 4, axis=-1)
        return np.concatenate([i, f, g, o], axis=-1)

    def ours(cell, bias_of_f):
        """Lay out their parameters, or gradients, as ours."""
        one = np.repeat(np.float32([0, bias_of_f, 0, 0]), H)
        return {
            "W": ordered(cell["ih"]["kernel"]),
            "U": ordered(cell["hh"]["kernel"]),
            "b": ordered(cell["ih"]["bias"]) + one,
        }

    made = zoo.ConvLSTMCell((*space, 2), H, kernel_size=kernel, rngs=nnx.Rngs(0))
    mine = {"cell": ours(params["params"]["cell"], 1)}
    mine["cell"]["b"] += ordered(params["params"]["cell"].get("hh", {}).get("bias", 0))
    _, apply = zoo.functional(zoo.Recurrent(made))

    def loss(params, x):
        _, y = apply(params, x)
        return (y * weights).sum(), y

    (by_mine, by_found), found = jax.grad(loss, (0, 1), has_aux=True)(mine, x)
    assert_close((found, by_found), (y, by_x), REFERENCE)
    assert_close(by_mine["cell"], ours(by_params["params"]["cell"], 0), REFERENCE)


@pytest.mark.parametrize("space, kernel", [((5,), (3,)), ((4, 3), (2, 5))])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_derivatives_of_a_convolution_are_those_of_xla(space, kernel, dtype):
    """Both ways, and of second order, though they come from another form of it."""
    x, W, v = draw(B, *space, 2), draw(*kernel, 2, H), draw(B, *space, 2)

    def derivatives(convolve):
        def loss(x, W):
            y = convolve(x.astype(dtype), W.astype(dtype), dtype, jnp.float32)
            return (jnp.tanh(y) ** 2).sum()

        def along(x, W):
            return jax.jvp(lambda x: loss(x, W), (x,), (v,))[1]

        return loss(x, W), *jax.grad(loss, (0, 1))(x, W), *jax.grad(along, (0, 1))(x, W)

    bound = {"float32": REFERENCE, "bfloat16": BFLOAT16_GRADIENT}[dtype]
    expected = derivatives(matmul._by_xla)
    assert_close(derivatives(matmul.convolution), expected, bound)


def conv(rngs):
    """Build a layer over images."""
    return zoo.Recurrent(zoo.ConvLSTMCell((4, 3, 2), H, rngs=rngs))


def fast_slow(rngs):
    """Build a layer of three fast LSTMs and a GRU."""
    fast = [zoo.LSTMCell(size, H, rngs=rngs) for size in (2, 5, 1)]
    return zoo.Recurrent(zoo.FastSlowCell(fast, zoo.GRUCell(H, 5, rngs=rngs)))


def multiplicative(rngs):
    """Build a layer of a GRU whose products see m."""
    cell = zoo.MultiplicativeCell(zoo.GRUCell(2, H, rngs=rngs), rngs=rngs)
    return zoo.Recurrent(cell)


@pytest.mark.parametrize("make", [conv, fast_slow, multiplicative])
def test_layer_contract(make):
    """Padding changes nothing, chunks are the whole, steps too; all is learnt."""
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
    unused = {"['cell']['fast'][2]['W']"}  # it reads a zero
    for path, g in jax.tree.leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert (np.abs(g).max() > 0) != (name[3:] in unused), name


def test_fast_slow_is_its_cells_in_turn():
    layer = fast_slow(nnx.Rngs(0))
    cell = layer.cell
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
    (found, slow_found), y = layer(x)
    assert_close(y, jnp.stack(expected, axis=1), SCHEDULE)
    assert_close((found, slow_found), (fast, slow), SCHEDULE)


def test_multiplicative_cell_of_an_lstm_is_the_multiplicative_lstm():
    whole = zoo.MultiplicativeLSTMCell(2, H, rngs=nnx.Rngs(0))
    made = zoo.MultiplicativeCell(
        zoo.LSTMCell(2, H, rngs=nnx.Rngs(1)), rngs=nnx.Rngs(2)
    )
    for name in ("W", "U", "b"):
        getattr(made.cell, name)[...] = getattr(whole, name)[...]
    for name in ("W_m", "U_m"):
        getattr(made, name)[...] = getattr(whole, name)[...]
    x = draw(B, T, 2)
    expected = zoo.Recurrent(whole)(x)
    assert_close(zoo.Recurrent(made)(x), expected, SCHEDULE)


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
