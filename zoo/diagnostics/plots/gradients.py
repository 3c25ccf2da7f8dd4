"""Plots of gradients, memory spans and spectral radii."""

import os
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from zoo.diagnostics.gradients import GradientFlow, MemorySpan
from zoo.diagnostics.plots.figure import figure, geometric_mean, plot_lines
from zoo.types import ArrayLike


def gradient_flow(
    flows: Mapping[str, GradientFlow],
    path: str | os.PathLike | BinaryIO,
    *,
    part: str = "h",
) -> None:
    """Plot the norm of the gradient against the lag, on a logarithmic scale.

    Args:
        flows: results of `zoo.diagnostics.gradient_flow`, by label. Plots the geometric
            mean over the batch; of a stack, the last layer.
        path: of the image file, whose extension defines the format; or an open file.
        part: the part of the state to differentiate with respect to.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    lines = {}
    for name, flow in flows.items():
        norm = flow.norm[-1] if type(flow.norm) is tuple else flow.norm
        lines[name] = geometric_mean(getattr(norm, part))[::-1]
    plot_lines(lines, "lag (steps)", f"gradient norm of the last h w.r.t. {part}", path)


def gradient_norms(norms: ArrayLike, path: str | os.PathLike | BinaryIO) -> None:
    """Plot the norm of the gradient at each step of each layer.

    Args:
        norms: ``[L, B, T]``, from `zoo.diagnostics.gradient_norms`. Plots the geometric
            mean over the rows with a gradient at a step; a step without any, such as
            padding, is a gap.
        path: as for `gradient_flow`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    lines = {}
    for level, one in enumerate(np.asarray(norms)):
        logs = np.log(np.where(one > 0, one, 1.0).astype(np.float64))
        count = (one > 0).sum(axis=0)
        mean = np.exp(logs.sum(axis=0) / np.maximum(count, 1))
        lines[f"layer {level}"] = np.where(count > 0, mean, np.nan)
    plot_lines(lines, "step", "gradient norm w.r.t. the output", path)


def memory_span(
    spans: Mapping[str, MemorySpan], path: str | os.PathLike | BinaryIO
) -> None:
    """Plot how the effect of a small change of the first input decays.

    Args:
        spans: results of `zoo.diagnostics.memory_span`, by label. Plots the geometric
            mean over the batch.
        path: as for `gradient_flow`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    lines = {name: geometric_mean(span.effect) for name, span in spans.items()}
    plot_lines(lines, "lag (steps)", "effect relative to lag 0", path)


def spectral_radius(
    radii: Mapping[str, ArrayLike], path: str | os.PathLike | BinaryIO
) -> None:
    """Plot the spectral radius of every gate of every recurrent matrix.

    Args:
        radii: by the path of the matrix, from `zoo.diagnostics.spectral_radius`.
        path: as for `gradient_flow`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    bars = [
        (f"{name} [{k}]", float(value))
        for name, values in radii.items()
        for k, value in enumerate(np.atleast_1d(np.asarray(values)))
    ]
    fig = figure(figsize=(7.0, 1.0 + 0.3 * len(bars)))
    ax = fig.subplots()
    ax.barh([name for name, _ in bars], [value for _, value in bars])
    ax.axvline(1.0, color="0.4", linestyle="--", linewidth=1)
    ax.invert_yaxis()
    ax.set_xlabel("spectral radius")
    fig.savefig(path, dpi=150)
