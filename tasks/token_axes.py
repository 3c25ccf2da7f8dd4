"""Which axes of a model's parameters have an entry for each token or label."""

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from zoo.text import Text, Vocabulary, Words

UNITS = {
    "words": "words",
    "chars": "characters",
    "symbols": "symbols",
    "bpe": "subwords",
}


class Axis(NamedTuple):
    """An axis with an entry for each item of a vocabulary.

    Attributes:
        kind: ``"token"`` or ``"label"``.
        vocabulary: the items.
    """

    kind: str
    vocabulary: Vocabulary


class Table(NamedTuple):
    """An embedding table and the vocabulary of its rows.

    Attributes:
        name: dotted name of the table.
        title: what its rows are of, for the user.
        option: of the model, the number of rows.
        encoder: has the vocabulary.
        attribute: of the encoder.
    """

    name: str
    title: str
    option: str
    encoder: Text | Words
    attribute: str

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the rows."""
        return getattr(self.encoder, self.attribute)

    def readable(self, tokens: Iterable[str]) -> list[str]:
        """Return the tokens that the encoder can make of a text, in their order.

        Args:
            tokens: of another encoder.
        """
        if isinstance(self.encoder, Text):
            split = self.encoder.split
            return [token for token in tokens if split(token) == [token]]
        if self.attribute == "chars":
            return list(tokens)
        normalize = self.encoder.normalize
        return [token for token in tokens if normalize(token) == token]

    def append(self, tokens: list[str]) -> None:
        """Add tokens, which do not occur in train, after those of the vocabulary.

        Args:
            tokens: not in the vocabulary.
        """
        old = self.vocabulary
        grown = Vocabulary(
            old.tokens + tokens,
            old.counts + [0] * len(tokens),
            reserved=old.reserved,
        )
        setattr(self.encoder, self.attribute, grown)


def tables(pipeline: Any) -> list[Table]:
    """Return the embedding tables of a model that have a vocabulary.

    Args:
        pipeline: of any kind.
    """
    if pipeline.kind in ("classifier", "language_model"):
        text, name = pipeline.text, "embedding.table"
        return [Table(name, UNITS[text.units], "vocab_size", text, "vocabulary")]
    if pipeline.kind == "tagger":
        words = pipeline.words
        return [
            Table("embedding.table", "words", "vocab_size", words, "words"),
            Table("chars.embedding.table", "characters", "num_chars", words, "chars"),
        ]
    if pipeline.kind == "seq2seq":
        source, target = pipeline.source, pipeline.target
        return [
            Table(
                "embedding.table",
                "source tokens",
                "source_vocab_size",
                source,
                "vocabulary",
            ),
            Table(
                "decoder.embedding.table",
                "target tokens",
                "target_vocab_size",
                target,
                "vocabulary",
            ),
        ]
    return []


def axes(pipeline: Any) -> dict[str, tuple[Axis | None, ...]]:
    """Return the axes of the parameters that have any for tokens or labels.

    Args:
        pipeline: of any kind.

    Returns:
        By dotted name, an entry for each axis; None for the others, such as that of the
        hidden units.
    """
    tokens = {table.name: Axis("token", table.vocabulary) for table in tables(pipeline)}
    result: dict[str, tuple[Axis | None, ...]] = {
        name: (axis, None) for name, axis in tokens.items()
    }
    head = {
        "language_model": ("output", tokens.get("embedding.table")),
        "seq2seq": ("decoder.output", tokens.get("decoder.embedding.table")),
    }
    if pipeline.kind in ("classifier", "tagger"):
        labels = Axis("label", pipeline.labels)
        head[pipeline.kind] = ("output", labels)
        result["transitions.between"] = (labels, labels)
        result["transitions.start"] = result["transitions.end"] = (labels,)
    if pipeline.kind in head:
        module, axis = head[pipeline.kind]
        result |= {f"{module}.W": (None, axis), f"{module}.b": (axis,)}
    return result


def common(new: Vocabulary, old: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return the IDs in both vocabularies of the items that both have.

    Reserved tokens are equal to reserved ones only.

    Args:
        new: a vocabulary.
        old: another one.
    """
    ids = {(k < old.reserved, token): k for k, token in enumerate(old.tokens)}
    keys = [(k < new.reserved, token) for k, token in enumerate(new.tokens)]
    pairs = [(k, ids[key]) for k, key in enumerate(keys) if key in ids]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def missing(new: Vocabulary, old: Vocabulary) -> list[str]:
    """Return the items of a vocabulary that another lacks, without reserved tokens.

    Args:
        new: a vocabulary.
        old: another one.
    """
    known = set(old.tokens[old.reserved :])
    return [token for token in new.tokens[new.reserved :] if token not in known]


def preprocessing(encoder: Text | Words) -> dict[str, Any]:
    """Return how an encoder makes tokens of a text, by what the user calls it.

    Args:
        encoder: of texts or of words.
    """
    if isinstance(encoder, Words):
        rules = {"lowercase": encoder.lowercase, "digits": encoder.digits}
        return {"units": "words", **rules}
    units, tokenizer = encoder.units, encoder.tokenizer
    if units == "symbols":
        units, tokenizer = "words", "single spaces"
    rules = {"units": units, "lowercase": encoder.lowercase, "digits": False}
    if encoder.subwords is not None:
        pieces = hashlib.blake2b(encoder.rules().encode(), digest_size=4)
        return rules | {"subwords": pieces.hexdigest()}
    return rules | ({"tokenizer": tokenizer} if units == "words" else {})
