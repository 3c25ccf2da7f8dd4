"""The word tokenizers, and the shape of a word."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import regex

# A character of a word, and the characters that belong to the one before them: marks,
# joiners, soft hyphens. Both by the property Word_Break of UAX 29.
_WORD = r"\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Numeric}\p{No}\p{Pc}"
_MARK = r"\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}\p{GCB=SpacingMark}"
_CHAR = rf"[{_WORD}][{_MARK}]*+"
_STOP = rf"(?![{_WORD}{_MARK}])"

_MAX_PARTS, _MAX_PART = 1 << 19, 64  # number and length of the parts that are kept

_URL = r"(?:https?://|www\.)\S+[\w/]"


class WordTokenizer:
    """The tokens of a text by a pattern, in a time linear in the length of the text.

    E-mail addresses are the exception to the pattern. An alternative for them in it
    would read, from each token of ``a+a+a+...``, up to the end in search of an ``@``.
    """

    def __init__(
        self, compile: Callable[[str], Any], local: str, domain: str, rest: str
    ) -> None:
        """Compile the patterns.

        Args:
            compile: returns the pattern of a verbose regular expression.
            local: the characters of an e-mail address before its ``@``, for a class.
            domain: those of the parts of its domain.
            rest: the alternatives after URLs and e-mail addresses, in order: a token
                comes before its parts.
        """
        self._tokens = compile(f"{_URL} | {rest}")
        self._local_parts = compile(
            rf"(?<![{local}])[{local}]++(?=@[{domain}]++\.[{domain}])"
        )
        self._url_or_address = compile(
            rf"{_URL} | [{local}]++@[{domain}]++(?:\.[{domain}]++)++"
        )

    def __call__(self, text: str) -> list[str]:
        """Return the tokens.

        Args:
            text: any text.
        """
        if "@" not in text:
            return self._tokens.findall(text)
        tokens, end = [], 0
        for part in self._local_parts.finditer(text):
            for token in self._tokens.finditer(text, end):
                if token.start() >= part.start():
                    break
                tokens.append(token[0])
                end = token.end()
            # A token from before the local part may end in it, such as the emoticon
            # of ":-D.a@b.c", or after it.
            if end < part.end():
                token = self._url_or_address.match(text, max(end, part.start()))
                tokens.append(token[0])
                end = token.end()
        return tokens + self._tokens.findall(text, end)


_unicode = WordTokenizer(
    partial(regex.compile, flags=regex.VERBOSE | regex.V1),
    rf"{_WORD}{_MARK}.+\-",
    rf"{_WORD}{_MARK}\-",
    rf"""
      [@\#](?:{_CHAR})+                              # handles and hashtags
    | (?:[:;=8][-o']?[)(\]\[dDpP/\\|]|<3){_STOP}     # emoticons
    | (?:[A-Za-z]\.){{2,}}                            # U.S., a.m.
    | (?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|Inc|Ltd|Co)\.
    | (?:\d[{_MARK}]*+)+(?:[.,:\u066B\u066C](?:\d[{_MARK}]*+)+)*  # numbers, times
    | (?:{_CHAR})+?(?=n['’]t{_STOP})                 # do|n't
    | n['’]t{_STOP}
    | ['’](?:s|m|d|re|ve|ll|S|M|D|RE|VE|LL){_STOP}   # it|'s
    | (?:{_CHAR})+                                   # o'clock, col·lega, צה"ל
      (?:
          (?:['’](?!(?:s|m|d|re|ve|ll|t){_STOP})|[\p{{WB=MidLetter}}--[:：︓﹕]])
          (?:{_CHAR})+
        | (?<=\p{{WB=Hebrew_Letter}}[{_MARK}]*)"(?=\p{{WB=Hebrew_Letter}})(?:{_CHAR})+
      )*
    | (?:\p{{WB=Katakana}}[{_MARK}]*+)+
    | \p{{WB=Regional_Indicator}}{{2}}[{_MARK}]*       # flags, other emoji
    | \p{{Extended_Pictographic}}[{_MARK}]*
      (?:(?<=\u200D)\p{{Extended_Pictographic}}[{_MARK}]*)*
    | (?:\.{{2,}}|-{{2,}}|!+|\?+)[{_MARK}]*
    | [^\s\x1c-\x1f][{_MARK}]*                       # punctuation, Han, Hiragana, Thai
    """,
)

_english = WordTokenizer(
    partial(re.compile, flags=re.VERBOSE),
    r"\w.+-",
    r"\w-",
    r"""
      [@\#]\w+
    | (?:[:;=8][-o']?[)(\]\[dDpP/\\|]|<3)(?!\w)
    | (?:[A-Za-z]\.){2,}
    | (?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|Inc|Ltd|Co)\.
    | \d+(?:[.,:]\d+)*
    | \w+?(?=n['’]t\b)
    | n['’]t\b
    | ['’](?:s|m|d|re|ve|ll|S|M|D|RE|VE|LL)\b
    | \w+(?:['’](?!(?:s|m|d|re|ve|ll|t)\b)\w+)*
    | \.{2,} | -{2,} | !+ | \?+
    | [^\w\s]
    """,
)


def _words(text: str) -> list[str]:
    """Return the tokens of ``"words-2"``; both patterns agree on ASCII."""
    return (_english if text.isascii() else _unicode)(text)


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "whitespace": str.split,
    "words-1": _english,
    "words-2": _words,
}
# Of models that were saved before their tokenizer was.
FIRST_TOKENIZER = "words-1"
# What ``--tokens`` offers, and the tokenizer that a new model gets for it.
CURRENT_TOKENIZERS = {"words": "words-2", "whitespace": "whitespace"}


def tokenize(text: str, tokenizer: str = CURRENT_TOKENIZERS["words"]) -> list[str]:
    """Split raw text into words and punctuation.

    Words are those of Unicode's rules for word boundaries (UAX 29): a letter keeps its
    marks, and a Han, Hiragana or Thai character is a token by itself. Over these, the
    rules of English treebanks: ``"Don't panic, it's 5.30!"`` becomes
    ``Do n't panic , it 's 5.30 !``, and a full stop or a colon between letters is a
    token. Every character except white space is kept.

    Args:
        text: any text.
        tokenizer: ``"words-2"``; ``"whitespace"``, which splits at white space only; or
            ``"words-1"``, of models from before version 2, which separates letters from
            their marks and keeps a Chinese or Thai sentence as one token.

    Raises:
        ValueError: if this version has no such tokenizer.
    """
    return tokenizer_of(tokenizer)(text)


def tokenizer_of(name: str) -> Callable[[str], list[str]]:
    """Return a tokenizer by its name.

    Args:
        name: as for `tokenize`.

    Raises:
        ValueError: if this version has no such tokenizer.
    """
    if name not in TOKENIZERS:
        raise ValueError(
            f"no tokenizer {name!r}, expected {', '.join(TOKENIZERS)}; a model that "
            "needs it was saved by a newer version: pip install --upgrade rnn-zoo"
        )
    return TOKENIZERS[name]


class RepeatedTokenizer:
    """A tokenizer for many texts, which splits each of their parts only once.

    White space ends every token, and no rule reads across it: the tokens of a text are
    those of its parts between white space. This holds for ASCII; other texts are split
    as a whole.
    """

    def __init__(self, name: str) -> None:
        """Start from no parts.

        Args:
            name: as for `tokenize`.

        Raises:
            ValueError: if this version has no such tokenizer.
        """
        self._tokenize = tokenizer_of(name)
        self._parts = _Parts(self._tokenize)

    def __call__(self, text: str) -> list[str]:
        """Return the tokens of a text.

        Args:
            text: any text.
        """
        if not text.isascii():
            return self._tokenize(text)
        parts = self._parts
        return [token for part in text.split() for token in parts[part]]


class _Parts(dict[str, list[str]]):
    """The tokens of each part of a text; a new part is tokenised."""

    def __init__(self, tokenize: Callable[[str], list[str]]) -> None:
        super().__init__()
        self._tokenize = tokenize

    def __missing__(self, part: str) -> list[str]:
        tokens = self._tokenize(part)
        if len(part) <= _MAX_PART:
            if len(self) == _MAX_PARTS:
                self.clear()
            self[part] = tokens
        return tokens


def shape(word: str) -> int:
    """Return the shape of a word, by the case of its letters and its digits.

    0 padding (never returned), 1 lower case, 2 Capitalised, 3 UPPER CASE, 4 a single
    capital letter, 5 miXed case, 6 a number, 7 digits with letters, 8 neither letters
    nor digits.

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
