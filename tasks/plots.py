"""Pictures of a run."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402


def curves(history: list[dict[str, Any]], path: Path) -> None:
    """Draw the loss of train and dev, and the other scores of dev, over the epochs.

    Args:
        history: lines of the log.
        path: the PNG to write.
    """
    epochs = [line["epoch"] for line in history]
    scores = sorted({k[4:] for line in history for k in line if k.startswith("dev_")})
    shares = [
        name
        for name in (
            *("accuracy", "f1", "f1_macro", "precision", "recall"),
            *("exact", "per", "bleu", "chrf"),
        )
        if name in scores
    ]
    others = [name for name in ("bits_per_char",) if name in scores]
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for split in ("train", "dev"):
        values = [line.get(f"{split}_loss", np.nan) for line in history]
        axes[0].plot(epochs, values, marker=".", label=split)
    axes[0].set(xlabel="epoch", ylabel="loss a token (nats)", title="loss")
    axes[0].legend()
    for name in shares or others:
        values = [line.get(f"dev_{name}", np.nan) for line in history]
        axes[1].plot(epochs, values, marker=".", label=name.replace("_", " "))
    axes[1].set(xlabel="epoch", title="dev")
    axes[1].legend()
    for ax in axes:
        ax.grid(alpha=0.3)
        ax.xaxis.get_major_locator().set_params(integer=True)
    _save(fig, path)


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
    fig, ax = plt.subplots(figsize=(side, side), layout="constrained")
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


def _save(fig: Any, path: Path) -> None:
    part = path.with_name(f".{path.name}")
    fig.savefig(part, dpi=120, format="png")
    plt.close(fig)
    part.replace(path)
