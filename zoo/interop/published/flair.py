"""Character language models of Flair."""

import os

import numpy as np

from zoo import checks
from zoo.interop.published.damage import described, naming
from zoo.interop.published.language_model import Parts, pipeline_of
from zoo.interop.published.unpickler import Record, record_name
from zoo.interop.published.vocabulary import token_list
from zoo.interop.published.weights import Weights, read_checkpoint, state_dict
from zoo.pipelines import LanguageModelPipeline
from zoo.text import UNK

_FIELDS = ("state_dict", "is_forward_lm", "hidden_size", "nlayers", "nout")


def flair(path: str | os.PathLike, direction: str = "forward") -> LanguageModelPipeline:
    """Load a character language model of Flair.

    ::

        model = zoo.interop.published.flair("news-forward-0.4.1.pt")
        print("".join(model.generate("The ", 200)))
        zoo.save("runs/news", model)        # then: zoo generate runs/news

    The layers are an LSTM. A projection ``nout`` before the output layer is multiplied
    into it, so that the logits are the same.

    Args:
        path: of a Flair language model.
        direction: ``"forward"``, or ``"backward"`` for a model with
            ``is_forward_lm=False``, which becomes a backward `LanguageModelPipeline`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, the model has the other direction, or a part
            without an equivalent, such as a recurrent type other than LSTM.

    Source: Akbik et al. 2018, "Contextual String Embeddings for Sequence Labeling",
    COLING; flairNLP/flair.
    """
    checks.one_of("direction", direction, ("forward", "backward"))
    with naming(path):
        return _pipeline(path, direction)


def _pipeline(path: str | os.PathLike, direction: str) -> LanguageModelPipeline:
    """Return the model of a file with its vocabulary."""
    value = read_checkpoint(path)
    missing = [
        name for name in _FIELDS if not isinstance(value, dict) or name not in value
    ]
    arrays = None if missing else state_dict(value["state_dict"])
    if arrays is None:
        raise ValueError(
            f"{path}: expected a language model of Flair, a dict with "
            f"{', '.join(missing or _FIELDS)}"
        )
    stored = "forward" if value["is_forward_lm"] else "backward"
    if stored != direction:
        raise ValueError(
            f"{path}: this model reads {stored}, pass direction={stored!r}"
        )
    kind = value.get("recurrent_type") or "lstm"
    if not isinstance(kind, str) or kind.lower() != "lstm":
        raise ValueError(f"{path}: recurrent_type={described(kind)} has no equivalent")
    weights = Weights(arrays, path)
    table = weights.take("encoder.weight", 2)
    cells = [pair[0] for pair in weights.take_cells("rnn.", kind="lstm")]
    if value.get("has_decoder") is False:
        raise ValueError(f"{path}: the model was saved without its output layer")
    W, b = weights.take_linear("decoder.", bias=None)
    if value["nout"] is not None:
        P, p = (a.astype(np.float64) for a in weights.take_linear("proj."))
        W, b = P @ W, p @ W + b
    weights.check_all_taken("a language model of Flair")
    dropout = value.get("dropout", 0.0)
    if not isinstance(dropout, int | float):
        raise ValueError(f"{path}: dropout must be a number, got {described(dropout)}")
    parts = Parts(path, table, cells, W, b, dropout)
    tokens, backward = _tokens(path, value), direction == "backward"
    return pipeline_of(parts, tokens, {"<unk>": UNK}, "chars", backward=backward)


def _tokens(path: str | os.PathLike, value: dict) -> list[str]:
    """Return the characters in the order of their IDs."""
    dictionary = value.get("dictionary")
    tokenizer = value.get("tokenizer")
    if dictionary is None and isinstance(tokenizer, Record):
        dictionary = tokenizer.get("dictionary")
    items = dictionary.get("idx2item") if isinstance(dictionary, Record) else None
    tokens = token_list(items)
    if tokens is None:
        part = tokenizer if dictionary is None else dictionary
        raise ValueError(
            f"{path}: expected a dictionary of characters, got {record_name(part)}"
        )
    return tokens
