"""Plots of attention and diagnostics; matplotlib is imported by the first plot."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from zoo.diagnostics import GradientFlow, MemorySpan, Saturation, Trajectories
from zoo.pipelines import Writing
from zoo.types import ArrayLike


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
    fig = _figure(figsize=(max(width, 4.0), max(sum(heights), 2.0)))
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
        ax.imshow(weights, cmap=_blues(), vmin=0.0, vmax=1.0, aspect="auto")
        columns, rows = map(_labels, (writing.source, best.tokens))
        long = max(map(len, columns), default=0) > 2
        ax.set_xticks(range(len(columns)), columns, rotation=90 if long else 0)
        ax.set_yticks(range(len(rows)), rows)
        ax.set_xlabel("source")
        ax.set_ylabel("output")
        ax.set_title(best.text, fontsize=10, parse_math=False)
    fig.savefig(path, dpi=150)


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
        lines[name] = _geometric(getattr(norm, part))[::-1]
    _lines(lines, "lag (steps)", f"gradient norm of the last h w.r.t. {part}", path)


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
    _lines(lines, "step", "gradient norm w.r.t. the output", path)


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
    lines = {name: _geometric(span.effect) for name, span in spans.items()}
    _lines(lines, "lag (steps)", "effect relative to lag 0", path)


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
    fig = _figure(figsize=(7.0, 1.0 + 0.3 * len(bars)))
    ax = fig.subplots()
    ax.barh([name for name, _ in bars], [value for _, value in bars])
    ax.axvline(1.0, color="0.4", linestyle="--", linewidth=1)
    ax.invert_yaxis()
    ax.set_xlabel("spectral radius")
    fig.savefig(path, dpi=150)


def gates(
    values: Mapping[str, ArrayLike],
    path: str | os.PathLike | BinaryIO,
    *,
    row: int = 0,
    tokens: Sequence[str] = (),
) -> None:
    """Plot the gates of one sequence: a row per unit, a column per step.

    Args:
        values: ``[B, T, H]`` by name: one layer from `zoo.diagnostics.gates`.
        path: as for `gradient_flow`.
        row: index of the sequence in the batch.
        tokens: labels of the steps; only as many steps are plotted.

    Raises:
        ValueError: if there is no gate.
        ImportError: if matplotlib is not installed.
    """
    if not values:
        raise ValueError("values must have a gate: this layer has none")
    steps = len(tokens) or np.shape(next(iter(values.values())))[1]
    fig = _figure(figsize=(max(4.0, min(14.0, 0.22 * steps + 1.5)), 1.9 * len(values)))
    axes = fig.subplots(len(values), 1, squeeze=False, sharex=True)[:, 0]
    for ax, (name, one) in zip(axes, values.items(), strict=True):
        shown = np.asarray(one)[row, :steps].reshape(steps, -1).T
        image = ax.imshow(shown, cmap=_blues(), vmin=0.0, vmax=1.0, aspect="auto")
        ax.set_ylabel(f"{name}: unit")
    if tokens:
        labels = _labels(tokens)
        long = max(map(len, labels)) > 2
        axes[-1].set_xticks(range(steps), labels, rotation=90 if long else 0)
    axes[-1].set_xlabel("step")
    fig.colorbar(image, ax=list(axes), label="0 closed, 1 open")
    fig.savefig(path, dpi=150)


def saturation(
    layers: Mapping[str, Saturation] | Sequence[Mapping[str, Saturation]],
    path: str | os.PathLike | BinaryIO,
) -> None:
    """Plot how often the units of each gate are closed and open: a point per unit.

    A unit at the lower right is almost always closed, one at the upper left almost
    always open, one at the lower left mostly in between. The histogram shows the values
    of all units. After figure 3 of Karpathy et al. 2015, arXiv:1506.02078.

    Args:
        layers: results of `zoo.diagnostics.saturation` by the name of the gate: of one
            layer, or a sequence with one mapping per layer.
        path: as for `gradient_flow`.

    Raises:
        ValueError: if there is no gate.
        ImportError: if matplotlib is not installed.
    """
    layers = [layers] if isinstance(layers, Mapping) else list(layers)
    names = list(dict.fromkeys(name for layer in layers for name in layer))
    if not names:
        raise ValueError("layers must have a gate, got none")
    fig = _figure(figsize=(max(3.6, 2.6 * len(names)), 5.0))
    points, histograms = fig.subplots(
        2, len(names), squeeze=False, sharey="row", height_ratios=(2, 1)
    )
    for above, below, name in zip(points, histograms, names, strict=True):
        above.plot([0, 1], [1, 0], color="0.8", linewidth=1)
        for level, layer in enumerate(layers):
            if name not in layer:
                continue
            one, color = layer[name], f"C{level}"
            x, y = np.ravel(one.left), np.ravel(one.right)
            label = f"layer {level}"
            above.scatter(x, y, s=18, alpha=0.5, color=color, label=label)
            edges = np.linspace(0.0, 1.0, len(one.histogram) + 1)
            below.stairs(np.asarray(one.histogram), edges, color=color)
        above.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", title=name)
        above.set_xlabel("fraction of tokens: closed")
        below.set(xlim=(-0.03, 1.03), xlabel="value")
    points[0].set_ylabel("fraction of tokens: open")
    histograms[0].set_ylabel("fraction of values")
    if len(layers) > 1:
        points[0].legend(fontsize=8)
    fig.savefig(path, dpi=150)


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
    fig = _figure(figsize=(5.0, 4.2))
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


def _geometric(values: ArrayLike) -> np.ndarray:
    """Return the geometric mean over the rows of a batch, ``[T]`` of ``[B, T]``."""
    # Clipped, so that a gradient of zero is plotted at the bottom and not omitted.
    rows = np.maximum(np.asarray(values, np.float64), 1e-38)
    return np.exp(np.log(rows).mean(axis=0))


def _lines(lines: Mapping[str, np.ndarray], x: str, y: str, path: Any) -> None:
    """Plot lines over steps on a logarithmic scale."""
    fig = _figure(figsize=(7.0, 4.0))
    ax = fig.subplots()
    for name, values in lines.items():
        ax.plot(np.arange(len(values)), values, label=name, marker=".", markersize=3)
    ax.set_yscale("log")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(alpha=0.3)
    ax.legend()
    fig.savefig(path, dpi=150)


def _labels(tokens: Sequence[str]) -> list[str]:
    """Return tokens as tick labels: spaces made visible, dollar signs escaped."""
    return [token.replace(" ", "␣").replace("$", r"\$") for token in tokens]


def _figure(**options: Any) -> Any:
    """Return a figure that needs no display."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error
    return Figure(layout="constrained", **options)


def _blues() -> Any:
    """Return a colour map from transparent to blue, for light and dark backgrounds."""
    from matplotlib.colors import LinearSegmentedColormap

    blue = (0.15, 0.47, 0.78)
    return LinearSegmentedColormap.from_list("blues", [(*blue, 0.0), (*blue, 1.0)])
