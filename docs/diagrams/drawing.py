"""A small drawing library: boxes, arrows and labels as SVG."""

import math
import re
from html import escape

INK, SLATE, GREY, PALE = "#334155", "#64748b", "#94a3b8", "#cbd5e1"
BLUE, ORANGE, GREEN, AMBER = "#2563eb", "#ea580c", "#16a34a", "#d97706"
PAPER = "#f8fafc"
Labels = dict[str, str]
"""The translation of each English label; empty for English."""
COLORS = {  # fill and stroke
    "forward": ("#dbeafe", "#2563eb"),
    "backward": ("#ffedd5", "#ea580c"),
    "input": ("#ede9fe", "#7c3aed"),
    "output": ("#dcfce7", "#16a34a"),
    "gate": ("#fef3c7", "#d97706"),
    "plain": ("#f8fafc", "#64748b"),
    "padding": ("#f8fafc", "#cbd5e1"),
}
SANS = "Helvetica, Arial, 'Liberation Sans', sans-serif"
SERIF = "Georgia, 'Times New Roman', 'Liberation Serif', serif"


class Drawing:
    """Shapes on a white background, readable in a light and in a dark theme.

    Coordinates are pixels from the upper left corner; a shape is placed by its centre.
    In a label, ``$...$`` is a formula, whose subscripts are written ``h_t`` or
    ``h_{t-1}``.
    """

    def __init__(self, width: float, height: float, title: str, labels: Labels):
        """Start a drawing.

        Args:
            width: of the background.
            height: of the background.
            title: the accessible title.
            labels: translations of labels; the others stay as they are.
        """
        self.labels = labels
        title = escape(labels.get(title, title))
        self.lines, self.shapes = [], []  # shapes cover the ends of lines
        self.head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">',
            f"<title>{title}</title>",
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="14" '
            'fill="#ffffff" stroke="#e2e8f0"/>',
        ]

    def text(
        self,
        x: float,
        y: float,
        label: str,
        *,
        size: float = 14,
        color: str = INK,
        anchor: str = "middle",
    ) -> None:
        """Write a label, vertically centred on y."""
        label = self.labels.get(label, label)
        spans = []
        for k, part in enumerate(label.split("$")):
            if k % 2:
                spans.append(f'<tspan font-family="{SERIF}" font-style="italic" ')
                spans.append(f'font-size="{size + 1:g}">{_formula(part, size)}</tspan>')
            elif part:
                spans.append(escape(part))
        self.shapes.append(
            f'<text x="{x:g}" y="{y + 0.35 * size:g}" text-anchor="{anchor}" '
            f'font-family="{SANS}" font-size="{size:g}" fill="{color}">'
            f"{''.join(spans)}</text>"
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        label: str = "",
        color: str = "plain",
        *,
        size: float = 14,
    ) -> None:
        """Draw a rounded box with a label; ``color="padding"`` has a dashed border."""
        fill, stroke = COLORS[color]
        dash = ' stroke-dasharray="4 3"' if color == "padding" else ""
        self.shapes.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
            f'height="{height:g}" rx="7" fill="{fill}" stroke="{stroke}" '
            f'stroke-width="1.5"{dash}/>'
        )
        if label:
            ink = GREY if color == "padding" else INK
            self.text(x, y, label, size=size, color=ink)

    def vector(self, x: float, y: float, colors: list[str]) -> None:
        """Draw a vector: a square for each colour, with a zero in padding."""
        side = 13
        left = x - side * len(colors) / 2
        for k, color in enumerate(colors):
            fill, stroke = COLORS[color]
            dash = ' stroke-dasharray="3 2"' if color == "padding" else ""
            self.shapes.append(
                f'<rect x="{left + side * k:g}" y="{y - side / 2:g}" width="{side:g}" '
                f'height="{side:g}" fill="{fill}" stroke="{stroke}"{dash}/>'
            )
            if color == "padding":
                self.text(left + side * (k + 0.5), y, "0", size=9, color=GREY)

    def operator(self, x: float, y: float, sign: str) -> None:
        """Draw a circle around ``+`` or ``×``."""
        self.shapes.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="12" fill="#ffffff" stroke="{INK}" '
            'stroke-width="1.5"/>'
        )
        self.text(x, y, sign, size=16)

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """Draw the border of a cell, below everything else."""
        self.head.append(
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
            f'height="{height:g}" rx="12" fill="{PAPER}" stroke="{PALE}" '
            'stroke-width="1.5"/>'
        )

    def arrow(
        self,
        *points: tuple[float, float],
        color: str = INK,
        width: float = 1.5,
        dashed: bool = False,
        head: bool = True,
        over: str = "",
    ) -> None:
        """Draw a line through points, with a head at the last one.

        Args:
            *points: two or more.
            color: of line and head.
            width: of the line.
            dashed: draw dashes.
            head: draw the head.
            over: the background, for a margin around a line that crosses others.
        """
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        ends = [*points[:-1], (x1 - 6 * dx, y1 - 6 * dy) if head else (x1, y1)]
        path = " ".join(f"{x:.4g},{y:.4g}" for x, y in ends)
        line = f'<polyline points="{path}" fill="none" stroke-linejoin="round" '
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        if over:
            self.lines.append(f'{line}stroke="{over}" stroke-width="{width + 5:g}"/>')
        self.lines.append(f'{line}stroke="{color}" stroke-width="{width:g}"{dash}/>')
        if head:
            left = f"{x1 - 8 * dx - 4 * dy:.4g},{y1 - 8 * dy + 4 * dx:.4g}"
            right = f"{x1 - 8 * dx + 4 * dy:.4g},{y1 - 8 * dy - 4 * dx:.4g}"
            self.lines.append(
                f'<polygon points="{x1:g},{y1:g} {left} {right}" fill="{color}"/>'
            )

    def svg(self) -> str:
        """Return the file."""
        return "\n".join([*self.head, *self.lines, *self.shapes, "</svg>", ""])


def _formula(text: str, size: float) -> str:
    """Return the spans of a formula, with its subscripts lowered."""
    spans, lowered = [], False
    for part in re.split(r"(_\{[^}]*\}|_\w)", text):
        if not part:
            continue
        if part[0] == "_":
            low = escape(part[1:].strip("{}"))
            spans.append(f'<tspan dy="3" font-size="{0.75 * size:g}">{low}</tspan>')
        elif lowered:
            gap = ' dx="4"' if part[0] == " " else ""  # some renderers drop that space
            spans.append(f'<tspan{gap} dy="-3">{_spaced(part.lstrip())}</tspan>')
        else:
            spans.append(_spaced(part))
        lowered = part[0] == "_"
    return "".join(spans)


def _spaced(text: str) -> str:
    """Return escaped text whose spaces are kept."""
    return escape(text).replace(" ", "\N{NO-BREAK SPACE}")
