"""A page of HTML in one file: text is escaped, nothing is fetched, nothing runs."""

import html
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

# The browser itself keeps the page from fetching and running anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
WORST = 20  # errors that are shown

Scale = Literal["doubt", "signed", "share"]


class Html(str):
    """Markup. Any other string is text, and is escaped."""


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: its heading.
        body: its content.
    """

    title: str
    body: Html


class Token(NamedTuple):
    """A piece of a text that is coloured by a number.

    Attributes:
        text: as it is read.
        strength: from 0 to 1; on a signed scale from -1.
        told: what is shown where the mouse rests.
        marked: whether it is the one to look at.
    """

    text: str
    strength: float = 0.0
    told: str = ""
    marked: bool = False


def tag(name: str, /, *children: str, **attributes: str) -> Html:
    """Return an element.

    Args:
        name: of the element.
        *children: `Html` as it is, other strings escaped.
        **attributes: by name; a trailing ``_`` is dropped, so that ``class_`` can be
            given.
    """
    told = "".join(
        f' {key.rstrip("_")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{told}>{join(*children)}</{name}>")


def join(*parts: str) -> Html:
    """Return parts one after the other.

    Args:
        *parts: `Html` as it is, other strings escaped.
    """
    return Html("".join(p if isinstance(p, Html) else html.escape(p) for p in parts))


def shown(value: Any) -> str:
    """Return a value as a table shows it.

    Args:
        value: a score, a count or a text.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value if isinstance(value, str) else str(value)
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "") -> Html:
    """Return a table; numbers stand to the right.

    Args:
        head: names of the columns; none where they need none.
        rows: texts, numbers or `Html`.
        kind: class of the element.
    """

    def cell(value: Any) -> Html:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        more = {"class_": "number"} if number else {}
        return tag("td", value if isinstance(value, Html) else shown(value), **more)

    body = [list(row) for row in rows]
    right = [
        bool(body) and isinstance(body[0][k], int | float) for k in range(len(head))
    ]
    names = [
        tag("th", name, scope="col", **({"class_": "number"} if right[k] else {}))
        for k, name in enumerate(head)
    ]
    lines = [tag("tr", *map(cell, row)) for row in body]
    top = tag("thead", tag("tr", *names)) if names else Html("")
    more = {"class_": kind} if kind else {}
    whole = tag("table", top, tag("tbody", *lines), **more)
    return tag("div", whole, class_="scroll")


def figures(values: dict[str, Any]) -> Html:
    """Return a few numbers that are to be seen first.

    Args:
        values: by name.
    """
    cells = [
        tag("div", tag("dt", name), tag("dd", shown(value)))
        for name, value in values.items()
    ]
    return tag("dl", *cells, class_="figures")


def matrix(counts: np.ndarray, labels: Sequence[str]) -> Html:
    """Return a confusion matrix, coloured by the share of each row.

    Args:
        counts: ``[K, K]``, rows are the true classes.
        labels: K names.
    """
    head = [tag("th", "true \\ predicted")]
    head += [tag("th", label, scope="col") for label in labels]
    lines = []
    for i, row in enumerate(counts):
        total = max(int(row.sum()), 1)
        cells = [tag("th", labels[i], scope="row")]
        for j, count in enumerate(row.tolist()):
            kind = "share right" if i == j else "share"
            style = {"style": f"--a:{count / total:.2f}"} if count else {}
            told = f"{count:,}" if count else ""
            cells.append(tag("td", told, class_=kind, **style))
        lines.append(tag("tr", *cells))
    body = tag("tbody", *lines)
    whole = tag("table", tag("thead", tag("tr", *head)), body, class_="matrix")
    return tag("div", whole, class_="scroll")


def tokens(pieces: Iterable[Token], scale: Scale, *, gap: str = " ") -> Html:
    """Return a text whose pieces are coloured.

    Args:
        pieces: in their order.
        scale: ``"doubt"``, ``"signed"`` or ``"share"``: of the colours.
        gap: what stands between two pieces; where it is nothing, they are letters, and
            all white space is kept.
    """
    parts: list[str] = []
    for piece in pieces:
        more = {}
        # What would not be seen is left out: most pieces of most texts.
        if abs(piece.strength) >= 0.005:
            more["style"] = f"--a:{min(abs(piece.strength), 1.0):.2f}"
        if piece.strength < 0:
            more["class_"] = "down"
        if piece.told:
            more["title"] = piece.told
        parts += [tag("mark" if piece.marked else "span", piece.text, **more), gap]
    kind = f"tokens {scale}" if gap else f"tokens letters {scale}"
    return tag("p", *parts[:-1], class_=kind)


def key(scale: Scale, *ends: str) -> Html:
    """Return what the colours of a scale mean.

    Args:
        scale: of the colours.
        *ends: what the least and the most of it mean; of a signed scale the most below
            zero and the most above.
    """
    low, high = ends
    down = {"class_": "down"} if scale == "signed" else {}
    least = "1" if scale == "signed" else "0"
    spans = [tag("span", low, style=f"--a:{least}", **down)]
    if scale != "signed":
        spans.append(tag("span", "…", style="--a:.5"))
    spans.append(tag("span", high, style="--a:1"))
    return tag("p", *spans, class_=f"key {scale}")


def visible(letter: str) -> str:
    """Return a letter so that it can be seen, also where it is white space.

    Args:
        letter: one unit of a text.
    """
    return {" ": "␣", "\n": "⏎", "\t": "⇥"}.get(letter, letter)


def errors(found: Iterable[tuple[Html, Html]]) -> Html:
    """Return a list of errors.

    Args:
        found: of each what is wrong, and where.
    """
    return tag(
        "ol",
        *(tag("li", tag("p", head), body) for head, body in found),
        class_="errors",
    )


def picture(svg: str, told: str, caption: str = "") -> Html:
    """Return a drawing; one with a caption keeps its size, and scrolls where it must.

    Args:
        svg: the drawing, as `tasks.run.figures.svg` gives it.
        told: what is on it, for who cannot see it.
        caption: what stands below.
    """
    label = f'<svg role="img" aria-label="{html.escape(told)}"'
    drawn = Html(svg.replace("<svg", label, 1))
    if not caption:
        return tag("figure", drawn)
    whole = tag("div", drawn, class_="scroll")
    return tag("figure", whole, tag("figcaption", caption))


def page(title: str, lead: Html, sections: Sequence[Section]) -> str:
    """Return the whole page.

    Args:
        title: of the page.
        lead: what stands below the title.
        sections: in their order.
    """
    links, parts = [], []
    for k, section in enumerate(sections):
        name = f"s{k + 1}"
        links.append(tag("a", section.title, href=f"#{name}"))
        heading = tag("h2", section.title)
        parts.append(tag("section", heading, section.body, id=name))
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    head = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
{tag("title", title)}
<style>
{css}</style>
</head>
"""
    top = tag("header", tag("h1", title), lead, tag("nav", *_spaced(links)))
    return f"{head}<body>\n{top}\n{tag('main', *parts)}\n</body>\n</html>\n"


def _spaced(parts: Sequence[Html]) -> list[str]:
    return [piece for part in parts for piece in (part, " ")]
