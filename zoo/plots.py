"""Pictures of what models do; matplotlib is loaded when one is drawn."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from zoo.diagnostics import GradientFlow
from zoo.pipelines import Writing


def attention(writings: Sequence[Writing], path: str | os.PathLike | BinaryIO) -> None:
    """Draw where the decoder looked: a row a token written, a column a token read.

    Args:
        writings: found by ``Seq2SeqPipeline.predict(..., attention=True)``; the best
            output of each is drawn, one picture below the other.
        path: of the image file, whose ending gives the format; or an open file, in the
            format that matplotlib is set to (``savefig.format``).

    Raises:
        ValueError: if an output has no weights of attention.
        ImportError: if matplotlib is not installed.
    """
    drawn = [writing for writing in writings if writing.outputs]
    sizes = [(len(writing.source), len(writing.outputs[0].tokens)) for writing in drawn]
    cell = 0.3  # inches a token
    heights = [cell * max(rows, 1) + 1.2 for _, rows in sizes]
    width = cell * max([columns for columns, _ in sizes], default=1) + 2.0
    fig = _figure(figsize=(max(width, 4.0), max(sum(heights), 2.0)))
    axes = fig.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, writing in zip(axes, drawn, strict=True):
        best = writing.outputs[0]
        if best.attention is None:
            raise ValueError("predict(..., attention=True) gives weights, got none")
        weights = np.asarray(best.attention).reshape(
            len(best.tokens), len(writing.source)
        )
        ax.imshow(weights, cmap=_blues(), vmin=0.0, vmax=1.0, aspect="auto")
        columns, rows = map(_shown, (writing.source, best.tokens))
        long = max(map(len, columns), default=0) > 2
        ax.set_xticks(range(len(columns)), columns, rotation=90 if long else 0)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_xlabel("read")
        ax.set_ylabel("written")
        ax.set_title(best.text, fontsize=10, parse_math=False)
    fig.savefig(path, dpi=150)


def gradient_flow(
    flows: Mapping[str, GradientFlow], path: str | os.PathLike, *, part: str = "h"
) -> None:
    """Draw the norm of the gradient against the lag, on a logarithmic scale.

    Args:
        flows: of one layer each, by the names to be shown; found by
            `zoo.diagnostics.gradient_flow`. The rows of a batch are averaged
            (geometrically), of a stack the last layer is shown.
        path: of the image file; its ending gives the format.
        part: the part of the state whose gradient is drawn.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    fig = _figure(figsize=(7.0, 4.0))
    ax = fig.subplots()
    for name, flow in flows.items():
        norm = flow.norm[-1] if type(flow.norm) is tuple else flow.norm
        # What has vanished in float32 is drawn at the bottom, not left out.
        values = np.maximum(np.asarray(getattr(norm, part), np.float64), 1e-38)
        mean = np.exp(np.log(values).mean(axis=0))[::-1]
        ax.plot(np.arange(len(mean)), mean, label=name)
    ax.set_yscale("log")
    ax.set_xlabel("lag (steps)")
    ax.set_ylabel(f"norm of the gradient of the last h by {part}")
    ax.grid(alpha=0.3)
    ax.legend()
    fig.savefig(path, dpi=150)


def _shown(tokens: Sequence[str]) -> list[str]:
    """Return tokens as they can be seen: also a space, and a dollar as itself."""
    return [token.replace(" ", "␣").replace("$", r"\$") for token in tokens]


def _figure(**options: Any) -> Any:
    """Return a figure that knows no screen."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install matplotlib") from error
    return Figure(layout="constrained", **options)


def _blues() -> Any:
    """Return colours from nothing to blue, for a light ground and a dark one."""
    from matplotlib.colors import LinearSegmentedColormap

    blue = (0.15, 0.47, 0.78)
    return LinearSegmentedColormap.from_list("blues", [(*blue, 0.0), (*blue, 1.0)])
