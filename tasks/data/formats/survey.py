"""Rows from the results of a parser, and the notes about a file."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from zoo.tasks.data.formats import schemes
from zoo.tasks.data.formats.errors import FormatError
from zoo.tasks.data.formats.reading import Kind, Parsed, Remark, Sentence

MAX_LISTED_LINES = 20  # of bad rows


class Survey(NamedTuple):
    """What is known of a file after reading it once.

    Attributes:
        scheme: tag scheme of the entities; None for other kinds of rows.
        remarks: what was left out or repaired, for the user.
    """

    scheme: str | None
    remarks: tuple[str, ...]


def survey(
    where: Path | str,
    kind: Kind,
    parse: Callable[[], Iterable[Parsed]],
    *,
    skip_bad_rows: bool = False,
) -> Survey:
    """Return the tag scheme of a file, and the remarks on it.

    Args:
        where: the file, for messages.
        kind: the kind of the rows.
        parse: returns the parsed rows; it may be called twice.
        skip_bad_rows: leave out rows that break the format, instead of an error.

    Raises:
        FormatError: if a row breaks the format.
    """
    name = Path(where).name if isinstance(where, Path) else where
    lines: dict[str, list[int]] = {}
    bad: list[tuple[int | None, str]] = []  # line and message of the first bad rows
    num_bad = 0

    def tags() -> Iterator[list[str]]:
        nonlocal num_bad
        for item in parse():
            if isinstance(item, Remark):
                lines.setdefault(item.what, []).append(item.line)
                continue
            if isinstance(item, Sentence) and kind == "entities":
                item = _check_tags(where, item)
            if isinstance(item, FormatError):
                if not skip_bad_rows:
                    raise item
                num_bad += 1
                if num_bad <= MAX_LISTED_LINES:
                    bad.append((item.line, str(item)))
            elif isinstance(item, Sentence):
                yield item.tags

    scheme = None
    if kind == "entities":
        scheme = schemes.detect(tags())
        if scheme not in ("IO", "IOB1"):
            what = f"tags that break {scheme}, read as conlleval reads them"
            if stray := list(_violations(scheme, parse())):
                lines[what] = stray
    else:
        for _ in tags():
            pass
    remarks = [
        f"{what}: {len(numbers)}, the first at {name}:{numbers[0]}"
        for what, numbers in lines.items()
    ]
    if bad:
        numbers = ", ".join(str(line) for line, _ in bad)
        more = ", ..." if num_bad > len(bad) else ""
        remarks.append(
            f"bad rows left out of {name}: {num_bad}, in lines {numbers}{more} (the "
            f"first: {bad[0][1]})"
        )
    return Survey(scheme, tuple(remarks))


def to_rows(
    where: Path | str,
    scheme: str | None,
    parsed: Iterable[Parsed],
    *,
    skip_bad_rows: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield rows as dicts, with entities converted to BIO2.

    Args:
        where: the file, for error messages.
        scheme: tag scheme of the entities; None leaves the tags unchanged.
        parsed: what a parser yields.
        skip_bad_rows: leave out rows that break the format, instead of an error.

    Raises:
        FormatError: if a row breaks the format.
    """
    for item in parsed:
        if isinstance(item, Sentence) and scheme:
            item = _check_tags(where, item)
        if isinstance(item, FormatError):
            if not skip_bad_rows:
                raise item
        elif isinstance(item, Sentence):
            tags = schemes.to_bio2(item.tags, scheme) if scheme else item.tags
            yield {"tokens": item.tokens, "tags": tags}
        elif not isinstance(item, Remark):
            yield item


def _check_tags(where: Path | str, sentence: Sentence) -> Sentence | FormatError:
    """Return a sentence; or the error, if a tag is not an entity tag."""
    try:
        schemes.check(sentence.tags)
    except schemes.TagError as error:
        line = sentence.lines[error.position]
        return FormatError(where, line, error.expected, error.got)
    return sentence


def _violations(scheme: str, parsed: Iterable[Parsed]) -> Iterator[int]:
    """Yield the line of each tag that breaks the scheme, of the readable sentences."""
    for item in parsed:
        if isinstance(item, Sentence) and any(tag != "O" for tag in item.tags):
            try:
                positions = schemes.violations(item.tags, scheme)
            except schemes.TagError:
                continue  # the sentence is left out
            yield from (item.lines[position] for position in positions)
