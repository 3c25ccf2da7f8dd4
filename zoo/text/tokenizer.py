"""The word tokenizer, and the shape of a word."""

import re

# Alternatives are tried in this order: a token comes before its parts.
_TOKEN = re.compile(
    r"""
      (?:https?://|www\.)\S+[\w/]                     # URLs and e-mail addresses
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+
    | [@\#]\w+                                        # handles and hashtags
    | (?:[:;=8][-o']?[)(\]\[dDpP/\\|]|<3)(?!\w)       # emoticons
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

    ``"Don't panic, it's 5.30!"`` becomes ``Do n't panic , it 's 5.30 !``. Every
    character except white space is kept.

    Args:
        text: any text.
    """
    return _TOKEN.findall(text)


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
