"""Layers of Keras with the options of ours, without weights."""

from typing import Any

from zoo.cells import Cell, ElmanCell, GRUCell
from zoo.interop.keras_cells import NAMES
from zoo.interop.library import name_of
from zoo.interop.stacks import levels
from zoo.layers import Bidirectional, Layer, Recurrent, Stacked

MERGES = {"concat": "concat", "sum": "sum", None: "stack"}
# Outputs of all steps, zero where the mask is False; Keras repeats the last one there.
_OUTPUTS: dict[str, Any] = {"return_sequences": True, "zero_output_for_mask": True}
# The policy of Keras for the dtypes of parameters and products, where they differ.
_POLICIES = {
    ("float32", "bfloat16"): "mixed_bfloat16",
    ("float32", "float16"): "mixed_float16",
}


def build(keras: Any, part: Cell | Layer) -> Any:
    """Return the equivalent layer or cell of Keras.

    Args:
        keras: the module.
        part: a cell, or layers of such cells.

    Raises:
        ValueError: if Keras has no equivalent cell or dtypes.
    """
    if isinstance(part, Cell):
        return _new(keras, part, "Cell")
    if isinstance(part, Recurrent):
        return _new(
            keras,
            part.cell,
            **_OUTPUTS,
            go_backwards=part.reverse,
            recurrent_dropout=part.rates.recurrent_dropout,
        )
    if isinstance(part, Bidirectional):
        modes = {ours: theirs for theirs, ours in MERGES.items()}
        forward = _direction(keras, part.forward)
        return keras.layers.Bidirectional(
            forward,
            merge_mode=modes[part.merge],
            backward_layer=_direction(keras, part.backward),
            dtype=forward.dtype_policy,
        )
    return keras.Sequential([build(keras, level) for level in levels(part)])


def _direction(keras: Any, layer: Layer) -> Any:
    """Return one direction of a Bidirectional, which holds no Sequential."""
    if not isinstance(layer, Stacked):
        return build(keras, layer)
    parts = [
        _new(keras, part.cell, "Cell", recurrent_dropout=part.rates.recurrent_dropout)
        for part in levels(layer)
        if isinstance(part, Recurrent)
    ]
    return keras.layers.RNN(
        parts,
        **_OUTPUTS,
        go_backwards=layer.direction == "reverse",
        dtype=parts[-1].dtype_policy,
    )


def _new(keras: Any, cell: Cell, suffix: str = "", **options: Any) -> Any:
    """Return a layer or cell of Keras with the options of a cell."""
    name = name_of(cell, NAMES, "Keras")
    pair = cell.param_dtype.name, cell.dtype.name
    if pair[0] != pair[1] and pair not in _POLICIES:
        raise ValueError(
            f"Keras has no policy for param_dtype {pair[0]} with dtype {pair[1]}"
        )
    options |= {"use_bias": cell.b is not None, "dtype": _POLICIES.get(pair, pair[0])}
    if cell.param_dtype.itemsize < 4:
        # Keras would initialise in this dtype, and no LAPACK routine takes 16 bits.
        options["recurrent_initializer"] = "glorot_uniform"
    if isinstance(cell, ElmanCell):
        options["activation"] = cell.nonlinearity
    if name == "GRU":
        options["reset_after"] = isinstance(cell, GRUCell)
    return getattr(keras.layers, name + suffix)(cell.hidden_size, **options)
