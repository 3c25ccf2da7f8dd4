"""A language model of zoo with the arrays of another project's."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo.cells import Cell
from zoo.interop.published.vocabulary import text_of
from zoo.models import LanguageModel
from zoo.pipelines import LanguageModelPipeline


class Parts(NamedTuple):
    """The parts of a language model.

    Attributes:
        path: of the file, for messages.
        table: the embedding ``[V, D]``.
        cells: of the recurrent layers, the lowest first.
        W: of the output layer ``[H, V]``.
        b: of the output layer ``[V]``.
        dropout: rate between the layers, for further training.
    """

    path: Any
    table: np.ndarray
    cells: Sequence[Cell]
    W: np.ndarray
    b: np.ndarray
    dropout: float = 0.0


def model_of(parts: Parts) -> LanguageModel:
    """Return the model.

    Args:
        parts: of the model.

    Raises:
        ValueError: if their sizes do not match.
    """
    model = LanguageModel(**_options(parts), rngs=nnx.Rngs(0))
    _fill(model, parts)
    return model


def pipeline_of(
    parts: Parts,
    tokens: Sequence[str],
    reserved: Mapping[str, str],
    units: str,
    *,
    backward: bool = False,
) -> LanguageModelPipeline:
    """Return the model with its vocabulary.

    Args:
        parts: of the model.
        tokens: of the source, in the order of its IDs.
        reserved: as for `text_of`.
        units: as for `text_of`.
        backward: as for `LanguageModelPipeline`.

    Raises:
        ValueError: if sizes do not match, or a token is repeated.
    """
    if len(tokens) != len(parts.table):
        raise ValueError(
            f"{parts.path}: the vocabulary has {len(tokens)} tokens, and the embedding "
            f"{len(parts.table)} rows"
        )
    text, order = text_of(parts.path, tokens, reserved, units)
    parts = parts._replace(
        table=parts.table[order], W=parts.W[:, order], b=parts.b[order]
    )
    pipeline = LanguageModelPipeline(_options(parts), text, backward=backward)
    assert isinstance(pipeline.model, LanguageModel)
    _fill(pipeline.model, parts)
    pipeline.bind()
    return pipeline


def _options(parts: Parts) -> dict[str, Any]:
    """Return the arguments of the model's constructor."""
    V, D = parts.table.shape
    width = D
    for k, cell in enumerate(parts.cells):
        if cell.input_size != width:
            raise ValueError(
                f"{parts.path}: layer {k} reads vectors of size {cell.input_size}, and "
                f"what is below it has size {width}"
            )
        width = cell.hidden_size
    if parts.W.shape != (width, V) or parts.b.shape != (V,):
        raise ValueError(
            f"{parts.path}: the output layer must have shape {(width, V)}, got "
            f"{parts.W.shape}"
        )
    first = parts.cells[0]
    sizes = [cell.hidden_size for cell in parts.cells]
    options = {
        "vocab_size": V,
        "embedding_dim": D,
        "cell": first.name,
        "hidden_size": sizes[0] if len(set(sizes)) == 1 else sizes,
        "num_layers": len(sizes),
        "dropout": parts.dropout,
        "tied": bool(np.array_equal(parts.W.T, parts.table)),
    }
    # Options with their default values are left out, as in a trained model.
    if first.b is None:
        options["bias"] = False
    if (nonlinearity := getattr(first, "nonlinearity", "tanh")) != "tanh":
        options["nonlinearity"] = nonlinearity
    return options


def _fill(model: LanguageModel, parts: Parts) -> None:
    """Set the parameters of a model with these options."""
    set_array(model.embedding.table, parts.table)
    if model.output.W is not None:
        set_array(model.output.W, parts.W)
    set_array(model.output.b, parts.b)
    copy_cells(model.layers.layers, parts.cells)


def copy_cells(layers: Any, cells: Sequence[Cell]) -> None:
    """Copy the parameters of cells into layers.

    Args:
        layers: one `zoo.Recurrent` for each cell.
        cells: of the same classes and sizes.
    """
    for layer, cell in zip(layers, cells, strict=True):
        nnx.update(layer.cell, nnx.state(cell, nnx.Param))


def set_array(param: Any, value: np.ndarray) -> None:
    """Set a parameter.

    Args:
        param: an ``nnx.Param``.
        value: of the same shape.
    """
    assert param.shape == value.shape, (param.shape, value.shape)
    param[...] = jnp.asarray(np.asarray(value, np.float32), param.dtype)
