"""Tag schemes of entities: IO, IOB1, BIO2, IOBES and BILOU, told apart, to BIO2.

An entity of three tokens, one of one token right after it, both of type X::

    IO     I-X I-X I-X I-X      touching entities of one type run together
    IOB1   I-X I-X I-X B-X      B- only where two of one type touch
    BIO2   B-X I-X I-X B-X      B- at every beginning
    IOBES  B-X I-X E-X S-X      the end and the single token are marked too
    BILOU  B-X I-X L-X U-X      the same with other letters

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

    def __init__(self, position: int, expected: str, got: str):
        """Say what is wrong.

        Args:
            position: the tag's place in its sentence, from 0.
            expected: what should stand there.
            got: the tag.
        """
        super().__init__(f"expected {expected}, got {got!r} at token {position}")
        self.position = position
        self.expected = expected
        self.got = got


def detect(sequences: Iterable[Sequence[str]]) -> str:
    """Return the scheme of a whole column of tags.

    A column may break its own scheme: then the scheme of the most entities is
    returned, and `to_bio2` points at the tag.

    Args:
        sequences: the tags of each sentence; read once, none is kept.

    Raises:
        TagError: if a tag is neither ``O`` nor like ``B-PER``.
    """
    count = collections.Counter()
    for tags in sequences:
        previous = ("O", "")
        for position, tag in enumerate(tags):
            prefix, kind = _split(position, tag)
            inside = previous[0] in "BI" and previous[1] == kind
            count[prefix] += 1
            count["BI"[prefix == "I"] + " opens"] += prefix in "BI" and not inside
            previous = (prefix, kind)
    if count["E"] or count["S"] or count["L"] or count["U"]:
        return (
            "IOBES" if count["E"] + count["S"] >= count["L"] + count["U"] else "BILOU"
        )
    if count["I opens"] > count["B opens"]:
        return "IOB1" if count["B"] else "IO"
    return "BIO2"


def to_bio2(tags: Sequence[str], scheme: str) -> list[str]:
    """Return the tags of one sentence in BIO2.

    Args:
        tags: the tags.
        scheme: their scheme, one of `SCHEMES`.

    Raises:
        TagError: if a tag is none of that scheme, or stands where it may not.
        ValueError: if there is no such scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    closed = scheme in ("IOBES", "BILOU")
    found = []
    open_type = None  # of the entity that the next token may continue
    for position, tag in enumerate(tags):
        prefix, kind = _split(position, tag)
        if scheme == "BILOU":
            prefix = {"L": "E", "U": "S", "E": "?", "S": "?"}.get(prefix, prefix)
        goes_on = kind == open_type
        if closed and open_type is not None and not (goes_on and prefix in "IE"):
            wanted = f"I-{open_type} or {'L' if scheme == 'BILOU' else 'E'}-{open_type}"
            raise TagError(position, f"{wanted} ({scheme})", tag)
        if not _allowed(prefix, goes_on, scheme):
            raise TagError(position, f"a tag that {scheme} allows here", tag)
        if prefix == "O":
            found.append("O")
        else:
            begins = prefix in "BS" or not goes_on
            found.append(f"{'B' if begins else 'I'}-{kind}")
        open_type = None if prefix in "OES" else kind
    if closed and open_type is not None:
        last = len(tags) - 1
        raise TagError(
            last, f"an entity that ends in its sentence ({scheme})", tags[-1]
        )
    return found


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities of BIO2 tags: (type, first token, one past the last).

    Args:
        tags: the tags of one sentence.

    Raises:
        TagError: if they are not BIO2.
    """
    found = []
    for position, tag in enumerate(to_bio2(tags, "BIO2")):
        if tag[0] == "B":
            found.append((tag[2:], position, position + 1))
        elif tag[0] == "I":
            found[-1] = (*found[-1][:2], position + 1)
    return found


def _allowed(prefix: str, goes_on: bool, scheme: str) -> bool:
    """Whether a tag may stand after one of its own entity, or after another."""
    match scheme:
        case "IO":
            return prefix in "OI"
        case "IOB1":
            return prefix in "OI" or prefix == "B" and goes_on
        case "BIO2":
            return prefix in "OB" or prefix == "I" and goes_on
        case _:
            return prefix in "OBS" or prefix in "IE" and goes_on


def _split(position: int, tag: str) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    match = _TAG.fullmatch(tag)
    if not match:
        raise TagError(position, "an entity tag, O or like B-PER", tag)
    return match[1], match[2]
