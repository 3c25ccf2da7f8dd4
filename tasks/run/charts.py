"""Charts of a run; matplotlib is imported when one is drawn."""

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from zoo.tasks.run import atomic
from zoo.tasks.run.score_titles import title

# A colour that no chart uses: the page replaces it with the colour of its text.
TEXT_COLOUR = "#010203"
# Readable on a light and on a dark background.
LINE_COLOURS = ("#3d8bd9", "#e8811a", "#2fa05a", "#b65fd0", "#d9534f")

History = list[dict[str, Any]]


def save_learning_curves(
    history: History, path: Path, units: str | None = None
) -> None:
    """Draw the losses and the dev scores by epoch as a PNG.

    Args:
        history: lines of the log.
        path: the PNG to write.
        units: as for `zoo.tasks.run.score_titles.title`.
    """
    figure = _figure(9, 3.5)
    for ax, draw in zip(figure.subplots(1, 2), (_draw_loss, _draw_dev), strict=True):
        draw(ax, history, units)
    _save_png(figure, path)


def learning_curves(history: History, units: str | None = None) -> list[str]:
    """Return the losses and the dev scores by epoch as two SVG charts.

    Args:
        history: lines of the log.
        units: as for `zoo.tasks.run.score_titles.title`.
    """

    def draw_one(draw: Callable[..., None], file: BinaryIO) -> None:
        figure = _figure(4.6, 3.2)
        draw(figure.subplots(), history, units)
        figure.savefig(file)

    return [render_svg(partial(draw_one, draw)) for draw in (_draw_loss, _draw_dev)]


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    *,
    log: bool = False,
) -> str:
    """Return a line chart as SVG.

    Args:
        series: the x and the y values of each line, by its label; x are integers.
        x_label: of the x axis.
        y_label: of the y axis.
        log: use a logarithmic y axis.
    """

    def draw(file: BinaryIO) -> None:
        figure = _figure(6.2, 3.6)
        ax = figure.subplots()
        for name, (x, y) in series.items():
            ax.plot(x, y, marker="." if len(x) < 30 else "", label=name)
        if log:
            ax.set_yscale("log")
        ax.set(xlabel=x_label, ylabel=y_label)
        _finish_axes(ax)
        figure.savefig(file)

    return render_svg(draw)


def scatter_chart(
    x: Sequence[float], y: Sequence[float], x_label: str, y_label: str
) -> str:
    """Return a scatter chart with the line y = x as SVG.

    Args:
        x: values of the points.
        y: values of the points.
        x_label: of the x axis.
        y_label: of the y axis.
    """

    def draw(file: BinaryIO) -> None:
        figure = _figure(4.6, 3.6)
        ax = figure.subplots()
        ends = min(*x, *y), max(*x, *y)
        ax.plot(ends, ends, color=TEXT_COLOUR, linewidth=0.8)
        ax.plot(x, y, ".", markersize=4, alpha=0.6)
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.grid(alpha=0.3)
        figure.savefig(file)

    return render_svg(draw)


def image_grid(pixels: np.ndarray, titles: Sequence[str]) -> str:
    """Return small greyscale images, five per row, as SVG.

    Args:
        pixels: ``[N, height, width]``.
        titles: one per image.
    """

    def draw(file: BinaryIO) -> None:
        rows = -(-len(pixels) // 5)
        figure = _figure(6.2, 1.5 * rows)
        axes = figure.subplots(rows, 5, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        for ax, image, text in zip(axes.flat, pixels, titles, strict=False):
            ax.imshow(image, cmap="gray_r")
            ax.set_title(text, fontsize=9)
        figure.savefig(file)

    return render_svg(draw)


def render_svg(draw: Callable[[BinaryIO], None]) -> str:
    """Return a chart as an SVG element with the page's text colour, transparent.

    Args:
        draw: draws with matplotlib, and saves into the file that it is passed.
    """
    from cycler import cycler
    from matplotlib import rc_context

    style: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color"), TEXT_COLOUR
    )
    style |= dict.fromkeys(
        ("ytick.color", "legend.labelcolor", "grid.color"), TEXT_COLOUR
    )
    style |= dict.fromkeys(
        ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"),
        "none",
    )
    style |= {"axes.prop_cycle": cycler(color=LINE_COLOURS)}
    style |= {"svg.fonttype": "none", "savefig.format": "svg", "legend.framealpha": 0}
    file = io.BytesIO()
    with rc_context(style), warnings.catch_warnings():
        # The browser draws the text with its own fonts, so that the glyphs that
        # matplotlib's font lacks do not matter.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        draw(file)
    svg = file.getvalue().decode()
    svg = svg[svg.index("<svg") :].replace(TEXT_COLOUR, "currentColor")
    # Inside HTML the metadata and namespaces are useless, and the IDs of several
    # charts would collide.
    return re.sub(
        r'<metadata>.*?</metadata>| xmlns(:xlink)?="[^"]*"|(?<=<g) id="[^"]*"',
        "",
        svg,
        flags=re.S,
    )


def _draw_loss(ax: Any, history: History, _: str | None) -> None:
    for split in ("train", "dev"):
        _draw_value(ax, history, f"{split}_loss", split)
    squared = any("dev_mse" in line for line in history)
    unit = "mean squared error" if squared else "loss (nats)"
    ax.set(xlabel="epoch", ylabel=unit, title="loss")
    _finish_axes(ax)


def _draw_dev(ax: Any, history: History, units: str | None) -> None:
    scores = {k[4:] for line in history for k in line if k.startswith("dev_")}
    fractions = [
        name
        for name in (
            *("accuracy", "f1", "f1_macro", "precision", "recall"),
            *("exact", "per", "bleu", "chrf"),
        )
        if name in scores
    ]
    others = [name for name in ("bits_per_char", "perplexity") if name in scores]
    for name in fractions or others:
        _draw_value(ax, history, f"dev_{name}", title(name, units))
    ax.set(xlabel="epoch", title="dev scores")
    _finish_axes(ax)


def _draw_value(ax: Any, history: History, name: str, label: str) -> None:
    values = [line.get(name, np.nan) for line in history]
    ax.plot([line["epoch"] for line in history], values, marker=".", label=label)


def _finish_axes(ax: Any) -> None:
    ax.legend()
    ax.grid(alpha=0.3)
    # One tick is enough: the run may have one epoch.
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def save_confusion_matrix(counts: np.ndarray, labels: list[str], path: Path) -> None:
    """Draw a confusion matrix as a PNG, each row as percentages of the true class.

    Args:
        counts: ``[K, K]``; rows are the true classes.
        labels: K names.
        path: the PNG to write.
    """
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    K = len(labels)
    side = min(12.0, 2.5 + 0.45 * K)
    figure = _figure(side, side)
    ax = figure.subplots()
    ax.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    if K <= 25:
        for i, j in np.argwhere(counts):
            value = percent[i, j]
            text = f"{value:.0f}" if value >= 0.5 else "·"
            color = "white" if value > 50 else "black"
            ax.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
    ax.set_xticks(range(K), labels, rotation=90)
    ax.set_yticks(
        range(K), [f"{n} ({c:,})" for n, c in zip(labels, counts.sum(1), strict=True)]
    )
    ax.set(xlabel="predicted", ylabel="true (count)", title="test, % of the true class")
    _save_png(figure, path)


def _figure(width: float, height: float) -> Any:
    """Return a figure that needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save_png(figure: Any, path: Path) -> None:
    file = io.BytesIO()
    figure.savefig(file, dpi=120, format="png")
    atomic.write(path, file.getvalue())
