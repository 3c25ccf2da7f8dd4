"""Character language models of char-rnn.pytorch, and others of the same structure."""

import os
import re
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.interop.published.damage import described, naming
from zoo.interop.published.language_model import Parts, pipeline_of
from zoo.interop.published.weights import (
    Weights,
    modules_of,
    read_checkpoint,
    state_dict,
)
from zoo.pipelines import LanguageModelPipeline

_RECURRENT = re.compile(r"(.*\.)weight_ih_l0")
# Under which keys a checkpoint has the model.
_MODELS = ("state_dict", "model_state_dict", "model")


def char_rnn(
    path: str | os.PathLike,
    characters: Sequence[str] = string.printable,
    *,
    nonlinearity: str | None = None,
) -> LanguageModelPipeline:
    """Load a character language model of char-rnn.pytorch, or one like it.

    ::

        model = zoo.interop.published.char_rnn("shakespeare.pt")
        print("".join(model.generate("The ", 200, temperature=0.8)))

    Any model with one embedding, or one-hot inputs, then one stack of ``torch.nn``
    layers (RNN, LSTM, GRU) and one linear layer is read, whatever their names are. A
    character outside the vocabulary is an error; char-rnn.pytorch reads it as ``"0"``.

    Args:
        path: a saved module or state dict, or a checkpoint with one.
        characters: in the order of their IDs; by default those of char-rnn.pytorch,
            ``string.printable``.
        nonlinearity: ``"tanh"`` or ``"relu"``, required for the state dict of an RNN,
            which does not show it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, the model has another structure, or the
            characters do not match it.

    Source: spro/char-rnn.pytorch, after karpathy/char-rnn.
    """
    with naming(path):
        return _pipeline(path, characters, nonlinearity)


def _pipeline(
    path: str | os.PathLike, characters: Sequence[str], nonlinearity: str | None
) -> LanguageModelPipeline:
    """Return the model of a file with its vocabulary."""
    value = read_checkpoint(path)
    if isinstance(value, dict):
        value = next((value[key] for key in _MODELS if key in value), value)
    arrays = state_dict(value)
    if arrays is None:
        raise ValueError(f"{path}: expected a state dict, or a saved module")
    prefixes = [m[1] for name in arrays if (m := _RECURRENT.fullmatch(name))]
    if len(prefixes) != 1:
        raise ValueError(
            f"{path}: expected one stack of recurrent layers, got "
            f"{described(prefixes)} among the weights {', '.join(list(arrays)[:8])}"
        )
    modes = {mode for m in modules_of(value) if isinstance(mode := m.get("mode"), str)}
    if len(modes) == 1:
        nonlinearity = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}.get(modes.pop())
    weights = Weights(arrays, path)
    options: dict[str, Any] = (
        {} if nonlinearity is None else {"nonlinearity": nonlinearity}
    )
    pairs = weights.take_cells(prefixes[0], **options)
    if any(len(pair) > 1 for pair in pairs):
        raise ValueError(f"{path}: a bidirectional model reads what it predicts")
    cells = [cell for (cell,) in pairs]
    if cells[0].name == "rnn" and nonlinearity is None:
        raise ValueError(
            f"{path}: pass nonlinearity='tanh' or 'relu': the weights of an RNN do not "
            "show it"
        )
    table, output = _others(weights, path, cells[0].input_size, cells[-1].hidden_size)
    parts = Parts(path, table, cells, *output)
    return pipeline_of(parts, list(characters), {}, "chars")


def _others(
    weights: Weights, path: str | os.PathLike, D: int, H: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the embedding, and the matrix and bias of the output layer."""
    biases = [name for name in weights.names if name.endswith(".bias")]
    matrices = [name for name in weights.names if name.endswith(".weight")]
    if len(biases) != 1 or len(matrices) > 2:
        raise ValueError(
            f"{path}: expected an embedding and a linear layer besides the recurrent "
            f"layers, got {', '.join(weights.names) or 'nothing'}"
        )
    W, b = weights.take_linear(biases[0].removesuffix("bias"))
    embeddings = [name for name in matrices if name in weights]
    # Without an embedding, the layers read one-hot vectors.
    table = weights.take(embeddings[0], 2) if embeddings else np.eye(D, dtype=W.dtype)
    weights.check_all_taken("a character language model")
    return table, (W, b)
