"""Equinox: ``jax.lax.scan`` over its cells for one row, and ``jax.vmap`` over rows."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.speed.cases import Case, Weights
from benchmarks.speed.peers.base import JaxRunner

_CELLS: dict[str, Any] = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}


class Equinox(JaxRunner):
    """A cell for each layer and direction."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the cells, which are pytrees of parameters, and a loop over them.

        Args:
            case: the network and the batch.
            weights: in our layout.
        """

        def make_cell(arrays: dict[str, Any]) -> Any:
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
                # The cell has no dtype: the weights are cast, as in PyTorch.
                value = jnp.asarray(value, case.dtype)
                cell = eqx.tree_at(lambda c, name=name: getattr(c, name), cell, value)
            return cell

        def run_row(cell: Any, x: jax.Array, reverse: bool) -> jax.Array:
            zero = jnp.zeros(case.H, case.dtype)
            state = (zero, zero) if case.cell == "lstm" else zero

            def body(state: Any, x_t: jax.Array) -> tuple[Any, jax.Array]:
                state = cell(x_t, state)
                return state, state[0] if case.cell == "lstm" else state

            return jax.lax.scan(body, state, x, reverse=reverse)[1]

        def run(params: Any, x: jax.Array, mask: Any, lengths: Any) -> jax.Array:
            run_rows = jax.vmap(run_row, in_axes=(None, 0, None))
            for cells in params:
                outputs = [run_rows(cell, x, bool(k)) for k, cell in enumerate(cells)]
                x = jnp.concatenate(outputs, axis=-1)
            return x

        return [[make_cell(arrays) for arrays in layer] for layer in weights], run

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients, transposed.

        Args:
            d_params: cells that hold gradients.
        """

        def cell_weights(cell: Any) -> dict[str, Any]:
            arrays = {"W": cell.weight_ih.T, "U": cell.weight_hh.T, "b": cell.bias}
            if hasattr(cell, "bias_n"):
                arrays["b_hn"] = cell.bias_n
            return arrays

        return [[cell_weights(cell) for cell in cells] for cells in d_params]
