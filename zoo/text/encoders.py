"""Encoders of texts and of tokenised sentences as arrays of IDs.

Every option of preprocessing is an attribute of an encoder, so that a saved model
repeats the preprocessing of its training.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo import checks
from zoo.text.numbering import (
    CharacterNumbering,
    Numbering,
    PieceNumbering,
    UnitNumbering,
)
from zoo.text.subwords import Subwords
from zoo.text.tokenizer import CURRENT_TOKENIZERS as CURRENT
from zoo.text.tokenizer import (
    FIRST_TOKENIZER,
    RepeatedTokenizer,
    shape,
    tokenizer_of,
)
from zoo.text.vocabulary import Vocabulary


class Text:
    """Encodes a text as IDs of its words, characters, symbols or subwords.

    ::

        text = Text.build(["a good film", "a bad film"])
        text.encode("a good book")      # [2, 5, 1]: "book" is unknown

    Attributes:
        vocabulary: of the units.
        units: ``"words"`` (by `tokenize`), ``"chars"``, ``"symbols"`` (separated by
            single spaces) or ``"bpe"``.
        lowercase: whether texts are lower-cased first.
        subwords: the subword model of ``"bpe"``, else None.
        tokenizer: name of the tokenizer of ``"words"``, stored with a saved model.
    """

    UNITS = ("words", "chars", "symbols", "bpe")

    def __init__(
        self,
        vocabulary: Vocabulary,
        units: str = "words",
        *,
        lowercase: bool = False,
        subwords: Subwords | None = None,
        tokenizer: str = CURRENT["words"],
    ) -> None:
        """Build the encoder from its parts.

        Args:
            vocabulary: of the units.
            units: ``"words"``, ``"chars"``, ``"symbols"`` or ``"bpe"``.
            lowercase: lower-case texts first.
            subwords: the subword model, with ``"bpe"`` only.
            tokenizer: as for `tokenize`.

        Raises:
            ValueError: if `units` or `tokenizer` is unknown, or `subwords` does not go
                with `units`.
        """
        checks.one_of("units", units, self.UNITS)
        if (units == "bpe") != (subwords is not None):
            raise ValueError(
                f'subwords go with units="bpe", got {units!r} and {subwords!r}'
            )
        self.vocabulary = vocabulary
        self.units = units
        self.lowercase = lowercase
        self.subwords = subwords
        self.tokenizer = tokenizer
        self._tokenize = tokenizer_of(tokenizer)

    @classmethod
    def build(
        cls,
        texts: Iterable[str],
        units: str = "words",
        *,
        lowercase: bool = False,
        min_count: int = 1,
        max_size: int | None = None,
        marks: bool = False,
        tokenizer: str = CURRENT["words"],
    ) -> "Text":
        """Build the vocabulary from a corpus.

        Args:
            texts: the corpus.
            units: ``"words"``, ``"chars"``, ``"symbols"`` or ``"bpe"``.
            lowercase: lower-case texts first.
            min_count: units that occur less often are unknown.
            max_size: largest number of units; of ``"bpe"`` by default 8000.
            marks: as for `Vocabulary.build`.
            tokenizer: of ``"words"``, as for `tokenize`.
        """
        subwords = None
        if units == "bpe":
            texts = [text.lower() if lowercase else text for text in texts]
            subwords = Subwords.train(texts, max_size or 8000)
        encoder = cls(
            Vocabulary([]),
            units,
            lowercase=lowercase,
            subwords=subwords,
            tokenizer=tokenizer,
        )
        corpus = (unit for text in texts for unit in encoder.split(text))
        encoder.vocabulary = Vocabulary.build(
            corpus, min_count=min_count, max_size=max_size, marks=marks
        )
        return encoder

    def split(self, text: str) -> list[str]:
        """Return the units of a text.

        Args:
            text: any text.
        """
        if self.lowercase:
            text = text.lower()
        if self.subwords is not None:
            return self.subwords.split(text)
        if self.units == "words":
            return self._tokenize(text)
        return (
            list(text) if self.units == "chars" else [s for s in text.split(" ") if s]
        )

    def rules(self) -> str:
        """Return all that `split` depends on, apart from its code, as a text."""
        pieces = None if self.subwords is None else self.subwords.to_json()
        return json.dumps([self.units, self.lowercase, self.tokenizer, pieces])

    def numbering(self) -> Numbering:
        """Return a numbering of the units of texts, those of `split`."""
        if self.subwords is not None:
            return PieceNumbering(self.subwords, lowercase=self.lowercase)
        if self.units == "chars":
            return CharacterNumbering(lowercase=self.lowercase)
        if self.units == "symbols" or self.tokenizer == "whitespace":
            return UnitNumbering(self.split)
        split = RepeatedTokenizer(self.tokenizer)
        if self.lowercase:
            return UnitNumbering(lambda text: split(text.lower()))
        return UnitNumbering(split)

    def join(self, units: Iterable[str]) -> str:
        """Return the text of units, the inverse of `split`.

        Args:
            units: as `split` returns them.
        """
        if self.subwords is not None:
            return self.subwords.join(units)
        return ("" if self.units == "chars" else " ").join(units)

    def encode(self, text: str) -> np.ndarray:
        """Return the IDs of the units of a text, int32 ``[T]``.

        Args:
            text: any text.
        """
        return self.vocabulary.encode(self.split(text))

    def to_json(self) -> dict[str, Any]:
        """Return the encoder as JSON values."""
        saved = {
            "vocabulary": self.vocabulary.to_json(),
            "units": self.units,
            "lowercase": self.lowercase,
        }
        if self.subwords is not None:
            saved["subwords"] = self.subwords.to_json()
        if self.units == "words":
            saved["tokenizer"] = self.tokenizer
        return saved

    @classmethod
    def from_json(cls, saved: Any, name: str = "text") -> "Text":
        """Return the encoder that `to_json` described.

        Args:
            saved: the result of `to_json`.
            name: what it encodes, for messages.

        Raises:
            ImportError: if it needs a library that is not installed.
            TypeError: if a part has another type.
            ValueError: if a part is missing, unknown or out of its range, or this
                version lacks its tokenizer.
        """
        types = {"vocabulary": dict, "units": str, "lowercase": bool}
        checks.fields(name, saved, types, {"subwords": dict, "tokenizer": str})
        pieces = saved.get("subwords")
        return cls(
            Vocabulary.from_json(saved["vocabulary"], f"{name}.vocabulary"),
            saved["units"],
            lowercase=saved["lowercase"],
            subwords=None if pieces is None else Subwords.from_json(pieces),
            tokenizer=saved.get("tokenizer", FIRST_TOKENIZER),
        )


class Words:
    """Encodes a sentence as IDs, characters and shapes of its words.

    Attributes:
        words: vocabulary of words after `normalize`.
        chars: vocabulary of characters.
        lowercase: whether `normalize` lower-cases words; characters and shapes do not.
        digits: whether `normalize` replaces every digit by ``0``.
        max_chars: a longer word is read by its first and its last characters.
    """

    def __init__(
        self,
        words: Vocabulary,
        chars: Vocabulary,
        *,
        lowercase: bool = True,
        digits: bool = False,
        max_chars: int = 20,
    ) -> None:
        """Build the encoder from its parts.

        Args:
            words: vocabulary of words.
            chars: vocabulary of characters.
            lowercase: lower-case words for the vocabulary of words.
            digits: replace every digit by ``0`` for the vocabulary of words.
            max_chars: largest number of characters read of a word, even, from 2 to
                1000.

        Raises:
            ValueError: if `max_chars` is out of its range.
        """
        if checks.positive("max_chars", max_chars) % 2 or max_chars > 1000:
            raise ValueError(f"max_chars must be even, from 2 to 1000, got {max_chars}")
        self.words = words
        self.chars = chars
        self.lowercase = lowercase
        self.digits = digits
        self.max_chars = max_chars

    @classmethod
    def build(
        cls,
        sentences: Iterable[Sequence[str]],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        **options: Any,
    ) -> "Words":
        """Build the vocabularies from a corpus.

        Args:
            sentences: tokens of each sentence.
            min_count: words that occur less often are unknown.
            max_size: largest number of words; rarer ones are unknown.
            **options: as for `Words`.
        """
        counts: Counter[str] = Counter()
        for sentence in sentences:
            counts.update(sentence)
        return cls.from_counts(
            counts, min_count=min_count, max_size=max_size, **options
        )

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        more: Sequence[str] = (),
        **options: Any,
    ) -> "Words":
        """Build the vocabularies from words that have been counted.

        Args:
            counts: how often each word occurs in a corpus, as it is written there.
            min_count: as for `build`.
            max_size: as for `build`.
            more: words after `normalize`, as for `Vocabulary.from_counts`.
            **options: as for `Words`.
        """
        encoder = cls(Vocabulary([]), Vocabulary([]), **options)
        chars: Counter[str] = Counter()
        for word, count in counts.items():
            for char in word:
                chars[char] += count
        encoder.words = Vocabulary.from_counts(
            encoder.normalized(counts),
            min_count=min_count,
            max_size=max_size,
            more=more,
        )
        encoder.chars = Vocabulary.from_counts(chars)
        return encoder

    def normalize(self, word: str) -> str:
        """Return a word as it stands in the vocabulary of words.

        Args:
            word: a token.
        """
        if self.lowercase:
            word = word.lower()
        return re.sub(r"\d", "0", word) if self.digits else word

    def normalized(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return how often each word occurs after `normalize`.

        Args:
            counts: how often each word occurs before.
        """
        result: Counter[str] = Counter()
        for word, count in counts.items():
            result[self.normalize(word)] += count
        return result

    def encode(self, tokens: Sequence[str]) -> dict[str, np.ndarray]:
        """Encode the words of a sentence.

        Args:
            tokens: T words.

        Returns:
            ``words`` int32 [T], ``chars`` int32 [T, C] and ``shapes`` int32 [T].
        """
        chars = np.zeros((len(tokens), self.max_chars), np.int32)
        half = self.max_chars // 2
        for k, word in enumerate(tokens):
            if len(word) > self.max_chars:
                word = word[:half] + word[-half:]
            chars[k, : len(word)] = self.chars.encode(word)
        return {
            "words": self.words.encode(map(self.normalize, tokens)),
            "chars": chars,
            "shapes": np.array([shape(word) for word in tokens], np.int32),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the encoder as JSON values."""
        return {
            "words": self.words.to_json(),
            "chars": self.chars.to_json(),
            "lowercase": self.lowercase,
            "digits": self.digits,
            "max_chars": self.max_chars,
        }

    @classmethod
    def from_json(cls, saved: Any) -> "Words":
        """Return the encoder that `to_json` described.

        Args:
            saved: the result of `to_json`.

        Raises:
            TypeError: if a part has another type.
            ValueError: if a part is missing, unknown or out of its range.
        """
        options = {"lowercase": bool, "digits": bool, "max_chars": int}
        checks.fields("words", saved, {"words": dict, "chars": dict, **options})
        return cls(
            Vocabulary.from_json(saved["words"], "words.words"),
            Vocabulary.from_json(saved["chars"], "words.chars"),
            **{name: saved[name] for name in options},
        )
