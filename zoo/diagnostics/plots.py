"""Pictures of what models do; matplotlib is loaded when one is drawn."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from zoo.diagnostics import GradientFlow, MemorySpan, Saturation, Trajectories
from zoo.pipelines import Writing
from zoo.types import ArrayLike


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
    flows: Mapping[str, GradientFlow],
    path: str | os.PathLike | BinaryIO,
    *,
    part: str = "h",
) -> None:
    """Draw the norm of the gradient against the lag, on a logarithmic scale.

    Args:
        flows: of one layer each, by the names to be shown; found by
            `zoo.diagnostics.gradient_flow`. The rows of a batch are averaged
            (geometrically), of a stack the last layer is shown.
        path: of the image file, whose ending gives the format; or an open file.
        part: the part of the state whose gradient is drawn.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    lines = {}
    for name, flow in flows.items():
        norm = flow.norm[-1] if type(flow.norm) is tuple else flow.norm
        lines[name] = _geometric(getattr(norm, part))[::-1]
    told = f"norm of the gradient of the last h by {part}"
    _lines(lines, "lag (steps)", told, path)


def gradient_norms(norms: ArrayLike, path: str | os.PathLike | BinaryIO) -> None:
    """Draw how large the gradient is at each step of each layer.

    Args:
        norms: ``[L, B, T]``, found by `zoo.diagnostics.gradient_norms`. The rows of a
            batch are averaged (geometrically), without those that a loss does not see
            at a step, such as padding; where it sees none there is a gap.
        path: as for `gradient_flow`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    lines = {}
    for level, one in enumerate(np.asarray(norms)):
        logs = np.log(np.where(one > 0, one, 1.0).astype(np.float64))
        seen = (one > 0).sum(axis=0)
        mean = np.exp(logs.sum(axis=0) / np.maximum(seen, 1))
        lines[f"layer {level}"] = np.where(seen > 0, mean, np.nan)
    _lines(lines, "step", "norm of the gradient by the output", path)


def memory_span(
    spans: Mapping[str, MemorySpan], path: str | os.PathLike | BinaryIO
) -> None:
    """Draw how a small change of the first input dies away.

    Args:
        spans: by the names to be shown; found by `zoo.diagnostics.memory_span`. The
            rows of a batch are averaged (geometrically).
        path: as for `gradient_flow`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    lines = {name: _geometric(span.effect) for name, span in spans.items()}
    _lines(lines, "lag (steps)", "effect of a change, of the first", path)


