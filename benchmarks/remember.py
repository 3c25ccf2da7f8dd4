"""Why LSTMs remember: write docs/remember.csv, its pictures, and the page about it.

The words of the page stand in `remember.md`, beside this file.

``python benchmarks/remember.py`` measures how the gradients of untrained cells fade;
``--page`` only draws the pictures and writes the page, with the figures filled in.
"""

import csv
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import zoo  # noqa: E402
from benchmarks import forgetting  # noqa: E402
from tasks.run.gradient_decay import flow, number, reach  # noqa: E402
from zoo import initializers  # noqa: E402

DOCS = ROOT / "docs"
TABLE, PAGE = DOCS / "remember.csv", DOCS / "why-lstms-remember.md"
T, D, H, ROWS, SEEDS = 201, 8, 64, 4, range(5)
COLUMNS = ("cell", "start", "lag", "median", "least", "most", "versions")
TORCH = initializers.torch_uniform(H)


class Start(NamedTuple):
    """A cell as it begins.

    Attributes:
        cell: its name.
        told: how it begins.
        options: of the cell.
        scale: factor of the inputs.
        grown: factor of U.
    """

    cell: str
    told: str
    options: dict[str, Any] = {}
    scale: float = 1.0
    grown: float = 1.0


PLAIN = (
    Start("rnn", "as in torch", dict(TORCH)),
    Start("rnn", "U orthogonal"),
    Start("rnn", "U orthogonal, inputs × 0.01", scale=0.01),
    Start("rnn", "U orthogonal × 3", grown=3.0),
)
GATED = (
    Start("rnn", "as in torch", dict(TORCH)),
    Start("gru", "as in torch", dict(TORCH)),
    Start("lstm", "as in torch", dict(TORCH)),
    Start("lstm", "forget bias one"),
    Start("lstm", "chrono", {"b_init": initializers.chrono(T)}),
    Start("lru", "in the ring"),
)
PICTURES = {"remember-plain": PLAIN, "remember-gated": GATED}


def measure(start: Start, seed: int) -> np.ndarray:
    """Return the gradient of the last state by the state at each lag, ``[T]``.

    Args:
        start: the cell.
        seed: of the weights and the inputs.
    """
    cell = zoo.cells()[start.cell](
        D, H, rngs=nnx.Rngs(seed), param_dtype=np.float64, **start.options
    )
    if start.grown != 1.0:
        cell.U[...] *= start.grown
    x = np.random.default_rng(seed).normal(size=(ROWS, T, D))
    return flow(zoo.Stacked([zoo.Recurrent(cell)]), start.scale * x)


def measured() -> None:
    """Measure all starts, and write the table."""
    made = f"jax {version('jax')}, flax {version('flax')}"
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (cell, told), start in {(s.cell, s.told): s for s in PLAIN + GATED}.items():
            found = np.stack([measure(start, seed) for seed in SEEDS])
            for lag, values in enumerate(found.T):
                three = np.median(values), values.min(), values.max()
                told_as = [f"{value:.4g}" for value in three]
                writer.writerow([cell, told, lag, *told_as, made])
            print(cell, told, flush=True)


def read() -> dict[tuple[str, str], np.ndarray]:
    """Return the median over the seeds by the lag, ``[T]``, of each start."""
    found: dict[tuple[str, str], list[float]] = {}
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault((row["cell"], row["start"]), []).append(
                float(row["median"])
            )
    return {key: np.array(values) for key, values in found.items()}


def draw(flows: dict[tuple[str, str], np.ndarray]) -> None:
    """Draw the pictures.

    Args:
        flows: by the start.
    """
    for name, starts in PICTURES.items():
        fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
        for start in starts:
            by_lag = flows[start.cell, start.told]
            ax.plot(by_lag, label=f"{start.cell}, {start.told}")
        ax.set_yscale("log")
        ax.set_ylim(1e-20, 1e20 if name == "remember-plain" else 10)
        ax.set(xlabel="lag (steps)", ylabel="gradient, of lag 0")
        ax.grid(alpha=0.3)
        ax.legend(fontsize=9)
        fig.savefig(DOCS / f"{name}.png", dpi=110)
        plt.close(fig)


def rate(by_lag: np.ndarray, lags: int = 20) -> float:
    """Return by how much a step multiplies the gradient, over the first lags.

    Args:
        by_lag: the gradient.
        lags: how many.
    """
    return float(by_lag[lags] / by_lag[1]) ** (1 / (lags - 1))


def table(starts: tuple[Start, ...], flows: dict[tuple[str, str], np.ndarray]) -> str:
    """Return what the pictures show, as a table.

    Args:
        starts: the rows.
        flows: by the start.
    """
    lines = [
        "| cell | begins | a step multiplies it by | left at lag 100 | it |",
        "| --- | --- | --- | --- | --- |",
    ]
    for start in starts:
        by_lag = flows[start.cell, start.told]
        facts = [f"`{start.cell}`", start.told, f"{rate(by_lag):.3f}"]
        facts += [number(float(by_lag[100])), reach(by_lag)]
        lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines)


def solved() -> str:
    """Return who solves the adding problem, as a table."""
    rows = forgetting.read()
    lines = [
        f"| cell | begins | seeds | mse, each seed ({forgetting.LEAST:.4f}) |",
        "| --- | --- | --- | --- |",
    ]
    for cell, init in dict.fromkeys((row["cell"], row["init"]) for row in rows):
        found = [r["mse"] for r in rows if (r["cell"], r["init"]) == (cell, init)]
        lines.append(f"| `{cell}` | {init} | {len(found)} | {', '.join(found)} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page.

    Args:
        text: with the names of figures in braces.
    """
    flows = read()
    torch, one = flows["lstm", "as in torch"], flows["lstm", "forget bias one"]
    return text.format(
        plain=table(PLAIN, flows),
        gated=table(GATED, flows),
        solved=solved(),
        ratio=number(float(one[100] / flows["rnn", "as in torch"][100])),
        torch=f"{rate(torch):.2f}",
        one=f"{rate(one):.2f}",
        left=number(float(one[-1])),
        lag=T - 1,
        sizes=f"{H} units, {D} inputs from N(0, 1), {T} steps, "
        f"the median of {len(SEEDS)} seeds",
    )


def main() -> None:
    """Measure, unless told not to; draw, and write the page."""
    if "--page" not in sys.argv[1:]:
        jax.config.update("jax_enable_x64", True)  # some fall below 1e-38
        measured()
    draw(read())
    text = Path(__file__).with_name("remember.md").read_text(encoding="utf-8")
    PAGE.write_text(page(text), encoding="utf-8")


if __name__ == "__main__":
    main()
