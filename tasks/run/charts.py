"""Pictures of a run; matplotlib is loaded when one is drawn."""

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

INK = "#010203"  # a colour of no picture: it becomes that of the page's text
# Lines that are seen on a light ground and on a dark one.
BRIGHT = ("#3d8bd9", "#e8811a", "#2fa05a", "#b65fd0", "#d9534f")


def curves(history: list[dict[str, Any]], path: Path) -> None:
    """Draw the loss of train and dev, and the other scores of dev, over the epochs.

    Args:
        history: lines of the log.
        path: the PNG to write.
    """
    fig = _figure(9, 3.5)
    for ax, draw in zip(fig.subplots(1, 2), (_loss, _dev), strict=True):
        draw(ax, history)
    _save(fig, path)


def curve_pictures(history: list[dict[str, Any]]) -> list[str]:
    """Return the same curves as drawings for a page, one for each part.

    Args:
        history: lines of the log.
    """

    def one(draw: Callable[[Any, list], None], file: BinaryIO) -> None:
        fig = _figure(4.6, 3.2)
        draw(fig.subplots(), history)
        fig.savefig(file)

    return [svg(partial(one, draw)) for draw in (_loss, _dev)]


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    *,
    log: bool = False,
) -> str:
    """Return lines as a drawing for a page.

    Args:
        series: numbers along both axes, by the names to be shown.
        x: what goes along the lower edge.
        y: what goes up.
        log: on a logarithmic scale.
    """

    def draw(file: BinaryIO) -> None:
        fig = _figure(6.2, 3.6)
        ax = fig.subplots()
        for name, (across, up) in series.items():
            marker = "." if len(across) < 30 else ""
            ax.plot(across, up, marker=marker, label=name)
        if log:
            ax.set_yscale("log")
        ax.set(xlabel=x, ylabel=y)
        ax.legend()
        ax.grid(alpha=0.3)
        fig.savefig(file)

    return svg(draw)


def scatter(across: Sequence[float], up: Sequence[float], x: str, y: str) -> str:
    """Return dots as a drawing for a page, with the line where both are the same.

    Args:
        across: numbers of the dots.
        up: others, of the same.
        x: what goes along the lower edge.
        y: what goes up.
    """

    def draw(file: BinaryIO) -> None:
        fig = _figure(4.6, 3.6)
        ax = fig.subplots()
        ends = min(*across, *up), max(*across, *up)
        ax.plot(ends, ends, color=INK, linewidth=0.8)
        ax.plot(across, up, ".", markersize=4, alpha=0.6)
        ax.set(xlabel=x, ylabel=y)
        ax.grid(alpha=0.3)
        fig.savefig(file)

    return svg(draw)


def images(pixels: np.ndarray, titles: Sequence[str]) -> str:
    """Return small images as a drawing for a page, five in a row.

    Args:
        pixels: ``[N, height, width]``.
        titles: one for each.
    """

    def draw(file: BinaryIO) -> None:
        rows = -(-len(pixels) // 5)
        fig = _figure(6.2, 1.5 * rows)
        axes = fig.subplots(rows, 5, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        for ax, one, title in zip(axes.flat, pixels, titles, strict=False):
            ax.imshow(one, cmap="gray_r")
            ax.set_title(title, fontsize=9)
        fig.savefig(file)

    return svg(draw)


def svg(draw: Callable[[BinaryIO], None]) -> str:
    """Return a drawing that takes on the colour of the text around it, on no ground.

    Args:
        draw: draws with matplotlib, and saves into the file it is given.
    """
    from cycler import cycler
    from matplotlib import rc_context

    colours: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color"), INK
    )
    colours |= {"ytick.color": INK, "legend.labelcolor": INK, "grid.color": INK}
    colours |= dict.fromkeys(
        ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"),
        "none",
    )
    file = io.BytesIO()
    colours |= {"axes.prop_cycle": cycler(color=BRIGHT)}
    colours |= {"svg.fonttype": "none", "savefig.format": "svg", "legend.framealpha": 0}
    with rc_context(colours), warnings.catch_warnings():
        # Letters that the font lacks: the page draws the text, with fonts of its own.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        draw(file)
    drawn = file.getvalue().decode()
    drawn = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    # Within a page these are of no use, and names would stand twice.
    return re.sub(
        r'<metadata>.*?</metadata>| xmlns(:xlink)?="[^"]*"|(?<=<g) id="[^"]*"',
        "",
        drawn,
        flags=re.S,
    )


def _loss(ax: Any, history: list[dict[str, Any]]) -> None:
    for split in ("train", "dev"):
        _line(ax, history, f"{split}_loss", split)
    ax.set(xlabel="epoch", ylabel="loss a token (nats)", title="loss")
    _finish(ax)


def _dev(ax: Any, history: list[dict[str, Any]]) -> None:
    scores = {k[4:] for line in history for k in line if k.startswith("dev_")}
    shares = [
        name
        for name in (
            *("accuracy", "f1", "f1_macro", "precision", "recall"),
            *("exact", "per", "bleu", "chrf"),
        )
        if name in scores
    ]
    others = [name for name in ("bits_per_char",) if name in scores]
    for name in shares or others:
        _line(ax, history, f"dev_{name}", name.replace("_", " "))
    ax.set(xlabel="epoch", title="dev")
    _finish(ax)


def _line(ax: Any, history: list[dict[str, Any]], name: str, label: str) -> None:
    values = [line.get(name, np.nan) for line in history]
    ax.plot([line["epoch"] for line in history], values, marker=".", label=label)


def _finish(ax: Any) -> None:
    ax.legend()
    ax.grid(alpha=0.3)
    ax.xaxis.get_major_locator().set_params(integer=True)


def confusion(counts: np.ndarray, labels: list[str], path: Path) -> None:
    """Draw a confusion matrix: each row is a true class, shown in per cent of it.

    Args:
        counts: ``[K, K]``.
        labels: K names.
        path: the PNG to write.
    """
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    K = len(labels)
    side = min(12.0, 2.5 + 0.45 * K)
    fig = _figure(side, side)
    ax = fig.subplots()
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    if K <= 25:
        for i, j in np.argwhere(counts):
            value = shares[i, j]
            text = f"{value:.0f}" if value >= 0.5 else "·"
            color = "white" if value > 50 else "black"
            ax.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
    ax.set_xticks(range(K), labels, rotation=90)
    ax.set_yticks(
        range(K), [f"{n} ({c:,})" for n, c in zip(labels, counts.sum(1), strict=True)]
    )
    ax.set(xlabel="predicted", ylabel="true (how many)", title="test, % of each row")
    _save(fig, path)


def _figure(width: float, height: float) -> Any:
    """Return a figure that knows no screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(fig: Any, path: Path) -> None:
    part = path.with_name(f".{path.name}")
    fig.savefig(part, dpi=120, format="png")
    part.replace(path)
