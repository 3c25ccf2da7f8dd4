"""The plot of state trajectories."""

import os
from typing import BinaryIO

import numpy as np

from zoo.diagnostics.plots.figure import figure
from zoo.diagnostics.trajectories import Trajectories
from zoo.types import ArrayLike


def trajectories(
    projected: Trajectories,
    path: str | os.PathLike | BinaryIO,
    mask: ArrayLike | None = None,
) -> None:
    """Plot the trajectory of the state: a line per row, which starts at a circle.

    Args:
        projected: from `zoo.diagnostics.trajectories`, with two dimensions or more; the
            first two are plotted.
        path: as for `gradient_flow`.
        mask: bool ``[B, T]``, the mask passed to `zoo.diagnostics.trajectories`.

    Raises:
        ValueError: if there is only one dimension.
        ImportError: if matplotlib is not installed.
    """
    points = np.asarray(projected.points)
    if points.shape[-1] < 2:
        raise ValueError(f"projected must have 2 dimensions, got {points.shape[-1]}")
    real = np.ones(points.shape[:2], bool) if mask is None else np.asarray(mask)
    fig = figure(figsize=(5.0, 4.2))
    ax = fig.subplots()
    for row, steps in zip(points, real, strict=True):
        x, y = row[steps, 0], row[steps, 1]
        (line,) = ax.plot(x, y, marker=".", linewidth=1, alpha=0.8)
        ax.plot(x[:1], y[:1], "o", color=line.get_color(), fillstyle="none")
    explained = np.asarray(projected.explained)
    ax.set_xlabel(f"first component ({explained[0]:.0%} of the variance)")
    ax.set_ylabel(f"second component ({explained[1]:.0%})")
    ax.grid(alpha=0.3)
    fig.savefig(path, dpi=150)
