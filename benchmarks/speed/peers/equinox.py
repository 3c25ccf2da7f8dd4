"""Equinox: ``jax.lax.scan`` over its cells for one row, and ``jax.vmap`` over rows."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.speed.cases import Case, Weights
from benchmarks.speed.peers.base import OnJax

_CELLS = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}


class Equinox(OnJax):
    """A cell for each layer and direction."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the cells, which are trees of parameters, and a loop over them.

        Args:
            case: what is measured.
            weights: ours.
        """

        def made(arrays: dict[str, Any]) -> Any:
            D, H = arrays["W"].shape[0], arrays["U"].shape[0]
            cell = _CELLS[case.cell](D, H, key=jax.random.key(0))
            values = {
                "weight_ih": arrays["W"].T,
                "weight_hh": arrays["U"].T,
                "bias": arrays["b"],
            }
            if case.cell == "gru":
                values["bias_n"] = arrays["b_hn"]
            for name, value in values.items():
                # It has no dtype of its own: as in PyTorch, the weights are cast.
                value = jnp.asarray(value, case.dtype)
                cell = eqx.tree_at(lambda c, name=name: getattr(c, name), cell, value)
            return cell

        def over_row(cell, x, reverse):
            zero = jnp.zeros(case.H, case.dtype)
            state = (zero, zero) if case.cell == "lstm" else zero

            def body(state, x_t):
                state = cell(x_t, state)
                return state, state[0] if case.cell == "lstm" else state

            return jax.lax.scan(body, state, x, reverse=reverse)[1]

        def run(params, x, mask, lengths):
            over_rows = jax.vmap(over_row, in_axes=(None, 0, None))
            for pair in params:
                found = [over_rows(cell, x, bool(k)) for k, cell in enumerate(pair)]
                x = jnp.concatenate(found, axis=-1)
            return x

        return [[made(arrays) for arrays in pair] for pair in weights], run

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients, transposed.

        Args:
            by_params: cells that hold gradients.
        """

        def cell(by: Any) -> dict[str, Any]:
            found = {"W": by.weight_ih.T, "U": by.weight_hh.T, "b": by.bias}
            return found | ({"b_hn": by.bias_n} if hasattr(by, "bias_n") else {})

        return [[cell(by) for by in pair] for pair in by_params]
