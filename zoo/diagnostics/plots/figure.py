"""Helpers of the plots: figure, colour map, tick labels, lines on a log scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.types import ArrayLike


def geometric_mean(values: ArrayLike) -> np.ndarray:
    """Return the geometric mean over the rows of a batch, ``[T]`` of ``[B, T]``."""
    # Clipped, so that a gradient of zero is plotted at the bottom and not omitted.
    rows = np.maximum(np.asarray(values, np.float64), 1e-38)
    return np.exp(np.log(rows).mean(axis=0))


def plot_lines(lines: Mapping[str, np.ndarray], x: str, y: str, path: Any) -> None:
    """Plot lines over steps on a logarithmic scale."""
    fig = figure(figsize=(7.0, 4.0))
    ax = fig.subplots()
    for name, values in lines.items():
        ax.plot(np.arange(len(values)), values, label=name, marker=".", markersize=3)
    ax.set_yscale("log")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(alpha=0.3)
    ax.legend()
    fig.savefig(path, dpi=150)


def tick_labels(tokens: Sequence[str]) -> list[str]:
    """Return tokens as tick labels: spaces made visible, dollar signs escaped."""
    return [token.replace(" ", "␣").replace("$", r"\$") for token in tokens]


def figure(**options: Any) -> Any:
    """Return a figure that needs no display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error
    return Figure(layout="constrained", **options)


def blues() -> Any:
    """Return a colour map from transparent to blue, for light and dark backgrounds."""
    from matplotlib.colors import LinearSegmentedColormap

    blue = (0.15, 0.47, 0.78)
    return LinearSegmentedColormap.from_list("blues", [(*blue, 0.0), (*blue, 1.0)])
