"""The word tokenizer in other scripts than Latin, and its versions."""

import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from zoo.text import CURRENT_TOKENIZERS, Text, tokenize, tokenizer
from zoo.text.tokenizer import TOKENIZERS


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("हिन्दी भाषा है।", "हिन्दी भाषा है ।"),
        ("cafe\u0301, it\u0301's", "cafe\u0301 , it\u0301 's"),
        ('שָׁלוֹם צה"ל', 'שָׁלוֹם צה"ל'),
        ("مُحَمَّد ٣٫١٤", "مُحَمَّد ٣٫١٤"),
        (
            "👨\u200d👩\u200d👧🇫🇷🇩🇪👍🏽1\ufe0f\u20e3",
            "👨\u200d👩\u200d👧 🇫🇷 🇩🇪 👍🏽 1\ufe0f\u20e3",
        ),
        ("co\u00adop col·lega", "co\u00adop col·lega"),
        ("我爱北京。", "我 爱 北 京 。"),
        ("日本語のカタカナ", "日 本 語 の カタカナ"),
        ("ภาษา", "ภ า ษ า"),
        ("กำลัง", "กำ ลั ง"),
        ("한국어는 foo.com", "한국어는 foo . com"),
    ],
)
def test_words_of_other_scripts(text: str, tokens: str) -> None:
    assert tokenize(text) == tokens.split()


@pytest.mark.parametrize(
    "text",
    [
        "हिन्दी भाषा है।",
        "我爱北京。",
        "مُحَمَّد ٣٫١٤",
        'שָׁלוֹם צה"ל',
        "한국어는",
        "👨\u200d👩\u200d👧🇫🇷🇩🇪👍🏽",
    ],
)
def test_word_boundaries_are_those_of_unicode(text: str) -> None:
    segments = regex.split(r"(?V1w)\b", text)
    assert tokenize(text) == [segment for segment in segments if segment.strip()]


@given(st.text(st.characters(codec="ascii")))
def test_both_patterns_agree_on_ascii(text: str) -> None:
    assert tokenizer._unicode(text) == tokenizer._english(text)


def test_a_letter_keeps_its_marks() -> None:
    marks = regex.compile(r"\A[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]", regex.V1)
    for text in ["नमस्ते दुनिया", "Вильге\u0301льм", "ﷺ e\u0301\u0302."]:
        assert not any(marks.match(token) for token in tokenize(text))


def test_a_model_keeps_its_tokenizer() -> None:
    sentence = "हिन्दी it's"
    new = Text.build([sentence])
    assert new.split(sentence) == ["हिन्दी", "it", "'s"]
    saved = new.to_json()
    assert saved["tokenizer"] == CURRENT_TOKENIZERS["words"]
    assert Text.from_json(saved).split(sentence) == new.split(sentence)
    spaces = Text.build([sentence], tokenizer="whitespace")
    assert Text.from_json(spaces.to_json()).split(sentence) == ["हिन्दी", "it's"]
    del saved["tokenizer"]  # as saved before tokenizers had versions
    old = Text.from_json(saved)
    assert old.split("हि it's") == re.findall(r"\w+|[^\w\s]", "हि it") + ["'s"]
    assert old.to_json()["tokenizer"] == "words-1"
    with pytest.raises(ValueError, match="no tokenizer 'words-9', expected whitespace"):
        Text.from_json({**saved, "tokenizer": "words-9"})


def test_every_tokenizer_splits_at_white_space() -> None:
    for name in TOKENIZERS:
        assert tokenize(" a\tb\x1c\u3000c\n", name) == ["a", "b", "c"]
