"""Keras on JAX: its layers, called one after the other under ``jax.jit``."""

import os
from functools import partial
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402

import zoo  # noqa: E402
from benchmarks.speed.cases import CONV, KERNEL, Case, Weights, reorder  # noqa: E402
from benchmarks.speed.peers.base import OnJax  # noqa: E402
from benchmarks.speed.peers.flax import as_cell  # noqa: E402

_LAYERS = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "reset_before_gru": partial(keras.layers.GRU, reset_after=False),
    CONV: partial(keras.layers.ConvLSTM2D, kernel_size=KERNEL, padding="same"),
}
# Parameters stay float32.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def _given(case: Case, cell: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the weights of a layer."""
    if case.cell == CONV:  # the gates stand as ours do
        return [cell["W"], cell["U"], cell["b"]]
    return zoo.interop.to_keras(as_cell(case.cell, cell))


class Keras(OnJax):
    """SimpleRNN, LSTM, GRU and ConvLSTM2D, and Bidirectional around them."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the variables of each layer, and a stateless call of all of them.

        Args:
            case: what is measured.
            weights: ours.
        """
        keras.backend.clear_session()
        self.case = case
        layers = []
        for width, pair in zip(case.widths(), weights, strict=True):
            layer = _LAYERS[case.cell](
                case.H, return_sequences=True, dtype=_POLICIES[case.dtype]
            )
            if case.both:
                layer = keras.layers.Bidirectional(layer)
            layer.build((case.B, case.T, *case.space, width))
            parts = (
                [layer.forward_layer, layer.backward_layer] if case.both else [layer]
            )
            for part, cell in zip(parts, pair, strict=True):
                part.set_weights(_given(case, cell))
            layers.append(layer)
        fixed = [[v.value for v in layer.non_trainable_variables] for layer in layers]

        def run(params, x, mask, lengths):
            for layer, own, other in zip(layers, params, fixed, strict=True):
                x, _ = layer.stateless_call(own, other, x, mask=mask)
            return x

        return [[v.value for v in layer.trainable_variables] for layer in layers], run

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients in our order.

        Args:
            by_params: of each layer, three for each direction.
        """

        def cell(arrays: list[Any]) -> dict[str, Any]:
            W, U, b = map(np.asarray, arrays)
            if self.case.cell in ("rnn", "lstm", CONV):
                return {"W": W, "U": U, "b": b}
            # Gates z r h; one that resets after the product has two rows of biases.
            W, U, b = (reorder(value, (1, 0, 2)) for value in (W, U, b))
            if self.case.cell == "reset_before_gru":
                return {"W": W, "U": U, "b": b}
            first, second = b
            return {"W": W, "U": U, "b": first, "b_hn": second[2 * self.case.H :]}

        return [
            [cell(level[k : k + 3]) for k in range(0, len(level), 3)]
            for level in by_params
        ]
