"""Tokens and their integer IDs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo import checks

PAD, UNK, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"
# The reserved tokens of older models, which did not store their number.
_OLD_RESERVED = ([PAD, UNK, BEGIN, END], [PAD, UNK])


class Vocabulary:
    """A two-way mapping between tokens and integer IDs.

    One that `build` makes has ID 0 for padding and 1 for any unknown token (with
    `special`), then 2 for the begin and 3 for the end of a generated sequence (with
    `marks`). These reserved tokens are never equal to a token of a text: the text
    ``<pad>`` is an unknown token, or has an ID of its own.

    Attributes:
        tokens: the token of each ID, the reserved ones first.
        counts: how often each token occurred when the vocabulary was built.
        reserved: number of reserved tokens.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        counts: Sequence[int] | None = None,
        *,
        reserved: int | None = None,
    ) -> None:
        """Assign IDs from 0 in the order of the tokens.

        Args:
            tokens: the reserved tokens, which are distinct, and distinct other tokens.
            counts: how often each occurred; by default 0.
            reserved: number of reserved tokens; by default those that `build` would
                have reserved, if `tokens` begin with them.

        Raises:
            ValueError: if a token is repeated, or there is not one count per token.
        """
        self.tokens = list(tokens)
        self.counts = list(counts) if counts is not None else [0] * len(self.tokens)
        if reserved is None:
            sizes = (len(t) for t in _OLD_RESERVED if self.tokens[: len(t)] == t)
            reserved = next(sizes, 0)
        self.reserved = reserved
        self._reserved_ids = {t: k for k, t in enumerate(self.tokens[:reserved])}
        self._ids = {
            token: k for k, token in enumerate(self.tokens[reserved:], reserved)
        }
        if len(self._reserved_ids) + len(self._ids) != len(self.tokens):
            parts = self.tokens[:reserved], self.tokens[reserved:]
            counters = [Counter(part).items() for part in parts]
            repeated = next(t for items in counters for t, n in items if n > 1)
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
            min_count: as for `from_counts`.
            max_size: as for `from_counts`.
            special: as for `from_counts`.
            marks: as for `from_counts`.
        """
        return cls.from_counts(
            Counter(tokens),
            min_count=min_count,
            max_size=max_size,
            special=special,
            marks=marks,
        )

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        special: bool = True,
        marks: bool = False,
        more: Sequence[str] = (),
    ) -> "Vocabulary":
        """Assign IDs to tokens that have been counted, the most frequent first.

        Args:
            counts: how often each token occurs in a corpus, once or more.
            min_count: tokens that occur less often are unknown.
            max_size: largest number of tokens of the corpus; rarer ones are unknown.
            special: add the padding and the unknown token.
            marks: add the begin and the end token.
            more: tokens that come after these, in this order, whatever their count:
                words with pretrained vectors, which the corpus may lack.

        Returns:
            The vocabulary. Tokens of equal count are sorted, so that the order of the
            corpus does not matter.
        """
        reserved = ([PAD, UNK] if special else []) + ([BEGIN, END] if marks else [])
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [item for item in ranked if item[1] >= min_count][:max_size]
        kept += [(token, counts.get(token, 0)) for token in more]
        num_unknown = sum(counts.values()) - sum(n for _, n in kept)
        own = [num_unknown if token == UNK else 0 for token in reserved]
        names = reserved + [token for token, _ in kept]
        return cls(names, own + [n for _, n in kept], reserved=len(reserved))

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids or token in self._reserved_ids

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Vocabulary)
            and self.tokens == other.tokens
            and self.reserved == other.reserved
        )

    @property
    def unknown(self) -> int | None:
        """The ID of the unknown token, None if the vocabulary has none."""
        return self._reserved_ids.get(UNK)

    def number(self, token: str) -> int:
        """Return the ID of a reserved token, or of another token.

        Args:
            token: of the vocabulary; `BEGIN` is the reserved one, if there is one.

        Raises:
            KeyError: if the vocabulary lacks it.
        """
        ids = self._reserved_ids if token in self._reserved_ids else self._ids
        return ids[token]

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Return the IDs of tokens, int32 ``[T]``.

        Args:
            tokens: tokens of a text, never taken for reserved ones.

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
        return {
            "tokens": self.tokens,
            "counts": self.counts,
            "reserved": self.reserved,
        }

    @classmethod
    def from_json(cls, saved: Any, name: str = "vocabulary") -> "Vocabulary":
        """Return the vocabulary that `to_json` described.

        Args:
            saved: the result of `to_json`, or of an older version without `reserved`.
            name: what it is of, for messages.

        Raises:
            TypeError: if a part has another type.
            ValueError: if a part is missing, unknown or out of its range.
        """
        types = {"tokens": list, "counts": list}
        checks.fields(name, saved, types, {"reserved": int})
        checks.items(f"{name}.tokens", saved["tokens"], str)
        checks.items(f"{name}.counts", saved["counts"], int)
        reserved = saved.get("reserved")
        if reserved is not None and not 0 <= reserved <= len(saved["tokens"]):
            raise ValueError(
                f"{name}.reserved must lie in [0, {len(saved['tokens'])}], the number "
                f"of tokens, got {reserved}"
            )
        return cls(saved["tokens"], saved["counts"], reserved=reserved)
