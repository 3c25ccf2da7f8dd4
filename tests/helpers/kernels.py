"""Layers that run a native kernel, and the same layers that run the loop in JAX."""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.typed import untyped
from zoo.layers.base import Layer
from zoo.types import Array, State

CELLS = {
    "lstm": zoo.LSTMCell,
    "gru": zoo.GRUCell,
    "reset_before_gru": zoo.ResetBeforeGRUCell,
    "mgu": zoo.MGUCell,
    "reset_after_mgu": zoo.ResetAfterMGUCell,
    "rnn_tanh": zoo.ElmanCell,
    "rnn_relu": zoo.ElmanCell,
}


def require_kernels() -> ModuleType:
    """Return `zoo_native`; skip the module of tests if no kernel for CPUs was built."""
    kernels = pytest.importorskip(
        "zoo_native", reason="the kernels are not installed: pip install ./native"
    )
    if kernels.LEVEL is None:
        pytest.skip(kernels.cpu_unavailable(False), allow_module_level=True)
    return kernels


def build_cell(name: str, D: int, H: int, **options: Any) -> zoo.Cell:
    """Return a cell of `CELLS`, with its nonlinearity."""
    if name == "rnn_relu":
        options["nonlinearity"] = "relu"
    return untyped(CELLS[name])(D, H, rngs=nnx.Rngs(0), **options)


def kernel_and_loop(
    name: str,
    D: int,
    H: int,
    *,
    bias: bool = True,
    dtype: str | None = None,
    **options: Any,
) -> tuple[zoo.Recurrent, zoo.Recurrent]:
    """Return a layer that runs its native kernel, and the same that runs the loop."""

    def build(backend: Any) -> zoo.Recurrent:
        cell = build_cell(name, D, H, bias=bias, dtype=dtype)
        return zoo.Recurrent(cell, backend=backend, **options)

    return build("native"), build("scan")


def random_inputs(
    layer: Layer, B: int, T: int, D: int, seed: int = 0
) -> tuple[Array, State]:
    """Return random inputs and a random state."""
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.normal(size=(B, T, D)), jnp.float32)
    state = jax.tree.map(
        lambda a: jnp.asarray(rng.normal(size=a.shape) / 2, jnp.float32),
        layer.init_state(B),
    )
    return x, state


def gradients(
    layer: Layer,
    x: Array,
    state: State,
    mask: Array | None = None,
    reset: Array | None = None,
    seed: int = 0,
    margin: float = 0.0,
) -> Any:
    """Return ``((d_params, d_x, d_state), (final state, y))`` of a random loss.

    Args:
        layer: to differentiate.
        x: inputs.
        state: the initial state.
        mask: of the inputs.
        reset: of the inputs.
        seed: of the weights of the loss.
        margin: by how much biases and learnt initial states, which are initialised to
            zero, are moved away from zero at least.
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
        final, y = apply(params, x, mask, state, reset=reset)
        state_term = sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(final))
        y = y.astype(jnp.float32)
        return jnp.sum(y * weights) + state_term, (final, y)

    return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(params, x, state)
