"""Haiku: ``dynamic_unroll`` of its cores.

Its LSTM has the gates i g f o and adds one to f. Its GRU has the gates z r a, swaps z
and 1 - z, and resets before the product. Its simple RNN has a ReLU.
"""

from collections.abc import Callable
from typing import Any

import haiku as hk
import jax.numpy as jnp
import numpy as np

from benchmarks.speed.cases import Case, Weights, reorder_gates
from benchmarks.speed.peers.base import JaxRunner

_CORES: dict[str, Any] = {"rnn": hk.VanillaRNN, "lstm": hk.LSTM, "gru": hk.GRU}


class Haiku(JaxRunner):
    """A core for each layer and direction, unrolled one after the other."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the parameters by Haiku's names, and the transformed call.

        Args:
            case: the network and the batch.
            weights: in our layout.
        """
        self.case = case

        def network(x: Any) -> Any:
            for layer in range(case.layers):
                outputs = []
                for direction in range(case.directions):
                    core = _CORES[case.cell](case.H, name=_name(layer, direction))
                    state = core.initial_state(x.shape[0])
                    y, _ = hk.dynamic_unroll(
                        core, x, state, time_major=False, reverse=bool(direction)
                    )
                    outputs.append(y)
                x = (
                    jnp.concatenate(outputs, axis=-1)
                    if case.bidirectional
                    else outputs[0]
                )
            return x

        apply = hk.without_apply_rng(hk.transform(network)).apply

        def run(params: Any, x: Any, mask: Any, lengths: Any) -> Any:
            return apply(params, x)

        params = {}
        for layer, cells in enumerate(weights):
            for direction, cell in enumerate(cells):
                params |= self._to_haiku(_name(layer, direction), cell)
        return params, run

    def _to_haiku(self, name: str, cell: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the arrays of a cell of ours by Haiku's names."""
        W, U, b = cell["W"], cell["U"], cell["b"]
        if self.case.cell == "rnn":
            inputs, state = {"w": W, "b": b}, {"w": U, "b": np.zeros_like(b)}
            return {f"{name}/linear": inputs, f"{name}/linear_1": state}
        if self.case.cell == "lstm":
            b = reorder_gates(b, (0, 2, 1, 3)) - self._forget_one()
            w = reorder_gates(np.concatenate([W, U]), (0, 2, 1, 3))
            return {f"{name}/linear": {"w": w, "b": b}}
        W, U, b = (
            reorder_gates(self._update_sign() * value, (1, 0, 2)) for value in (W, U, b)
        )
        return {name: {"w_i": W, "w_h": U, "b": b}}

    def _forget_one(self) -> np.ndarray:
        """Return one at gate f, and zero at the other gates."""
        return np.repeat(np.array([0, 0, 1, 0], np.float32), self.case.H)

    def _update_sign(self) -> np.ndarray:
        """Return minus one at our gate z, since ``1 - sigmoid(a) = sigmoid(-a)``."""
        return np.repeat(np.array([1, -1, 1], np.float32), self.case.H)

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients in our order.

        Args:
            d_params: by Haiku's names.
        """

        def cell_weights(layer: int, direction: int) -> dict[str, np.ndarray]:
            name, size = _name(layer, direction), self.case.input_sizes()[layer]
            if self.case.cell == "gru":
                arrays = (d_params[name][key] for key in ("w_i", "w_h", "b"))
                W, U, b = (
                    reorder_gates(array, (1, 0, 2)) * self._update_sign()
                    for array in arrays
                )
                return {"W": W, "U": U, "b": b}
            linear = d_params[f"{name}/linear"]
            if self.case.cell == "rnn":
                U = d_params[f"{name}/linear_1"]["w"]
                return {"W": linear["w"], "U": U, "b": linear["b"]}
            w, b = (reorder_gates(linear[key], (0, 2, 1, 3)) for key in ("w", "b"))
            return {"W": w[:size], "U": w[size:], "b": b}

        return [
            [
                cell_weights(layer, direction)
                for direction in range(self.case.directions)
            ]
            for layer in range(self.case.layers)
        ]


def _name(layer: int, direction: int) -> str:
    """Return the name of a core."""
    return f"layer_{layer}_{direction}"
