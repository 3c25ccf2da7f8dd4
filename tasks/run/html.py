"""HTML pages in one file: text is escaped, nothing is loaded and no script runs."""

import html
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

# The browser enforces that the page loads nothing and runs nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MAX_ERRORS = 20  # shown on a page

Scale = Literal["uncertainty", "signed", "weight"]


class Html(str):
    """Markup. Any other string is text, and is escaped."""


class Section(NamedTuple):
    """A section of a page.

    Attributes:
        title: the heading.
        body: the content.
    """

    title: str
    body: Html


class Token(NamedTuple):
    """A piece of text, coloured by a number.

    Attributes:
        text: the text.
        strength: from 0 to 1; on the signed scale from -1 to 1.
        tooltip: shown under the mouse.
        marked: whether the token is underlined, as an error.
    """

    text: str
    strength: float = 0.0
    tooltip: str = ""
    marked: bool = False


def tag(name: str, /, *children: str, **attributes: str) -> Html:
    """Return an element.

    Args:
        name: of the element.
        *children: `Html` is kept, other strings are escaped.
        **attributes: by name; a trailing ``_`` is dropped, as in ``class_``.
    """
    pairs = "".join(
        f' {key.rstrip("_")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{pairs}>{join(*children)}</{name}>")


def join(*parts: str) -> Html:
    """Return the concatenation of parts.

    Args:
        *parts: `Html` is kept, other strings are escaped.
    """
    return Html("".join(p if isinstance(p, Html) else html.escape(p) for p in parts))


def format_value(value: Any) -> str:
    """Return a value as text: four decimals, thousands separators.

    Args:
        value: a score, a count or a text.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value if isinstance(value, str) else str(value)
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "") -> Html:
    """Return a table; numbers are aligned to the right.

    Args:
        head: names of the columns; empty for a table without a header.
        rows: texts, numbers, None for an empty cell, or `Html`.
        kind: class of the element.
    """

    def cell(value: Any) -> Html:
        if value is None:
            return tag("td")
        options = {"class_": "number"} if _is_number(value) else {}
        text = value if isinstance(value, Html) else format_value(value)
        return tag("td", text, **options)

    body = [list(row) for row in rows]
    names = []
    for k, name in enumerate(head):
        numeric = any(_is_number(row[k]) for row in body)
        options = {"class_": "number"} if numeric else {}
        names.append(tag("th", name, scope="col", **options))
    lines = [tag("tr", *map(cell, row)) for row in body]
    top = tag("thead", tag("tr", *names)) if names else Html("")
    options = {"class_": kind} if kind else {}
    element = tag("table", top, tag("tbody", *lines), **options)
    return tag("div", element, class_="scroll")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def key_figures(values: dict[str, Any]) -> Html:
    """Return the most important numbers of a page, as tiles.

    Args:
        values: by name.
    """
    tiles = [
        tag("div", tag("dt", name), tag("dd", format_value(value)))
        for name, value in values.items()
    ]
    return tag("dl", *tiles, class_="tiles")


def confusion_matrix(counts: np.ndarray, labels: Sequence[str]) -> Html:
    """Return a confusion matrix, coloured by the fraction of each true class.

    Args:
        counts: ``[K, K]``; rows are the true classes.
        labels: K names.
    """
    head = [tag("th", "true \\ predicted")]
    head += [tag("th", label, scope="col") for label in labels]
    lines = []
    for i, row in enumerate(counts):
        total = max(int(row.sum()), 1)
        cells = [tag("th", labels[i], scope="row")]
        for j, count in enumerate(row.tolist()):
            kind = "weight correct" if i == j else "weight"
            style = {"style": f"--a:{count / total:.2f}"} if count else {}
            text = f"{count:,}" if count else ""
            cells.append(tag("td", text, class_=kind, **style))
        lines.append(tag("tr", *cells))
    body = tag("tbody", *lines)
    element = tag("table", tag("thead", tag("tr", *head)), body, class_="matrix")
    return tag("div", element, class_="scroll")


def coloured_text(pieces: Iterable[Token], scale: Scale, *, gap: str = " ") -> Html:
    """Return a paragraph of coloured tokens.

    Args:
        pieces: the tokens.
        scale: of the colours.
        gap: between two tokens; empty for characters, whose white space is kept.
    """
    parts: list[str] = []
    for piece in pieces:
        options = {}
        # An invisible colour is left out: most tokens of most texts have one.
        if abs(piece.strength) >= 0.005:
            options["style"] = f"--a:{min(abs(piece.strength), 1.0):.2f}"
        if piece.strength < 0:
            options["class_"] = "negative"
        if piece.tooltip:
            options["title"] = piece.tooltip
        name = "mark" if piece.marked else "span"
        parts += [tag(name, piece.text, **options), gap]
    kind = f"tokens {scale}" if gap else f"tokens characters {scale}"
    return tag("p", *parts[:-1], class_=kind)


def legend(scale: Scale, low: str, high: str) -> Html:
    """Return the legend of a colour scale.

    Args:
        scale: of the colours.
        low: meaning of strength 0; on the signed scale of -1.
        high: meaning of strength 1.
    """
    if scale == "signed":
        spans = [tag("span", low, style="--a:1", class_="negative")]
    else:
        spans = [tag("span", low, style="--a:0"), tag("span", "…", style="--a:.5")]
    spans.append(tag("span", high, style="--a:1"))
    return tag("p", *spans, class_=f"legend {scale}")


def visible(character: str) -> str:
    """Return a visible symbol for white space, any other character unchanged.

    Args:
        character: a token of a text.
    """
    return {" ": "␣", "\n": "⏎", "\t": "⇥"}.get(character, character)


def error_list(items: Iterable[tuple[Html, Html]]) -> Html:
    """Return a numbered list of errors.

    Args:
        items: of each error a heading, and its context.
    """
    return tag(
        "ol",
        *(tag("li", tag("p", head), body) for head, body in items),
        class_="errors",
    )


def figure(svg: str, description: str, caption: str = "") -> Html:
    """Return a figure; with a caption it keeps its size and scrolls if too wide.

    Args:
        svg: the chart, from `zoo.tasks.run.charts.render_svg`.
        description: alternative text for screen readers.
        caption: below the chart.
    """
    label = f'<svg role="img" aria-label="{html.escape(description)}"'
    chart = Html(svg.replace("<svg", label, 1))
    if not caption:
        return tag("figure", chart)
    scrollable = tag("div", chart, class_="scroll")
    return tag("figure", scrollable, tag("figcaption", caption))


def page(title: str, lead: Html, sections: Sequence[Section]) -> str:
    """Return a complete HTML document with links to its sections.

    Args:
        title: of the page.
        lead: below the title.
        sections: in order.
    """
    links, parts = [], []
    for k, section in enumerate(sections):
        name = f"s{k + 1}"
        links += [tag("a", section.title, href=f"#{name}"), " "]
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
    top = tag("header", tag("h1", title), lead, tag("nav", *links))
    return f"{head}<body>\n{top}\n{tag('main', *parts)}\n</body>\n</html>\n"
