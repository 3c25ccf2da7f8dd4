"""Plots of gates and of their saturation."""

import os
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np

from zoo.diagnostics.gates import Saturation
from zoo.diagnostics.plots.figure import blues, figure, tick_labels
from zoo.types import ArrayLike


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
    fig = figure(figsize=(max(4.0, min(14.0, 0.22 * steps + 1.5)), 1.9 * len(values)))
    axes = fig.subplots(len(values), 1, squeeze=False, sharex=True)[:, 0]
    for ax, (name, one) in zip(axes, values.items(), strict=True):
        shown = np.asarray(one)[row, :steps].reshape(steps, -1).T
        image = ax.imshow(shown, cmap=blues(), vmin=0.0, vmax=1.0, aspect="auto")
        ax.set_ylabel(f"{name}: unit")
    if tokens:
        labels = tick_labels(tokens)
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
    fig = figure(figsize=(max(3.6, 2.6 * len(names)), 5.0))
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
