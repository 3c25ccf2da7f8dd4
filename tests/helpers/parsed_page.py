"""HTML pages as a list of elements, for assertions on reports."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "image", "use", "path", "rect", "line"}


@dataclass(eq=False)
class Element:
    """An element of a page.

    Attributes:
        tag: its name.
        attributes: by name.
        ancestors: from the outermost on.
        text: all text inside.
    """

    tag: str
    attributes: dict[str, str | None]
    ancestors: list["Element"] = field(repr=False)
    text: str = ""


class Page(HTMLParser):
    """A parsed page; fails if an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[Element] = []
        self.elements: list[Element] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), list(self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop().tag == tag, "an element is not closed"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(
        self, tag: str, class_: str = "", within: Element | None = None
    ) -> list[Element]:
        """Return the elements with a tag, and with a class if one is given.

        Args:
            tag: name of the elements.
            class_: one of their classes.
            within: an ancestor of the elements.
        """
        return [
            e
            for e in self.elements
            if e.tag == tag
            and (not class_ or class_ in (e.attributes.get("class") or "").split())
            and (within is None or within in e.ancestors)
        ]

    def table(self, class_: str = "") -> list[list[str]]:
        """Return the texts of the cells of the only table with a class.

        Args:
            class_: of the table.
        """
        (table,) = self.all("table", class_)
        return [
            [
                e.text
                for e in self.elements
                if e.tag in ("td", "th") and row in e.ancestors
            ]
            for row in self.all("tr", within=table)
        ]
