"""Layers from and to Keras."""

import logging
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo import checks
from zoo.cells import Cell
from zoo.interop.arrays import activation
from zoo.interop.keras_build import MERGES, build
from zoo.interop.keras_cells import KINDS, cell_from_weights, weights_of_cell
from zoo.interop.library import check_unused, import_library
from zoo.interop.precision import one_warning
from zoo.interop.stacks import (
    bidirectional,
    cells,
    chain,
    check_plain,
    levels,
    parts_of,
    recurrent_part,
    stacked,
    warn_of_reading_order,
)
from zoo.layers import Layer, Recurrent

_log = logging.getLogger(__name__)

_LAYERS = (*KINDS, "RNN")
_CELLS = {name + "Cell": kind for name, kind in KINDS.items()}
_WRAPPERS = ("Bidirectional", "Sequential", "StackedRNNCells")


@one_warning()
def from_keras(
    source: Any,
    kind: str | None = None,
    *,
    reset_after: bool | None = None,
    nonlinearity: str | None = None,
) -> Cell | Layer:
    """Convert a Keras cell or layers into an equivalent cell or layer.

    ::

        model = keras.Sequential([
            keras.Input((None, 50)),
            keras.layers.Bidirectional(keras.layers.LSTM(100, return_sequences=True)),
            keras.layers.GRU(100),
        ])
        layer = zoo.interop.from_keras(model)
        state, y = layer(x, mask)

    A layer returns the outputs of all steps and the state, whatever
    ``return_sequences`` and ``return_state`` were; where the mask is False, its outputs
    are zero. Of the options that act in training only, ``recurrent_dropout`` is
    converted (one mask per sequence, for all gates).

    Args:
        source: a built ``keras.layers`` SimpleRNN, LSTM or GRU, one of their cells, an
            RNN of such cells, a Bidirectional of such layers, a list or a
            ``keras.Sequential`` of all these; or the result of ``get_weights()`` of a
            SimpleRNN, an LSTM or a GRU, or of a CuDNNLSTM or CuDNNGRU of Keras 2.
        kind: ``"rnn"``, ``"lstm"`` or ``"gru"``, for weights only.
        reset_after: the form of a GRU, for weights without a bias.
        nonlinearity: of a SimpleRNN, for weights only; by default ``"tanh"``.

    Returns:
        For a cell an `ElmanCell`, an `LSTMCell`, a `GRUCell` or a `ResetBeforeGRUCell`;
        otherwise, also for weights, a `Recurrent` of one, a `Bidirectional`, in which
        ``merge_mode=None`` becomes ``merge="stack"``, or a `Stacked`. A layer with
        ``go_backwards`` becomes one in reverse, whose outputs stay in reading order. A
        layer above it reads them as Keras does without a mask: Keras does not reverse
        the mask.

    Raises:
        ValueError: if a shape is unexpected, an option has no equivalent, an argument
            does not apply to `source`, or a layer is not built.
        TypeError: if `source` is or contains something else.
    """
    if isinstance(source, Sequence) and not any(map(_is_layer, source)):
        cell = cell_from_weights(
            source, kind, reset_after=reset_after, nonlinearity=nonlinearity
        )
        return Recurrent(cell)
    if not isinstance(source, Sequence) and _class_name(source) in _CELLS:
        if source.recurrent_dropout:
            _log.warning(
                "recurrent_dropout=%s of %s is not converted: in zoo it is an option "
                "of the layer, zoo.Recurrent(cell, recurrent_dropout=...)",
                source.recurrent_dropout,
                source.name,
            )
        converted = _cell(source)
    else:
        converted, flipped = _convert(source, False)
        flipped = flipped and _returns_sequences(source)
        warn_of_reading_order(flipped, "go_backwards=True")
    check_unused(
        "for the result of get_weights(), and a layer or cell of Keras has its own",
        kind=kind,
        reset_after=reset_after,
        nonlinearity=nonlinearity,
    )
    return converted


def _is_layer(value: Any) -> bool:
    return hasattr(value, "get_weights") or isinstance(value, list | tuple)


def _returns_sequences(source: Any) -> bool:
    """Return whether a layer returns the outputs of all steps."""
    parts = parts_of(source, _is_sequential)
    if parts is not None:
        return not parts or _returns_sequences(parts[-1])
    return getattr(source, "return_sequences", True)


def _is_sequential(source: Any) -> bool:
    """Return whether an object is a ``keras.Sequential``."""
    return _class_name(source) == "Sequential"


def _class_name(source: Any) -> str:
    """Return the name of a class of Keras that can be converted."""
    cls = type(source)
    known = (*_LAYERS, *_CELLS, *_WRAPPERS)
    if cls.__module__.split(".")[0] in ("keras", "tf_keras"):
        if cls.__name__ in known:
            return cls.__name__
    base = next((c for c in cls.__mro__[1:] if c.__name__ in (*_LAYERS, *_CELLS)), None)
    way = f"a list of recurrent layers, got {cls}"
    if base is not None:
        way += (
            f", a subclass of {base.__name__} that may compute something else; to take "
            "only its weights, pass its get_weights() and kind="
        )
    elif hasattr(source, "get_weights"):
        way += "; of a model, pass the list of its recurrent layers alone"
    raise TypeError(f"source must be one of Keras's {', '.join(known)}, or {way}")


