"""Haiku: ``dynamic_unroll`` of its cores.

Its LSTM has the gates i g f o and adds one to f; its GRU z r a, with z and 1 - z
exchanged and the reset before the product; its simple network has a ReLU.
"""

from typing import Any

import haiku as hk
import jax.numpy as jnp
import numpy as np

from benchmarks.speed.cases import Case, Weights, reorder
from benchmarks.speed.peers.base import OnJax

_CORES = {"rnn": hk.VanillaRNN, "lstm": hk.LSTM, "gru": hk.GRU}


class Haiku(OnJax):
    """A core for each layer and direction, unrolled one after the other."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the parameters under Haiku's names, and the transformed call.

        Args:
            case: what is measured.
            weights: ours.
        """
        self.case = case

        def network(x):
            for level in range(case.layers):
                found = []
                for direction in range(case.directions):
                    core = _CORES[case.cell](case.H, name=_name(level, direction))
                    state = core.initial_state(x.shape[0])
                    y, _ = hk.dynamic_unroll(
                        core, x, state, time_major=False, reverse=bool(direction)
                    )
                    found.append(y)
                x = jnp.concatenate(found, axis=-1) if case.both else found[0]
            return x

        apply = hk.without_apply_rng(hk.transform(network)).apply

        def run(params, x, mask, lengths):
            return apply(params, x)

        params = {}
        for level, pair in enumerate(weights):
            for direction, cell in enumerate(pair):
                params |= self._put(_name(level, direction), cell)
        return params, run

    def _put(self, name: str, cell: dict[str, np.ndarray]) -> dict[str, Any]:
        W, U, b = cell["W"], cell["U"], cell["b"]
        if self.case.cell == "rnn":
            first, second = {"w": W, "b": b}, {"w": U, "b": np.zeros_like(b)}
            return {f"{name}/linear": first, f"{name}/linear_1": second}
        if self.case.cell == "lstm":
            b = reorder(b, (0, 2, 1, 3)) - self._forget()
            w = reorder(np.concatenate([W, U]), (0, 2, 1, 3))
            return {f"{name}/linear": {"w": w, "b": b}}
        W, U, b = (reorder(self._turn() * value, (1, 0, 2)) for value in (W, U, b))
        return {name: {"w_i": W, "w_h": U, "b": b}}

    def _forget(self) -> np.ndarray:
        """One at gate f."""
        return np.repeat(np.array([0, 0, 1, 0], np.float32), self.case.H)

    def _turn(self) -> np.ndarray:
        """Minus one at our gate z: ``1 - sigmoid(a) = sigmoid(-a)``."""
        return np.repeat(np.array([1, -1, 1], np.float32), self.case.H)

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients in our order.

        Args:
            by_params: under Haiku's names.
        """

        def cell(level: int, direction: int) -> dict[str, np.ndarray]:
            name, width = _name(level, direction), self.case.widths()[level]
            if self.case.cell == "gru":
                by = by_params[name]
                values = (by["w_i"], by["w_h"], by["b"])
                W, U, b = (reorder(v, (1, 0, 2)) * self._turn() for v in values)
                return {"W": W, "U": U, "b": b}
            by = by_params[f"{name}/linear"]
            if self.case.cell == "rnn":
                U = by_params[f"{name}/linear_1"]["w"]
                return {"W": by["w"], "U": U, "b": by["b"]}
            w, b = (reorder(by[n], (0, 2, 1, 3)) for n in ("w", "b"))
            return {"W": w[:width], "U": w[width:], "b": b}

        return [
            [cell(level, direction) for direction in range(self.case.directions)]
            for level in range(self.case.layers)
        ]


def _name(level: int, direction: int) -> str:
    return f"layer_{level}_{direction}"
