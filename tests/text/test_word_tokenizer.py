"""The word tokenizers: the tokens of one pattern, in linear time.

Below are the patterns that define the tokens. They are quadratic in texts such as
``a+a+a+...``, where the alternative for e-mail addresses reads ahead from each token.
"""

import re
import time
from pathlib import Path

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.text.tokenizer import TOKENIZERS

_WORD = r"\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Numeric}\p{No}\p{Pc}"
_MARK = r"\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}\p{GCB=SpacingMark}"
_CHAR = rf"[{_WORD}][{_MARK}]*+"
_STOP = rf"(?![{_WORD}{_MARK}])"

UNICODE = regex.compile(
    rf"""
      (?:https?://|www\.)\S+[\w/]                     # URLs and e-mail addresses
    | [{_WORD}{_MARK}.+\-]+@[{_WORD}{_MARK}\-]+(?:\.[{_WORD}{_MARK}\-]+)+
    | [@\#](?:{_CHAR})+                              # handles and hashtags
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
    regex.VERBOSE | regex.V1,
)

ENGLISH = re.compile(
    r"""
      (?:https?://|www\.)\S+[\w/]
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+
    | [@\#]\w+
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
    re.VERBOSE,
)

DEFINITIONS = {
    "words-1": lambda text: ENGLISH.findall(text),
    "words-2": lambda text: (ENGLISH if text.isascii() else UNICODE).findall(text),
}
# Parts of the patterns, and characters of each class in them.
ASCII = [
    *"ab019@.+-_'#:;=8D/!?,<",
    *("www.", "http://", "https://", "a.b@c.d", "@b.c", "n't", "'s", ":-D", "<3"),
    *("Mr.", "U.S.", "..", "--", " ", "\n", "\x1c", "nn", "$"),
]
OTHER = [
    *("é", "\u0301", "\u0903", "\u200d", "\u00ad", "\u0e33", "²", "٣", "\u066b"),
    *('"', "א", "·", "：", "’", "’s", "n’t", "ア", "我", "👍", "🏽", "🇫🇷", "🇩", "‿"),
    *("\u2028", "\x85", "\ud800", "𝟘", "ß", "@é.à"),
]
TEXTS = st.lists(st.sampled_from(ASCII), max_size=40) | st.lists(
    st.sampled_from(ASCII + OTHER), max_size=40
)


@pytest.mark.parametrize("name", DEFINITIONS)
@settings(max_examples=1000)
@given(TEXTS.map("".join))
def test_tokens_are_those_of_the_pattern(name: str, text: str) -> None:
    assert TOKENIZERS[name](text) == DEFINITIONS[name](text)


@pytest.mark.parametrize("name", DEFINITIONS)
@given(st.text(st.characters() | st.characters(codec="ascii"), max_size=200))
def test_tokens_of_any_characters(name: str, text: str) -> None:
    assert TOKENIZERS[name](text) == DEFINITIONS[name](text)


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize(
    "text",
    [
        "a.b@c.d.e@f.g and a@b.c@d.e x.@y.z, +a@b.c",
        ":-D.a@b.c 1,2.a@b.c o'clock.a@b.c it's.a@b.c don't.a@b.c @a.b@c.d",
        "www.a.b@c.d/e http://a@b.c www.+++a@b.c a@b a@.c @b.c a@b.+",
        "e\u0301+é@ö.ü \u0301@b.c 👍a@b.c א\u05b0+ב@ג.ד",
    ],
)
def test_addresses(name: str, text: str) -> None:
    assert TOKENIZERS[name](text) == DEFINITIONS[name](text)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_tokens_of_this_repository(name: str) -> None:
    root = Path(__file__).parents[2]
    for path in [root / "README.md", *(root / "docs").rglob("*.md")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert TOKENIZERS[name](line) == DEFINITIONS[name](line)


@pytest.mark.parametrize("name", DEFINITIONS)
@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(ASCII + OTHER), max_size=2).map("".join),
    st.lists(st.sampled_from(ASCII + OTHER), min_size=1, max_size=3).map("".join),
    st.lists(st.sampled_from(ASCII + OTHER), max_size=2).map("".join),
)
@example("", "a+", "")
def test_time_per_character_is_that_of_a_short_text(
    name: str, start: str, unit: str, end: str
) -> None:
    tokenize = TOKENIZERS[name]

    def seconds(length: int) -> float:
        """Return the CPU time of a text of `length` characters, per character."""
        text = start + unit * (length // len(unit)) + end
        begin = time.process_time()
        tokenize(text)
        return (time.process_time() - begin) / length

    n = 4_000
    for _ in range(5):  # the other processes of a busy machine disturb some attempts
        short, *longer = (min(seconds(k * n) for _ in range(3)) for k in (1, 2, 4))
        # Quadratic: at least 2 and 4 times as long. 1 us is above the slowest token.
        if max(longer) < 2.5 * short + 1e-6:
            return
    raise AssertionError(f"{start!r}, {unit!r}, {end!r}: {short}, {longer} s")
