"""Checkpoints of OpenNMT-py: options, vocabularies and arrays."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from zoo.interop.published.damage import described
from zoo.interop.published.unpickler import Record
from zoo.interop.published.vocabulary import token_list
from zoo.interop.published.weights import read_checkpoint, state_dict

# The values of each option that the models of zoo compute. An option that is missing is
# younger than the checkpoint, and off.
_SUPPORTED: Mapping[str, tuple[Any, ...]] = {
    "model_type": ("text", None),
    "model_task": ("seq2seq", None),
    "encoder_type": ("rnn", "brnn"),
    "decoder_type": ("rnn",),
    "rnn_type": ("LSTM", "GRU"),
    "global_attention": ("general", "dot", "none", None),
    "global_attention_function": ("softmax", None),
    "generator_function": ("softmax", "log_softmax", None),
    "context_gate": (None,),
    "bridge": (False, None),
    "coverage_attn": (False, None),
    "copy_attn": (False, None),
    "position_encoding": (False, None),
}


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        arrays: of the model by name; those of the generator begin with ``generator.``.
        tokens: of ``"src"`` and ``"tgt"``, in the order of their IDs.
        input_feeding: whether the decoder also reads its last attentional vector.
        dropout: rate.
    """

    arrays: dict[str, Any]
    tokens: dict[str, list[str]]
    input_feeding: bool
    dropout: float


def read_opennmt(path: str | os.PathLike) -> Checkpoint:
    """Read a checkpoint, whose options must be supported.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or an option has no equivalent.
    """
    value = read_checkpoint(path)
    parts = ("model", "generator", "vocab", "opt")
    if not isinstance(value, dict) or any(part not in value for part in parts):
        raise ValueError(
            f"{path}: expected a checkpoint of OpenNMT-py, a dict with "
            f"{', '.join(parts)}"
        )
    opt = value["opt"]
    options = opt.state if isinstance(opt, Record) else opt
    if not isinstance(options, dict):
        raise ValueError(f"{path}: expected the options in 'opt'")
    for name, allowed in _SUPPORTED.items():
        setting = options.get(name, allowed[-1])
        setting = setting.args[0] if _is_enum(setting) else setting
        if setting not in allowed:
            raise ValueError(
                f"{path}: the option {name}={described(setting)} of OpenNMT-py has no "
                f"equivalent, only {', '.join(map(repr, allowed))}"
            )
    model, generator = state_dict(value["model"]), state_dict(value["generator"])
    if model is None or generator is None:
        raise ValueError(f"{path}: 'model' and 'generator' must be state dicts")
    arrays = dict(model)
    for name, array in generator.items():  # a linear layer, or a Sequential with one
        arrays[f"generator.{name.removeprefix('0.')}"] = array
    fed = any(name.startswith("decoder.rnn.layers.") for name in arrays)
    attends = "decoder.attn.linear_out.weight" in arrays
    if fed and not attends:
        raise ValueError(
            f"{path}: input_feed=1 without global_attention has no equivalent"
        )
    return Checkpoint(
        arrays, _vocabularies(path, value["vocab"]), fed, _dropout(options)
    )


def _is_enum(value: Any) -> bool:
    """Return whether a value is a member of an enumeration."""
    return isinstance(value, Record) and len(value.args) == 1


def _dropout(options: Mapping[str, Any]) -> float:
    """Return the rate, of which newer versions have a list."""
    rate = options.get("dropout", 0.0)
    rate = rate[-1] if isinstance(rate, list) and rate else rate
    return float(rate) if isinstance(rate, int | float) else 0.0


def _vocabularies(path: str | os.PathLike, vocab: Any) -> dict[str, list[str]]:
    """Return the tokens of both sides."""
    if isinstance(vocab, list):  # up to version 0.8: pairs
        pairs = [pair for pair in vocab if isinstance(pair, tuple | list)]
        vocab = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    if not isinstance(vocab, dict):
        raise ValueError(f"{path}: expected the vocabularies in 'vocab'")
    start = vocab.get("decoder_start_token", "<s>")
    if start != "<s>":
        raise ValueError(
            f"{path}: decoder_start_token={described(start)} has no equivalent, only "
            "'<s>'"
        )
    if vocab.get("src_feats"):
        raise ValueError(f"{path}: features of source words have no equivalent")
    tokens = {}
    for side in ("src", "tgt"):
        listed = _tokens(vocab.get(side), f"{path}: {side}")
        if listed is None:
            raise ValueError(f"{path}: 'vocab' has no tokens of {side!r}")
        tokens[side] = listed
    if not {"<s>", "</s>"} <= set(tokens["tgt"]):
        raise ValueError(f"{path}: the vocabulary 'tgt' must have <s> and </s>")
    return tokens


def _tokens(value: Any, what: str, levels: int = 6) -> list[str] | None:
    """Return the tokens of a list (version 3), or of an object of torchtext."""
    if (tokens := token_list(value)) is not None or not levels:
        return tokens
    if isinstance(value, Record):
        if "itos" in value.state:
            return token_list(value.get("itos"))
        inner = value.get("vocab", value.get("fields"))
        return None if inner is None else _tokens(inner, what, levels - 1)
    match value:
        case [(str(), field)]:
            return _tokens(field, what, levels - 1)
        case [(str(), _), _, *_]:
            raise ValueError(f"{what} has features of words, without an equivalent")
    return None
