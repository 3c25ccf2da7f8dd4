"""The plot of attention weights."""

import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from zoo.diagnostics.plots.figure import blues, figure, tick_labels
from zoo.pipelines import Writing


def attention(writings: Sequence[Writing], path: str | os.PathLike | BinaryIO) -> None:
    """Plot attention weights: a row per output token, a column per source token.

    Args:
        writings: from ``Seq2SeqPipeline.predict(..., attention=True)``; the best output
            of each is plotted.
        path: of the image file, whose extension defines the format; or an open file, in
            matplotlib's default format (``savefig.format``).

    Raises:
        ValueError: if an output has no attention weights.
        ImportError: if matplotlib is not installed.
    """
    plotted = [writing for writing in writings if writing.outputs]
    sizes = [
        (len(writing.source), len(writing.outputs[0].tokens)) for writing in plotted
    ]
    cell = 0.3  # inches per token
    heights = [cell * max(rows, 1) + 1.2 for _, rows in sizes]
    width = cell * max([columns for columns, _ in sizes], default=1) + 2.0
    fig = figure(figsize=(max(width, 4.0), max(sum(heights), 2.0)))
    axes = fig.subplots(len(plotted), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, writing in zip(axes, plotted, strict=True):
        best = writing.outputs[0]
        if best.attention is None:
            raise ValueError(
                "attention weights are missing: predict(..., attention=True)"
            )
        weights = np.asarray(best.attention).reshape(
            len(best.tokens), len(writing.source)
        )
        ax.imshow(weights, cmap=blues(), vmin=0.0, vmax=1.0, aspect="auto")
        columns, rows = map(tick_labels, (writing.source, best.tokens))
        long = max(map(len, columns), default=0) > 2
        ax.set_xticks(range(len(columns)), columns, rotation=90 if long else 0)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_xlabel("source")
        ax.set_ylabel("output")
        ax.set_title(best.text, fontsize=10, parse_math=False)
    fig.savefig(path, dpi=150)
