"""Vocabularies of other projects: reserved tokens first, and the order of the rows."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.interop.published.torch_file import read_torch
from zoo.interop.published.unpickler import Record
from zoo.text import Text, Vocabulary


def text_of(
    path: str | os.PathLike,
    tokens: Sequence[str],
    reserved: Mapping[str, str],
    units: str,
) -> tuple[Text, np.ndarray]:
    """Return the encoder of texts, and where each of its tokens was.

    Args:
        path: of the file, for messages.
        tokens: of the source, in the order of its IDs.
        reserved: the names that zoo has for reserved tokens, by those of the source.
            Those that `tokens` has become the first ones.
        units: ``"chars"``, or ``"words"`` for words between white space.

    Returns:
        The encoder, and ints ``[V]``: the ID in the source of each ID of the encoder,
        to reorder the rows of an embedding.

    Raises:
        ValueError: if a token is repeated.
    """
    places = {token: k for k, token in enumerate(tokens)}
    first = [places[token] for token in reserved if token in places]
    chosen = set(first)
    order = [*first, *(k for k in range(len(tokens)) if k not in chosen)]
    names = [reserved[tokens[k]] for k in first] + [
        tokens[k] for k in order[len(first) :]
    ]
    try:
        vocabulary = Vocabulary(names, reserved=len(first))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Text(vocabulary, units, tokenizer="whitespace"), np.array(order, np.int64)


def token_list(value: Any) -> list[str] | None:
    """Return the tokens of a list, decoded from UTF-8 if they are bytes.

    Args:
        value: of a checkpoint.

    Returns:
        The tokens, or None if it is no list of tokens.
    """
    if not isinstance(value, list | tuple) or not value:
        return None
    try:
        tokens = [t.decode("utf-8") if isinstance(t, bytes) else t for t in value]
    except UnicodeDecodeError:
        return None
    return tokens if all(isinstance(token, str) for token in tokens) else None


def read_tokens(source: Sequence[str] | str | os.PathLike) -> list[str]:
    """Return the tokens of a vocabulary.

    Args:
        source: the tokens; or the path of a pickled list of them, such as fastai's
            ``itos.pkl``, or of awd-lstm-lm's ``corpus.*.data``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file has no tokens.
    """
    if not isinstance(source, str | os.PathLike):
        return list(source)
    value = read_torch(source)
    if isinstance(value, Record) and isinstance(value.get("dictionary"), Record):
        value = value.get("dictionary").get("idx2word")
    tokens = token_list(value)
    if tokens is None:
        raise ValueError(
            f"{source}: expected a pickled list of tokens, or a Corpus of awd-lstm-lm, "
            f"got {getattr(value, 'class_name', type(value).__name__)}"
        )
    return tokens
