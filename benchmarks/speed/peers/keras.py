"""Keras on JAX: its layers, called one after the other under ``jax.jit``."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402

import zoo  # noqa: E402
from benchmarks.speed.cases import (  # noqa: E402
    CONV,
    KERNEL_SIZE,
    Case,
    Weights,
    reorder_gates,
)
from benchmarks.speed.peers.base import JaxRunner  # noqa: E402
from benchmarks.speed.peers.flax import make_cell  # noqa: E402

_LAYERS: dict[str, Any] = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "reset_before_gru": partial(keras.layers.GRU, reset_after=False),
    CONV: partial(keras.layers.ConvLSTM2D, kernel_size=KERNEL_SIZE, padding="same"),
}
# Parameters stay float32.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def _to_keras(case: Case, cell: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the weights of a layer in Keras' layout."""
    if case.cell == CONV:  # the gates have the same order as ours
        return [cell["W"], cell["U"], cell["b"]]
    return zoo.interop.to_keras(make_cell(case.cell, cell))


class Keras(JaxRunner):
    """SimpleRNN, LSTM, GRU and ConvLSTM2D, and Bidirectional around them."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the variables of each layer, and a stateless call of all of them.

        Args:
            case: the network and the batch.
            weights: in our layout.
        """
        keras.backend.clear_session()
        self.case = case
        layers = []
        for input_size, cells in zip(case.input_sizes(), weights, strict=True):
            layer = _LAYERS[case.cell](
                case.H, return_sequences=True, dtype=_POLICIES[case.dtype]
            )
            if case.bidirectional:
                layer = keras.layers.Bidirectional(layer)
            layer.build((case.B, case.T, *case.image_shape, input_size))
            parts = (
                [layer.forward_layer, layer.backward_layer]
                if case.bidirectional
                else [layer]
            )
            for part, cell in zip(parts, cells, strict=True):
                part.set_weights(_to_keras(case, cell))
            layers.append(layer)
        params = [[v.value for v in layer.trainable_variables] for layer in layers]
        rest = [[v.value for v in layer.non_trainable_variables] for layer in layers]

        def run(params: Any, x: Any, mask: Any, lengths: Any) -> Any:
            for layer, trainable, other in zip(layers, params, rest, strict=True):
                x, _ = layer.stateless_call(trainable, other, x, mask=mask)
            return x

        return params, run

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients in our order.

        Args:
            d_params: of each layer, three arrays for each direction.
        """

        def cell_weights(arrays: list[Any]) -> dict[str, Any]:
            W, U, b = map(np.asarray, arrays)
            if self.case.cell in ("rnn", "lstm", CONV):
                return {"W": W, "U": U, "b": b}
            # The gates are z r h. A GRU that resets after the product has two biases.
            W, U, b = (reorder_gates(array, (1, 0, 2)) for array in (W, U, b))
            if self.case.cell == "reset_before_gru":
                return {"W": W, "U": U, "b": b}
            input_bias, state_bias = b
            b_hn = state_bias[2 * self.case.H :]
            return {"W": W, "U": U, "b": input_bias, "b_hn": b_hn}

        return [
            [cell_weights(layer[k : k + 3]) for k in range(0, len(layer), 3)]
            for layer in d_params
        ]
