"""Language models of awd-lstm-lm, and those of fastai, which have the same layers."""

import os
import re
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from flax import nnx

from zoo.cells import Cell, QRNNCell
from zoo.interop.arrays import fill
from zoo.interop.published.damage import described, naming
from zoo.interop.published.language_model import Parts, model_of, pipeline_of
from zoo.interop.published.unpickler import Record
from zoo.interop.published.vocabulary import read_tokens
from zoo.interop.published.weights import (
    Weights,
    modules_of,
    read_checkpoint,
    state_dict,
)
from zoo.models import LanguageModel
from zoo.pipelines import LanguageModelPipeline
from zoo.text import PAD, UNK

# fastai keeps its own copies of the embedding, for dropout of words.
_COPIES = ("encoder_dp.emb.weight", "encoder_with_dropout.embed.weight")
# The names of reserved words: in two versions of fastai, and in the corpora.
_RESERVED = (
    {"xxunk": UNK, "xxpad": PAD},
    {"_unk_": UNK, "_pad_": PAD},
    {"<unk>": UNK},
)
_LAYER = re.compile(r"rnns\.(\d+)\.")


@overload
def awd_lstm(path: str | os.PathLike) -> LanguageModel: ...


@overload
def awd_lstm(
    path: str | os.PathLike, vocabulary: Sequence[str] | str | os.PathLike
) -> LanguageModelPipeline: ...


def awd_lstm(
    path: str | os.PathLike,
    vocabulary: Sequence[str] | str | os.PathLike | None = None,
) -> LanguageModel | LanguageModelPipeline:
    """Load a language model of awd-lstm-lm, or an AWD-LSTM of fastai.

    ::

        model = zoo.interop.published.awd_lstm("PTB.pt", "corpus.c7f0.data")
        print("".join(model.generate("<eos>", 20)))
        zoo.save("runs/ptb", model)         # then: zoo generate runs/ptb

    Layers may be LSTM, GRU or QRNN, with tied weights or without. ``"<unk>"``, or
    ``"xxunk"`` of fastai, becomes the unknown token, which gets ID 0; the other tokens
    keep their order. Texts are split at white space: their words must be written as
    in the vocabulary. A QRNN has ``1 - f`` for the gate f of `zoo.QRNNCell`: its
    weights are negated. Regularisers are not converted; they act in training only.

    Args:
        path: what ``main.py --save`` wrote, a state dict of the model, or a model of
            fastai.
        vocabulary: the words in the order of their IDs; or the path of the
            ``corpus.*.data`` that ``main.py`` wrote, or of fastai's pickled list.

    Returns:
        The pipeline, or without a vocabulary the model, with IDs as in the file:
        ``model(ids)`` with ints ``[B, T]`` returns the state and logits ``[B, T, V]``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or has a part without an equivalent, such as
            the split softmax of large vocabularies, or if the vocabulary does not match
            the model.

    Source: Merity et al. 2018, arXiv:1708.02182; salesforce/awd-lstm-lm.
    """
    with naming(path):
        parts = _parts(path, read_checkpoint(path))
        if vocabulary is None:
            return model_of(parts)
    # fastai repeats the last name until the number of words is a multiple of 8.
    tokens = [
        f"xxfake{k}" if token == "xxfake" else token
        for k, token in enumerate(read_tokens(vocabulary))
    ]
    reserved = next((names for names in _RESERVED if set(names) <= set(tokens)), {})
    with naming(path):
        return pipeline_of(parts, tokens, reserved, "words")


def _parts(path: str | os.PathLike, value: Any) -> Parts:
    """Return the parts of the model of a checkpoint."""
    # main.py saves [model, criterion, optimizer].
    model, *others = value if isinstance(value, list) and value else [value]
    if isinstance(model, dict) and "model" in model:  # fastai 2, with its optimiser
        model = model["model"]
    for other in others:
        splits = other.get("splits") if isinstance(other, Record) else None
        if isinstance(splits, list | tuple) and len(splits) > 2:
            raise ValueError(
                f"{path}: the criterion divides the vocabulary at "
                f"{described(splits[1:-1])}; a softmax over such parts has no "
                "equivalent"
            )
    for module in modules_of(model):
        if module.get("zoneout"):
            raise ValueError(
                f"{path}: zoneout={described(module.get('zoneout'))} of a QRNN has no "
                "equivalent: it acts at evaluation"
            )
    arrays = state_dict(model)
    if arrays is None:
        raise ValueError(f"{path}: expected a state dict, or a saved language model")
    # fastai also stores the weight after dropout, under the name without "_raw".
    names = {_name(name) for name in arrays if name.endswith("_raw")}
    weights = Weights(
        {
            _name(name): value
            for name, value in arrays.items()
            if name.endswith("_raw") or _name(name) not in names
        },
        path,
    )
    table = weights.take("encoder.weight", 2)
    for copy in _COPIES:
        if copy in weights and not np.array_equal(weights.take(copy, 2), table):
            raise ValueError(f"{path}: {copy!r} differs from 'encoder.weight'")
    indices = {int(m[1]) for name in weights.names if (m := _LAYER.match(name))}
    if not indices:
        raise ValueError(f"{path}: the weights have no layer 'rnns.0'")
    cells = []
    for k in range(max(indices) + 1):
        if f"rnns.{k}.linear.weight" in weights:
            cells.append(
                _qrnn(weights, k, cells[-1].hidden_size if cells else len(table[0]))
            )
        else:
            cells += [cell for (cell,) in weights.take_cells(f"rnns.{k}.")]
    W, b = weights.take_linear("decoder.", bias=None)
    weights.check_all_taken("a language model of awd-lstm-lm")
    if len({type(cell) for cell in cells}) > 1:
        raise ValueError(f"{path}: the layers have different cells")
    return Parts(path, table, cells, W, b)


def _name(name: str) -> str:
    """Return the name of an array without the wrappers of dropout.

    Args:
        name: such as ``rnns.0.module.weight_hh_l0_raw``; in fastai it begins with
            ``0.``, or ``1.`` for the decoder.
    """
    name = re.sub(r"^[01]\.(?=(encoder\w*|rnns|decoder)\.)", "", name)
    if name.startswith("rnns."):
        name = name.replace(".module.", ".")
    return name.removesuffix("_raw")


def _qrnn(weights: Weights, k: int, input_size: int) -> Cell:
    """Return the cell of a layer of torchqrnn."""
    W, b = weights.take_linear(f"rnns.{k}.linear.")
    window, H = W.shape[0] // input_size, W.shape[1] // 3
    if W.shape != (window * input_size, 3 * H) or window not in (1, 2):
        raise ValueError(
            f"{weights.path}: layer {k} must be a QRNN with an output gate and "
            f"a window of 1 or 2 steps of size {input_size}, got a matrix {W.shape}"
        )
    # Their f is the share of the new value, ours that of the old one: 1 - sigmoid(a) is
    # sigmoid(-a).
    sign = np.repeat(np.array([1, -1, 1], W.dtype), H)
    W, b = W * sign, b * sign
    V = W[input_size:] if window == 2 else np.zeros_like(W)
    cell = QRNNCell(input_size, H, rngs=nnx.Rngs(0))
    return fill(cell, W=W[:input_size], V=V, b=b)
