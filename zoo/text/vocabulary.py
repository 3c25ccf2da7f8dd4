"""Tokens and their integer IDs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

PAD, UNK, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"


class Vocabulary:
    """A two-way mapping between tokens and integer IDs.

    One that `build` makes has ID 0 for padding and 1 for any unknown token (with
    `special`), then 2 for the begin and 3 for the end of a generated sequence (with
    `marks`).

    Attributes:
        tokens: the token of each ID.
        counts: how often each token occurred when the vocabulary was built.
    """

    def __init__(
        self, tokens: Sequence[str], counts: Sequence[int] | None = None
    ) -> None:
        """Assign IDs from 0 in the order of the tokens.

        Args:
            tokens: distinct tokens.
            counts: how often each occurred; by default 0.

        Raises:
            ValueError: if a token is repeated, or there is not one count per token.
        """
        self.tokens = list(tokens)
        self.counts = list(counts) if counts is not None else [0] * len(self.tokens)
        self._ids = {token: k for k, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            repeated = next(t for t, n in Counter(self.tokens).items() if n > 1)
            raise ValueError(f"tokens must be distinct, got {repeated!r} twice")
        if len(self.counts) != len(self.tokens):
            raise ValueError(
                f"counts must have {len(self.tokens)} entries, one per token, got "
                f"{len(self.counts)}"
            )

    @classmethod
    def build(
        cls,
        tokens: Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        special: bool = True,
        marks: bool = False,
    ) -> "Vocabulary":
        """Count tokens and assign IDs, the most frequent first.

        Args:
            tokens: all tokens of a corpus.
            min_count: tokens that occur less often are unknown.
            max_size: largest number of tokens of the corpus; rarer ones are unknown.
            special: add the padding and the unknown token.
            marks: add the begin and the end token.

        Returns:
            The vocabulary. Tokens of equal count are sorted, so that the order of the
            corpus does not matter.
        """
        counter = Counter(tokens)
        reserved = ([PAD, UNK] if special else []) + ([BEGIN, END] if marks else [])
        for token in reserved:
            counter.pop(token, None)
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        kept = [item for item in ranked if item[1] >= min_count][:max_size]
        num_unknown = sum(counter.values()) - sum(n for _, n in kept)
        counts = [num_unknown if token == UNK else 0 for token in reserved]
        names = reserved + [token for token, _ in kept]
        return cls(names, counts + [n for _, n in kept])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.tokens == other.tokens

    @property
    def unknown(self) -> int | None:
        """The ID of the unknown token, None if the vocabulary has none."""
        return self._ids.get(UNK)

    def number(self, token: str) -> int:
        """Return the ID of a token.

        Args:
            token: of the vocabulary, such as `BEGIN`.

        Raises:
            KeyError: if the vocabulary lacks it.
        """
        return self._ids[token]

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Return the IDs of tokens, int32 ``[T]``.

        Args:
            tokens: any tokens.

        Raises:
            ValueError: if the vocabulary has neither a token nor the unknown token.
        """
        unknown = self.unknown
        if unknown is not None:
            return np.array([self._ids.get(t, unknown) for t in tokens], np.int32)
        try:
            return np.array([self._ids[t] for t in tokens], np.int32)
        except KeyError as error:
            raise ValueError(
                f"{error.args[0]!r} is not in the vocabulary of {len(self)} tokens: "
                f"{', '.join(self.tokens[:20])}"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of IDs.

        Args:
            ids: from 0 to ``len(self) - 1``.
        """
        return [self.tokens[k] for k in ids]

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary as plain lists."""
        return {"tokens": self.tokens, "counts": self.counts}
