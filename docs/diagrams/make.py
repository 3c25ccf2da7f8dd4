"""Draw the diagrams of the documentation: ``python docs/diagrams/make.py``.

Each diagram is an SVG file without fonts or scripts from elsewhere, on a white ground,
so that it reads the same on a light and on a dark page. The output depends on this file
alone.
"""

from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
INK, GREY = "#24292f", "#8c959f"
BLUE, GREEN, ORANGE, PURPLE = "#ddf4ff", "#dafbe1", "#fff1e5", "#fbefff"


class Diagram:
    """Boxes, arrows and labels on a white ground."""

    def __init__(self, width: int, height: int, title: str) -> None:
        """Start an empty diagram.

        Args:
            width: in pixels.
            height: in pixels.
            title: for readers who cannot see the picture.
        """
        self.size, self.title, self.parts = (width, height), title, []

    def text(
        self, x: float, y: float, text: str, *, size: int = 14, color: str = INK
    ) -> None:
        """Write a line of text, centred at a point."""
        self.parts.append(
            f'<text x="{x:g}" y="{y + size * 0.35:g}" font-size="{size}" '
            f'fill="{color}">{escape(text)}</text>'
        )

    def box(
        self,
        x: float,
        y: float,
        text: str,
        fill: str,
        *,
        width: float = 84,
        height: float = 34,
        faded: bool = False,
    ) -> None:
        """Draw a box centred at a point, dashed and grey if it is `faded`."""
        line, color = (GREY, GREY) if faded else (INK, INK)
        dash = ' stroke-dasharray="4 3"' if faded else ""
        self.parts.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
            f'height="{height:g}" rx="6" fill="{"none" if faded else fill}" '
            f'stroke="{line}"{dash}/>'
        )
        self.text(x, y, text, color=color)

    def arrow(
        self, x1: float, y1: float, x2: float, y2: float, *, faded: bool = False
    ) -> None:
        """Draw an arrow from one point to another."""
        name, color = ("grey", GREY) if faded else ("ink", INK)
        self.parts.append(
            f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" stroke="{color}" '
            f'marker-end="url(#{name})"/>'
        )

    def write(self, name: str) -> None:
        """Write the diagram to a file of the folder."""
        width, height = self.size
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" '
            f'fill="{color}"/></marker>'
            for name, color in (("ink", INK), ("grey", GREY))
        )
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}" role="img" '
            'font-family="system-ui, sans-serif" text-anchor="middle">'
        )
        ground = (
            f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff" '
            'stroke="#d0d7de"/>'
        )
        lines = [
            head,
            f"<title>{escape(self.title)}</title>",
            f"<defs>{markers}</defs>",
            ground,
            *self.parts,
            "</svg>",
        ]
        (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def stacked_bidirectional() -> None:
    """Draw a tagger: embedding, two bidirectional layers, output, one padded token."""
    tokens = ["Anna", "flew", "to", "Oslo", "<pad>"]
    tags = ["PROPN", "VERB", "ADP", "PROPN", "0"]
    diagram = Diagram(
        900, 640, "A stacked bidirectional LSTM tags a sentence; padding is masked"
    )
    columns = [230 + 140 * k for k in range(len(tokens))]
    levels = [(475, 420, 362), (302, 247, 189)]  # forward, backward, concatenated
    for label, y in (
        ("tokens", 605),
        ("embedding", 545),
        ("layer 1, forward", levels[0][0]),
        ("layer 1, backward", levels[0][1]),
        ("outputs of layer 1", levels[0][2]),
        ("layer 2, forward", levels[1][0]),
        ("layer 2, backward", levels[1][1]),
        ("outputs of layer 2", levels[1][2]),
        ("softmax", 118),
        ("tags", 60),
    ):
        diagram.text(90, y, label, size=13, color=GREY)
    diagram.text(columns[-1], 30, "mask = False", size=13, color=GREY)
    for k, (x, token, tag) in enumerate(zip(columns, tokens, tags, strict=True)):
        padded = token == "<pad>"
        diagram.text(x, 605, token, color=GREY if padded else INK)
        diagram.arrow(x, 593, x, 565, faded=padded)
        below = 545
        diagram.box(x, below, f"x{k + 1}", ORANGE, width=92, faded=padded)
        for fill, (forward, backward, joined) in zip(
            (BLUE, GREEN), levels, strict=True
        ):
            # Both directions read the same input, and both outputs are joined.
            diagram.arrow(x - 18, below - 17, x - 18, forward + 19, faded=padded)
            diagram.arrow(x + 32, below - 17, x + 32, backward + 19, faded=padded)
            diagram.arrow(x - 32, forward - 17, x - 32, joined + 19, faded=padded)
            diagram.arrow(x + 18, backward - 17, x + 18, joined + 19, faded=padded)
            diagram.box(x - 18, forward, "LSTM", fill, width=64, faded=padded)
            diagram.box(x + 18, backward, "LSTM", fill, width=64, faded=padded)
            diagram.box(
                x,
                joined,
                "0" if padded else "[h→ ; h←]",
                "#ffffff",
                width=92,
                faded=padded,
            )
            below = joined
        diagram.arrow(x, below - 17, x, 137, faded=padded)
        diagram.box(x, 118, "softmax", PURPLE, width=92, faded=padded)
        diagram.arrow(x, 101, x, 73, faded=padded)
        diagram.text(x, 60, tag, color=GREY if padded else INK)
    for forward, backward, _ in levels:
        for k, (left, right) in enumerate(zip(columns, columns[1:], strict=False)):
            padded = tokens[k + 1] == "<pad>"
            diagram.arrow(left + 15, forward, right - 52, forward, faded=padded)
            diagram.arrow(right - 15, backward, left + 52, backward, faded=padded)
    diagram.write("stacked_bidirectional.svg")


def main() -> None:
    """Draw all diagrams."""
    stacked_bidirectional()


if __name__ == "__main__":
    main()
