"""Weights for the conversion from and to other libraries."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import zoo

L = TypeVar("L", bound=zoo.Layer)
_RNG = np.random.default_rng(1)


def rngs() -> nnx.Rngs:
    """Return keys of initialisation."""
    return nnx.Rngs(0)


def noisy(tree: Any) -> Any:
    """Return a tree of arrays with noise added, so that no bias is zero."""
    return jax.tree.map(
        lambda a: a + 0.3 * jnp.asarray(_RNG.normal(size=a.shape), a.dtype), tree
    )


def noisy_module(module: Any) -> Any:
    """Return an nnx module, of Flax or of zoo, with noise added to its parameters."""
    graph, params, rest = nnx.split(module, nnx.Param, ...)
    return nnx.merge(graph, noisy(params), rest)


def built(layer: Any, input_size: int) -> Any:
    """Return a layer of Keras, built, with random weights of which none is zero."""
    layer.build((None, None, input_size))
    layer.set_weights(
        [_RNG.normal(size=w.shape).astype(w.dtype) * 0.4 for w in layer.get_weights()]
    )
    return layer


def assert_one_warning(text: str) -> None:
    """Check that a log says once, and nothing else, that weights are rounded."""
    assert text.count("\n") == 1, text
    assert "float64 parameters are rounded to float32: jax.config.update" in text
