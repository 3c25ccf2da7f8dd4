"""Tag schemes of entities: detection, and conversion to BIO2.

An entity of three tokens, then an adjacent entity of one token, both of type X::

    IO     I-X I-X I-X I-X      adjacent entities of one type are merged
    IOB1   I-X I-X I-X B-X      B- only between adjacent entities of one type
    BIO2   B-X I-X I-X B-X      B- at the start of every entity
    IOBES  B-X I-X E-X S-X      also marks the end, and a single token
    BILOU  B-X I-X L-X U-X      as IOBES, with other letters
    BMES   B-X M-X E-X S-X      as IOBES, with M for I; usual in Chinese corpora

A tag that breaks its scheme is read as the evaluation script of CoNLL (conlleval) reads
it: an entity begins at B-, S- and U-, and at any other tag that does not continue an
open entity of the same type.

Sources: Ramshaw and Marcus (1995, cmp-lg/9505040) for IOB1; Tjong Kim Sang and
Veenstra (1999, cs/9907006) for BIO2; Ratinov and Roth (2009, W09-1119) for BILOU.
"""

import collections
import functools
import re
from collections.abc import Iterable, Sequence

SCHEMES = ("IO", "IOB1", "BIO2", "IOBES", "BILOU", "BMES")
_TAG = re.compile(r"([BIESLUM])-(.+)", re.S)
ENTITY_TAG = re.compile(r"O|[BIESLUM]-.+", re.S)
_UNDERSCORE = re.compile(r"[BIESLUM]_.+", re.S)
_PREFIX_LAST = re.compile(r".+[-_][BIESLUM]", re.S)
# The letters of every scheme as those of IOBES, and the letters that a scheme has.
_IOBES = {"L": "E", "U": "S", "M": "I"}
_LETTERS = {"IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES"}


class TagError(ValueError):
    """A tag that its scheme does not allow."""

    def __init__(self, position: int, expected: str, got: str) -> None:
        """Build the message.

        Args:
            position: index of the tag in its sentence, from 0.
            expected: what was expected.
            got: the tag.
        """
        super().__init__(f"expected {expected}, got {got!r} at token {position}")
        self.position = position
        self.expected = expected
        self.got = got


def detect(sequences: Iterable[Sequence[str]]) -> str:
    """Return the scheme of a file, from all of its tags.

    If the tags break every scheme, the scheme of most entities is returned.

    Args:
        sequences: the tags of each sentence. The iterable is read once; no sentence is
            kept.

    Raises:
        TagError: if a tag is neither ``O`` nor like ``B-PER``.
    """
    count: collections.Counter[str] = collections.Counter()
    for tags in sequences:
        previous = ("O", "")
        for position, tag in enumerate(tags):
            prefix, kind = _parse(position, tag)
            inside = previous[0] in "BI" and previous[1] == kind
            count[prefix] += 1
            if prefix in "BI" and not inside:
                count[f"{prefix} starts"] += 1
            previous = (prefix, kind)
    if count["M"]:
        return "BMES"
    iobes, bilou = count["E"] + count["S"], count["L"] + count["U"]
    if iobes or bilou:
        return "IOBES" if iobes >= bilou else "BILOU"
    if count["I starts"] > count["B starts"]:
        return "IOB1" if count["B"] else "IO"
    return "BIO2"


def check(tags: Sequence[str]) -> None:
    """Raise an error if a tag of a sentence is no entity tag.

    Args:
        tags: the tags.

    Raises:
        TagError: if a tag is neither ``O`` nor like ``B-PER``.
    """
    for position, tag in enumerate(tags):
        _parse(position, tag)


def to_bio2(tags: Sequence[str], scheme: str) -> list[str]:
    """Return the tags of one sentence in BIO2.

    A tag that breaks the scheme is read as conlleval reads it; see `violations`.

    Args:
        tags: the tags.
        scheme: their scheme, one of `SCHEMES`.

    Raises:
        TagError: if a tag is neither ``O`` nor like ``B-PER``.
        ValueError: if there is no such scheme.
    """
    _check_scheme(scheme)
    bio2 = []
    open_type = None  # type of the entity that the next token may continue
    for position, tag in enumerate(tags):
        prefix, kind = _parse(position, tag)
        prefix = _IOBES.get(prefix, prefix)
        starts = prefix in "BS" or kind != open_type
        bio2.append("O" if prefix == "O" else f"{'B' if starts else 'I'}-{kind}")
        open_type = None if prefix in "OES" else kind
    return bio2


def violations(tags: Sequence[str], scheme: str) -> list[int]:
    """Return the positions of the tags of one sentence that break a scheme.

    An entity without an end, in a scheme that marks the ends, counts at the next tag,
    or at the last tag of the sentence.

    Args:
        tags: the tags.
        scheme: their scheme, one of `SCHEMES`.

    Raises:
        TagError: if a tag is neither ``O`` nor like ``B-PER``.
        ValueError: if there is no such scheme.
    """
    _check_scheme(scheme)
    marks_end = scheme in _LETTERS
    invalid = []
    open_type = None
    for position, tag in enumerate(tags):
        letter, kind = _parse(position, tag)
        prefix = _IOBES.get(letter, letter) if marks_end else letter
        same_type = kind == open_type
        unended = marks_end and open_type is not None
        unended = unended and not (same_type and prefix in "IE")
        foreign = marks_end and letter not in "O" + _LETTERS[scheme]
        if unended or foreign or not _allowed(prefix, same_type, scheme):
            invalid.append(position)
        open_type = None if prefix in "OES" else kind
    if marks_end and open_type is not None and len(tags) - 1 not in invalid:
        invalid.append(len(tags) - 1)
    return invalid


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of BIO2 tags: ``(type, start, stop)`` in tokens.

    Args:
        tags: the tags of one sentence.

    Raises:
        TagError: if they are not BIO2.
    """
    if invalid := violations(tags, "BIO2"):
        raise TagError(invalid[0], "a tag that BIO2 allows here", tags[invalid[0]])
    spans = []
    for position, tag in enumerate(tags):
        if tag[0] == "B":
            spans.append((tag[2:], position, position + 1))
        elif tag[0] == "I":
            spans[-1] = (*spans[-1][:2], position + 1)
    return spans


def _allowed(prefix: str, same_type: bool, scheme: str) -> bool:
    """Return whether a scheme allows a prefix after a tag of the same type, or not."""
    match scheme:
        case "IO":
            return prefix in "OI"
        case "IOB1":
            return prefix in "OI" or prefix == "B" and same_type
        case "BIO2":
            return prefix in "OB" or prefix == "I" and same_type
        case _:
            return prefix in "OBS" or prefix in "IE" and same_type


def _parse(position: int, tag: str) -> tuple[str, str]:
    """Return the prefix and the type of a tag."""
    parts = _split(tag)
    if parts is None:
        expected = "an entity tag, O or like B-PER"
        if _UNDERSCORE.fullmatch(tag):
            expected += " (a hyphen after the prefix)"
        elif _PREFIX_LAST.fullmatch(tag):
            expected += " (the prefix before the type)"
        raise TagError(position, expected, tag)
    return parts


@functools.lru_cache(1 << 12)
def _split(tag: str) -> tuple[str, str] | None:
    match = _TAG.fullmatch(tag)
    return ("O", "") if tag == "O" else match and (match[1], match[2])


def _check_scheme(scheme: str) -> None:
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
