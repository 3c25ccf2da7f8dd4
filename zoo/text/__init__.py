"""From text to numbers and back: tokeniser, vocabularies, features of words, padding.

Whatever is done to text in training is an attribute of an encoder here, so that a saved
model does it again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zoo import checks
from zoo.text.subwords import Subwords

PAD, UNK, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"

# Tried in this order: what must stay whole comes before what is split.
_TOKEN = re.compile(
    r"""
      (?:https?://|www\.)\S+[\w/]                     # addresses
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+
    | [@\#]\w+                                        # handles and tags
    | (?:[:;=8][-o']?[)(\]\[dDpP/\\|]|<3)(?!\w)       # smileys
    | (?:[A-Za-z]\.){2,}                              # U.S., a.m.
    | (?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|Inc|Ltd|Co)\.
    | \d+(?:[.,:]\d+)*                                # numbers, times
    | \w+?(?=n['’]t\b)                                # do|n't
    | n['’]t\b
    | ['’](?:s|m|d|re|ve|ll|S|M|D|RE|VE|LL)\b         # it|'s
    | \w+(?:['’](?!(?:s|m|d|re|ve|ll|t)\b)\w+)*       # o'clock
    | \.{2,} | -{2,} | !+ | \?+
    | [^\w\s]
    """,
    re.VERBOSE,
)


def tokenize(text: str) -> list[str]:
    """Split raw text into words and punctuation, much as English treebanks do.

    ``"Don't panic, it's 5.30!"`` gives ``Do n't panic , it 's 5.30 !``. Every character
    but white space is kept.

    Args:
        text: any text.

    Returns:
        The tokens in order.
    """
    return _TOKEN.findall(text)


def shape(word: str) -> int:
    """Return the class of a word's form: what its letters and digits look like.

    0 padding (never returned), 1 lower case, 2 Capitalised, 3 UPPER CASE, 4 one capital
    letter, 5 miXed, 6 a number, 7 digits and others, 8 without letters or digits.

    Args:
        word: a token.
    """
    if any(c.isdigit() for c in word):
        return 6 if all(c.isdigit() or not c.isalnum() for c in word) else 7
    letters = [c for c in word if c.isalpha()]
    if not letters:
        return 8
    upper = sum(c.isupper() for c in letters)
    if upper == 0:
        return 1
    if upper == len(letters):
        return 4 if upper == 1 else 3
    return 2 if upper == 1 and letters[0].isupper() else 5


NUM_SHAPES = 9


class Vocabulary:
    """Tokens and their numbers; with `special`, 0 is padding and 1 any unknown token.

    With `marks`, 2 stands before a sequence that is written and 3 after it.

    Attributes:
        tokens: the token of each number.
        counts: how often each token was seen when the vocabulary was built.
    """

    def __init__(
        self, tokens: Sequence[str], counts: Sequence[int] | None = None
    ) -> None:
        """Number tokens in their order.

        Args:
            tokens: all different.
            counts: how often each was seen; by default 0.

        Raises:
            ValueError: if a token stands twice, or the counts are more or fewer.
        """
        self.tokens = list(tokens)
        self.counts = list(counts) if counts is not None else [0] * len(self.tokens)
        self._number = {token: k for k, token in enumerate(self.tokens)}
        if len(self._number) != len(self.tokens):
            twice = next(t for t, n in Counter(self.tokens).items() if n > 1)
            raise ValueError(f"tokens must all be different, got {twice!r} twice")
        if len(self.counts) != len(self.tokens):
            raise ValueError(
                f"counts must be {len(self.tokens)}, one a token, got "
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
        """Count tokens and number them, the most frequent first.

        Args:
            tokens: all tokens of a corpus.
            min_count: how often a token must occur to have a number of its own.
            max_size: the most tokens that have a number of their own.
            special: begin with padding and the unknown token.
            marks: add the marks of begin and end.

        Returns:
            The vocabulary. Equal counts are ordered by the token, so that the same
            corpus in any order gives the same numbers.
        """
        counter = Counter(tokens)
        first = ([PAD, UNK] if special else []) + ([BEGIN, END] if marks else [])
        for token in first:
            counter.pop(token, None)
        ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
        kept = [item for item in ranked if item[1] >= min_count][:max_size]
        lost = sum(counter.values()) - sum(n for _, n in kept)
        counts = [lost if token == UNK else 0 for token in first]
        names = first + [token for token, _ in kept]
        return cls(names, counts + [n for _, n in kept])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.tokens == other.tokens

    @property
    def unknown(self) -> int | None:
        """The number of the unknown token, None if the vocabulary has none."""
        return self._number.get(UNK)

    def number(self, token: str) -> int:
        """Return the number of a token.

        Args:
            token: one of the vocabulary, such as `BEGIN`.

        Raises:
            KeyError: if it has none.
        """
        return self._number[token]

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Return the numbers of tokens, int32 ``[T]``.

        Args:
            tokens: any tokens.

        Raises:
            ValueError: if a token has no number and there is no unknown token.
        """
        unknown = self.unknown
        if unknown is not None:
            return np.array([self._number.get(t, unknown) for t in tokens], np.int32)
        try:
            return np.array([self._number[t] for t in tokens], np.int32)
        except KeyError as error:
            raise ValueError(
                f"{error.args[0]!r} is not in the vocabulary of {len(self)}: "
                f"{', '.join(self.tokens[:20])}"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of numbers.

        Args:
            ids: numbers from 0 to ``len(self) - 1``.
        """
        return [self.tokens[k] for k in ids]

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary as plain lists."""
        return {"tokens": self.tokens, "counts": self.counts}


class Text:
    """Encodes a text: the numbers of its words, characters, symbols or pieces of words.

    Attributes:
        vocabulary: of the units.
        units: ``"words"`` (of `tokenize`), ``"chars"``, ``"symbols"``, which stand
            between single spaces, or ``"bpe"``.
        lowercase: read the text in lower case.
        subwords: the pieces of ``"bpe"``, else None.
    """

    UNITS = ("words", "chars", "symbols", "bpe")

    def __init__(
        self,
        vocabulary: Vocabulary,
        units: str = "words",
        *,
        lowercase: bool = False,
        subwords: Subwords | None = None,
    ) -> None:
        """Put the encoder together.

        Args:
            vocabulary: of the units.
            units: ``"words"``, ``"chars"``, ``"symbols"`` or ``"bpe"``.
            lowercase: read the text in lower case.
            subwords: the pieces, with ``"bpe"`` only.

        Raises:
            ValueError: if there are no such units, or pieces are missing or idle.
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
    ) -> "Text":
        """Make the vocabulary of a corpus.

        Args:
            texts: the corpus; of ``"bpe"`` it is read twice.
            units: ``"words"``, ``"chars"``, ``"symbols"`` or ``"bpe"``.
            lowercase: read the text in lower case.
            min_count: how often a unit must occur to have a number of its own.
            max_size: the most units that have a number of their own; of ``"bpe"`` the
                most pieces, by default 8000.
            marks: as for `Vocabulary.build`.
        """
        subwords = None
        if units == "bpe":
            texts = [text.lower() if lowercase else text for text in texts]
            subwords = Subwords.train(texts, max_size or 8000, UNK)
        encoder = cls(Vocabulary([]), units, lowercase=lowercase, subwords=subwords)
        found = (unit for text in texts for unit in encoder.split(text))
        encoder.vocabulary = Vocabulary.build(
            found, min_count=min_count, max_size=max_size, marks=marks
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
            return tokenize(text)
        return (
            list(text) if self.units == "chars" else [s for s in text.split(" ") if s]
        )

    def join(self, units: Iterable[str]) -> str:
        """Return the text of units.

        Args:
            units: as `split` gives them.
        """
        if self.subwords is not None:
            return self.subwords.join(units)
        return ("" if self.units == "chars" else " ").join(units)

    def encode(self, text: str) -> np.ndarray:
        """Return the numbers of the units of a text, int32 ``[T]``.

        Args:
            text: any text.
        """
        return self.vocabulary.encode(self.split(text))

    def to_json(self) -> dict[str, Any]:
        """Return the encoder as plain lists and values."""
        saved = {
            "vocabulary": self.vocabulary.to_json(),
            "units": self.units,
            "lowercase": self.lowercase,
        }
        if self.subwords is not None:
            saved["subwords"] = self.subwords.to_json()
        return saved

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Text":
        """Return the encoder that `to_json` told of.

        Args:
            saved: what `to_json` gave.

        Raises:
            ImportError: if it needs a library that is not installed.
        """
        pieces = saved.get("subwords")
        return cls(
            Vocabulary(**saved["vocabulary"]),
            saved["units"],
            lowercase=saved["lowercase"],
            subwords=None if pieces is None else Subwords.from_json(pieces),
        )


class Words:
    """Encodes a sentence: numbers, characters and shapes of its words.

    Attributes:
        words: vocabulary of words, as `normalize` gives them.
        chars: vocabulary of characters.
        lowercase: look words up in lower case; characters and shapes see them as is.
        digits: look words up with every digit as ``0``.
        max_chars: of a longer word, the first and the last characters are read.
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
        """Put the encoder together.

        Args:
            words: vocabulary of words.
            chars: vocabulary of characters.
            lowercase: look words up in lower case.
            digits: look words up with every digit as ``0``.
            max_chars: the most characters read of a word, an even number.
        """
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
        """Make the vocabularies of a corpus.

        Args:
            sentences: its tokens.
            min_count: how often a word must occur to have a number of its own.
            max_size: the most words that have a number of their own.
            **options: as for `Words`.
        """
        encoder = cls(Vocabulary([]), Vocabulary([]), **options)
        words: Counter[str] = Counter()
        chars: Counter[str] = Counter()
        for sentence in sentences:
            words.update(map(encoder.normalize, sentence))
            for word in sentence:
                chars.update(word)
        encoder.words = Vocabulary.build(
            words.elements(), min_count=min_count, max_size=max_size
        )
        encoder.chars = Vocabulary.build(chars.elements())
        return encoder

    def normalize(self, word: str) -> str:
        """Return a word as it is looked up.

        Args:
            word: a token.
        """
        if self.lowercase:
            word = word.lower()
        return re.sub(r"\d", "0", word) if self.digits else word

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
        """Return the encoder as plain lists and values."""
        return {
            "words": self.words.to_json(),
            "chars": self.chars.to_json(),
            "lowercase": self.lowercase,
            "digits": self.digits,
            "max_chars": self.max_chars,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Words":
        """Return the encoder that `to_json` told of.

        Args:
            saved: what `to_json` gave.
        """
        words, chars = Vocabulary(**saved["words"]), Vocabulary(**saved["chars"])
        rest = {k: v for k, v in saved.items() if k not in ("words", "chars")}
        return cls(words, chars, **rest)


def pad(
    rows: Sequence[dict[str, np.ndarray]], length: int, batch_size: int
) -> dict[str, np.ndarray]:
    """Lay rows of different length into one batch.

    Args:
        rows: B' rows; an array that has the length T' of its row in front is filled up
            to `length` with zeros, a scalar stays one. The first entry of a row tells
            its T'.
        length: T, at least that of the longest row.
        batch_size: B, at least B'; the rows from B' on are empty.

    Returns:
        Arrays ``[B, T, ...]`` or ``[B]`` by name, and ``mask`` bool ``[B, T]``.
    """
    batch: dict[str, np.ndarray] = {}
    mask = np.zeros((batch_size, length), bool)
    for name, first in rows[0].items():
        inner = () if first.ndim == 0 else (length, *first.shape[1:])
        batch[name] = np.zeros((batch_size, *inner), first.dtype)
        for b, row in enumerate(rows):
            value = row[name]
            batch[name][(b, slice(len(value))) if value.ndim else b] = value
    for b, row in enumerate(rows):
        mask[b, : len(next(iter(row.values())))] = True
    return {**batch, "mask": mask}
