"""Schemes of entity tags: IOB1, BIO2, IOBES, BILOU and I-only, all to BIO2."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

Scheme = Literal["BIO2", "IOB1", "IOBES"]
TAG = re.compile(r"O|[BIESLU]-.+")


class SchemeError(ValueError):
    """Tags that belong to no scheme.

    Attributes:
        row: number of the sentence.
        token: number of the word in it.
    """

    def __init__(self, row: int, token: int, message: str) -> None:
        """Say where, and what is wrong.

        Args:
            row: number of the sentence.
            token: number of the word in it.
            message: what was found and what was expected.
        """
        super().__init__(message)
        self.row, self.token = row, token


def detect(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Tell the scheme from all tags of a file.

    Args:
        sentences: the tags of each.

    Returns:
        ``"IOBES"`` if there are single-word or final tags (BILOU counts as this),
        ``"IOB1"`` if entities begin with ``I-`` (I-only tags are the same), else
        ``"BIO2"``.

    Raises:
        SchemeError: at a tag that is none, or that mixes two schemes.
    """
    single = False
    inside_first: tuple[int, int, str] | None = None
    begin_first: tuple[int, int, str] | None = None
    for row, tags in enumerate(sentences):
        before = "O"
        for k, tag in enumerate(tags):
            if TAG.fullmatch(tag) is None:
                raise SchemeError(
                    row, k, f"expected O or a tag such as B-PER, got {tag!r}"
                )
            single |= tag[0] in "ESLU"
            begins = tag != "O" and before[2:] != tag[2:]
            if begins and tag[0] == "I" and inside_first is None:
                inside_first = row, k, tag
            if begins and tag[0] == "B" and begin_first is None:
                begin_first = row, k, tag
            before = tag
    if single:
        return "IOBES"
    if inside_first is None:
        return "BIO2"
    if begin_first is None:
        return "IOB1"
    row, k, tag = inside_first
    raise SchemeError(
        row,
        k,
        f"{tag} begins an entity here, while elsewhere {begin_first[2]} does: expected "
        "one scheme, BIO2 (B- begins each entity), IOB1 or IOBES",
    )


def to_bio2(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Return the tags of a sentence in BIO2.

    Args:
        tags: in the scheme.
        scheme: as `detect` tells it.
    """
    found = []
    before = "O"
    for tag in tags:
        kind = tag[2:]
        if tag == "O" or tag[0] == "B":
            found.append(tag)
        elif tag[0] in "SU":
            found.append(f"B-{kind}")
        else:
            follows = before != "O" and before[2:] == kind and before[0] not in "ESLU"
            found.append(f"{'I' if follows else 'B'}-{kind}")
        before = tag
    return found