def spectral_radius(
    found: Mapping[str, ArrayLike], path: str | os.PathLike | BinaryIO
) -> None:
    """Draw the spectral radius of every gate of every recurrent matrix, and one.

    Args:
        found: by the path of the matrix, from `zoo.diagnostics.spectral_radius`.
        path: as for `gradient_flow`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    bars = [
        (f"{name} [{k}]", float(value))
        for name, values in found.items()
        for k, value in enumerate(np.atleast_1d(np.asarray(values)))
    ]
    fig = _figure(figsize=(7.0, 1.0 + 0.3 * len(bars)))
    ax = fig.subplots()
    ax.barh([name for name, _ in bars], [value for _, value in bars])
    ax.axvline(1.0, color="0.4", linestyle="--", linewidth=1)
    ax.invert_yaxis()
    ax.set_xlabel("largest modulus of an eigenvalue")
    fig.savefig(path, dpi=150)


def gates(
    values: Mapping[str, ArrayLike],
    path: str | os.PathLike | BinaryIO,
    *,
    row: int = 0,
    tokens: Sequence[str] = (),
) -> None:
    """Draw each gate over one sequence: a row a unit, a column a step.

    Args:
        values: ``[B, T, H]`` by name, found by `zoo.diagnostics.gates` for one layer.
        path: as for `gradient_flow`.
        row: of the batch.
        tokens: what was read, to stand below; as many steps are drawn, if there are
            any.

    Raises:
        ValueError: if there is no gate.
        ImportError: if matplotlib is not installed.
    """
    if not values:
        raise ValueError("values must have a gate: this layer names none")
    steps = len(tokens) or np.shape(next(iter(values.values())))[1]
    fig = _figure(figsize=(max(4.0, min(14.0, 0.22 * steps + 1.5)), 1.9 * len(values)))
    axes = fig.subplots(len(values), 1, squeeze=False, sharex=True)[:, 0]
    for ax, (name, one) in zip(axes, values.items(), strict=True):
        shown = np.asarray(one)[row, :steps].reshape(steps, -1).T
        image = ax.imshow(shown, cmap=_blues(), vmin=0.0, vmax=1.0, aspect="auto")
        ax.set_ylabel(f"{name}: unit")
    if tokens:
        labels = _shown(tokens)
        long = max(map(len, labels)) > 2
        axes[-1].set_xticks(range(steps), labels, rotation=90 if long else 0)
    axes[-1].set_xlabel("step")
    fig.colorbar(image, ax=list(axes), label="shut 0, open 1")
    fig.savefig(path, dpi=150)


def saturation(
    found: Mapping[str, Saturation] | Sequence[Mapping[str, Saturation]],
    path: str | os.PathLike | BinaryIO,
) -> None:
    """Draw how often the units of each gate are shut and open: a point a unit.

    A unit at the right below is a gate that is shut nearly always, one at the left
    above is open nearly always, and one at the left below is between. Below stands how
    the values of all units are distributed. After figure 3 of Karpathy et al. 2015,
    arXiv:1506.02078.

    Args:
        found: by the names of the gates, from `zoo.diagnostics.saturation`: of one
            layer, or of each layer, the lowest first, in colours of their own.
        path: as for `gradient_flow`.

    Raises:
        ValueError: if there is no gate.
        ImportError: if matplotlib is not installed.
    """
    layers = [found] if isinstance(found, Mapping) else list(found)
    names = list(dict.fromkeys(name for layer in layers for name in layer))
    if not names:
        raise ValueError("found must have a gate, got none")
    fig = _figure(figsize=(max(3.6, 2.6 * len(names)), 5.0))
    points, shares = fig.subplots(
        2, len(names), squeeze=False, sharey="row", height_ratios=(2, 1)
    )
    for above, below, name in zip(points, shares, names, strict=True):
        above.plot([0, 1], [1, 0], color="0.8", linewidth=1)
        for level, layer in enumerate(layers):
            if name not in layer:
                continue
            one, color = layer[name], f"C{level}"
            x, y = np.ravel(one.left), np.ravel(one.right)
            told = f"layer {level}"
            above.scatter(x, y, s=18, alpha=0.5, color=color, label=told)
            edges = np.linspace(0.0, 1.0, len(one.histogram) + 1)
            below.stairs(np.asarray(one.histogram), edges, color=color)
        above.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", title=name)
        above.set_xlabel("share of tokens: shut")
        below.set(xlim=(-0.03, 1.03), xlabel="value")
    points[0].set_ylabel("share of tokens: open")
    shares[0].set_ylabel("share of values")
    if len(layers) > 1:
        points[0].legend(fontsize=8)
    fig.savefig(path, dpi=150)


def trajectories(
    found: Trajectories,
    path: str | os.PathLike | BinaryIO,
    mask: ArrayLike | None = None,
) -> None:
    """Draw the way of the state, a line a row, from a circle on.

    Args:
        found: by `zoo.diagnostics.trajectories`, in two dimensions or more, of which
            the first two are drawn.
        path: as for `gradient_flow`.
        mask: bool ``[B, T]``, as it was given there.

    Raises:
        ValueError: if there is only one direction.
        ImportError: if matplotlib is not installed.
    """
    points = np.asarray(found.points)
    if points.shape[-1] < 2:
        raise ValueError(f"found must have two directions, got {points.shape[-1]}")
    real = np.ones(points.shape[:2], bool) if mask is None else np.asarray(mask)
    fig = _figure(figsize=(5.0, 4.2))
    ax = fig.subplots()
    for way, steps in zip(points, real, strict=True):
        x, y = way[steps, 0], way[steps, 1]
        (line,) = ax.plot(x, y, marker=".", linewidth=1, alpha=0.8)
        ax.plot(x[:1], y[:1], "o", color=line.get_color(), fillstyle="none")
    shares = np.asarray(found.explained)
    ax.set_xlabel(f"first direction ({shares[0]:.0%} of the variance)")
    ax.set_ylabel(f"second direction ({shares[1]:.0%})")
    ax.grid(alpha=0.3)
    fig.savefig(path, dpi=150)


def _geometric(values: ArrayLike) -> np.ndarray:
    """Return the geometric mean over the rows of a batch, ``[T]`` of ``[B, T]``."""
    # What has vanished in float32 is drawn at the bottom, not left out.
    rows = np.maximum(np.asarray(values, np.float64), 1e-38)
    return np.exp(np.log(rows).mean(axis=0))


def _lines(lines: Mapping[str, np.ndarray], x: str, y: str, path: Any) -> None:
    """Draw lines over steps on a logarithmic scale."""
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