def _convert(source: Any, flipped: bool) -> tuple[Layer, bool]:
    """Return a layer, and whether Keras returns its outputs from last to first step.

    Args:
        source: of Keras.
        flipped: whether its inputs run from the last step to the first.
    """
    parts = parts_of(source, _is_sequential)
    if parts is not None:
        for part in parts[:-1]:
            if not _returns_sequences(part):
                raise ValueError(
                    f"{part.name} has return_sequences=False, so the layer above it "
                    "cannot read its outputs"
                )
        return chain(parts, _convert, flipped)
    name = _class_name(source)
    if getattr(source, "stateful", False):
        raise ValueError(
            f"{source.name} is stateful, which has no equivalent: set its stateful to "
            "False, and pass the state to the converted layer, layer(x, state=state)"
        )
    if name == "Bidirectional":
        if source.forward_layer.go_backwards:
            raise ValueError(
                "the forward_layer of a Bidirectional must not have go_backwards=True"
            )
        merge = MERGES.get(source.merge_mode)
        forward = _convert(source.forward_layer, False)[0]
        backward = _convert(source.backward_layer, False)[0]
        return bidirectional(forward, backward, merge, flipped), False
    if name in _LAYERS:
        reverse = flipped != source.go_backwards
        return _over_time(source.cell, reverse), reverse
    return _over_time(source, flipped), flipped


def _over_time(cell: Any, reverse: bool) -> Layer:
    """Return the layer of a Keras cell, or the layers of stacked cells."""
    name = _class_name(cell)
    if name == "StackedRNNCells":
        return stacked([_over_time(part, reverse) for part in cell.cells])
    return Recurrent(
        _cell(cell), reverse=reverse, recurrent_dropout=cell.recurrent_dropout
    )


def _cell(cell: Any) -> Cell:
    """Return the equivalent of a Keras cell."""
    name = _class_name(cell)
    if name not in _CELLS:
        raise TypeError(f"an RNN must have cells of {', '.join(_CELLS)}, got {name}")
    if not cell.built:
        raise ValueError(
            f"{cell.name} has no weights yet: call the layer on data, or its "
            "build((None, None, D)), first"
        )
    kind = _CELLS[name]
    allowed = ("tanh", "relu") if kind == "rnn" else ("tanh",)
    nonlinearity = activation("activation", cell.activation, allowed)
    if kind != "rnn":
        activation("recurrent_activation", cell.recurrent_activation, ("sigmoid",))
    if cell.dropout:
        _log.warning(
            "dropout=%s of %s, of its inputs in training, is not converted: see "
            "zoo.regularizers.locked_dropout",
            cell.dropout,
            cell.name,
        )
    return cell_from_weights(
        cell.get_weights(),
        kind,
        reset_after=getattr(cell, "reset_after", None),
        nonlinearity=nonlinearity if kind == "rnn" else None,
        dtype=jnp.dtype(cell.compute_dtype),
    )


def to_keras(source: Any, form: str = "weights") -> Any:
    """Convert a cell, a layer, or the recurrent layers of a model for Keras.

    ::

        layer = zoo.LSTM(50, 100, bidirectional=True, rngs=nnx.Rngs(0))
        module = zoo.interop.to_keras(layer, "layer")   # a keras.layers.Bidirectional

    Args:
        source: an `ElmanCell`, an `LSTMCell`, a `GRUCell` (Keras's default,
            ``reset_after=True``) or a `ResetBeforeGRUCell`; a `Recurrent`, a
            `Bidirectional` or a `Stacked` of them; or a model with one such stack.
        form: ``"weights"`` for the arrays, ``"layer"`` for a built layer, which needs
            Keras and holds the options too: activation, direction, ``merge_mode``.

    Returns:
        The list of arrays for ``set_weights`` of the equivalent layer: per cell kernel,
        recurrent_kernel and, if the cell has one, the bias. Or a layer with
        ``return_sequences=True`` and ``zero_output_for_mask=True``: a SimpleRNN, an
        LSTM, a GRU or a Bidirectional, a ``keras.Sequential`` of them, or a Keras cell.
        The outputs of a layer with
        ``go_backwards=True`` run from the last step to the first, as always in Keras.

    Raises:
        ValueError: if Keras has no equivalent.
        TypeError: if `source` is something else.
        ImportError: if Keras is not installed, for ``form="layer"``.
    """
    checks.one_of("form", form, ("weights", "layer"))
    part = recurrent_part(source)
    if isinstance(part, Layer):
        check_plain(part, "a recurrent layer of Keras", has=["recurrent_dropout"])
        part = stacked([part])
        reverse = [level.direction == "reverse" for level in levels(part)]
        if len(reverse) > 1 and any(reverse):
            raise ValueError(
                "Keras returns the outputs of a layer in reverse from the last step to "
                "the first, so a stack with such a layer cannot be converted: convert "
                "each layer"
            )
    if form == "weights":
        return _weights(part)
    keras = import_library("keras", "only form='weights', the arrays, needs no Keras")
    layer = build(keras, part)
    shape = (None, part.input_size)
    layer.build(shape if isinstance(part, Cell) else (None, *shape))
    layer.set_weights(_weights(part))
    return layer


def _weights(part: Cell | Layer) -> list[np.ndarray]:
    parts = [part] if isinstance(part, Cell) else cells(part)
    return [array for cell in parts for array in weights_of_cell(cell)]
