"""Layers by their kernels, beside the same by the loop."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import zoo

CELLS = {
    "lstm": zoo.LSTMCell,
    "gru": zoo.GRUCell,
    "reset_before_gru": zoo.ResetBeforeGRUCell,
    "mgu": zoo.MGUCell,
    "reset_after_mgu": zoo.ResetAfterMGUCell,
    "rnn_tanh": zoo.ElmanCell,
    "rnn_relu": zoo.ElmanCell,
}


def pair(name, D, H, *, bias=True, dtype=None, **options):
    """Return a layer by its kernel, and the same by the loop."""
    of_cell = {"nonlinearity": "relu"} if name == "rnn_relu" else {}
    of_cell |= {"bias": bias, "dtype": dtype}

    def one(backend):
        cell = CELLS[name](D, H, rngs=nnx.Rngs(0), **of_cell)
        return zoo.Recurrent(cell, backend=backend, **options)

    return one("native"), one("scan")


def drawn(layer, B, T, D, seed=0):
    """Return inputs and a state."""
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.normal(size=(B, T, D)), jnp.float32)
    state = jax.tree.map(
        lambda a: jnp.asarray(rng.normal(size=a.shape) / 2, jnp.float32),
        layer.init_state(B),
    )
    return x, state


def gradients(layer, x, state, mask=None, reset=None, seed=0, margin=0.0):
    """Return outputs, final state, and the gradients by all there is.

    Biases and learnt states, which begin at zero, are set to other numbers: up or down
    by at least the margin.
    """
    params, apply = zoo.functional(layer)

    def moved(p):
        steps = np.arange(p.size, dtype=np.float32)
        return p + 0.1 * np.sin(steps) + margin * (1 - steps % 2 * 2)

    params = jax.tree.map(lambda p: moved(p) if p.ndim == 1 else p, params)
    rng = np.random.default_rng(seed)
    weights = jnp.asarray(
        rng.normal(size=(*x.shape[:2], layer.output_size)), jnp.float32
    )

    def loss(params, x, state):
        last, y = apply(params, x, mask, state, reset=reset)
        ends = sum(jnp.sum(jnp.sin(part)) for part in jax.tree.leaves(last))
        y = y.astype(jnp.float32)
        return jnp.sum(y * weights) + ends, (last, y)

    return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(params, x, state)
