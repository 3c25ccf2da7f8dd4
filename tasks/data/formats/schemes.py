"""Tag schemes of entities: detection, and conversion to BIO2.

An entity of three tokens, then an adjacent entity of one token, both of type X::

    IO     I-X I-X I-X I-X      adjacent entities of one type are merged
    IOB1   I-X I-X I-X B-X      B- only between adjacent entities of one type
    BIO2   B-X I-X I-X B-X      B- at the start of every entity
    IOBES  B-X I-X E-X S-X      also marks the end, and a single token
    BILOU  B-X I-X L-X U-X      as IOBES, with other letters

Sources: Ramshaw and Marcus (1995, cmp-lg/9505040) for IOB1; Tjong Kim Sang and
Veenstra (1999, cs/9907006) for BIO2; Ratinov and Roth (2009, W09-1119) for BILOU.
"""

import collections
import re
from collections.abc import Iterable, Sequence

SCHEMES = ("IO", "IOB1", "BIO2", "IOBES", "BILOU")
_TAG = re.compile(r"([BIESLU])-(.+)", re.S)


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

    If the tags break every scheme, the scheme of most entities is returned, and
    `to_bio2` raises an error for the invalid tag.

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
    iobes, bilou = count["E"] + count["S"], count["L"] + count["U"]
    if iobes or bilou:
        return "IOBES" if iobes >= bilou else "BILOU"
    if count["I starts"] > count["B starts"]:
        return "IOB1" if count["B"] else "IO"
    return "BIO2"


def to_bio2(tags: Sequence[str], scheme: str) -> list[str]:
    """Return the tags of one sentence in BIO2.

    Args:
        tags: the tags.
        scheme: their scheme, one of `SCHEMES`.

    Raises:
        TagError: if the scheme does not allow a tag, or not at its position.
        ValueError: if there is no such scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    marks_end = scheme in ("IOBES", "BILOU")
    bio2 = []
    open_type = None  # type of the entity that the next token may continue
    for position, tag in enumerate(tags):
        prefix, kind = _parse(position, tag)
        if scheme == "BILOU":
            prefix = {"L": "E", "U": "S", "E": "?", "S": "?"}.get(prefix, prefix)
        same_type = kind == open_type
        if marks_end and open_type is not None and not (same_type and prefix in "IE"):
            end = "L" if scheme == "BILOU" else "E"
            expected = f"I-{open_type} or {end}-{open_type} ({scheme})"
            raise TagError(position, expected, tag)
        if not _allowed(prefix, same_type, scheme):
            raise TagError(position, f"a tag that {scheme} allows here", tag)
        if prefix == "O":
            bio2.append("O")
        else:
            starts = prefix in "BS" or not same_type
            bio2.append(f"{'B' if starts else 'I'}-{kind}")
        open_type = None if prefix in "OES" else kind
    if marks_end and open_type is not None:
        expected = f"an entity that ends in its sentence ({scheme})"
        raise TagError(len(tags) - 1, expected, tags[-1])
    return bio2


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of BIO2 tags: ``(type, start, stop)`` in tokens.

    Args:
        tags: the tags of one sentence.

    Raises:
        TagError: if they are not BIO2.
    """
    spans = []
    for position, tag in enumerate(to_bio2(tags, "BIO2")):
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
    if tag == "O":
        return "O", ""
    match = _TAG.fullmatch(tag)
    if not match:
        raise TagError(position, "an entity tag, O or like B-PER", tag)
    return match[1], match[2]
