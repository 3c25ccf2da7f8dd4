"""Why LSTMs remember: ``docs/generated/why-lstms-remember.md``.

The text of the page is in `templates/why-lstms-remember.md`.

``python benchmarks/remember.py`` measures how the gradients of untrained cells decay;
``--page`` only draws the plots and writes the page.
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
from tasks.run.gradient_decay import describe_decay, format_number, gradient_by_lag  # noqa: E402
from zoo import initializers  # noqa: E402

FOLDER = ROOT / "docs" / "generated"
PAGE = FOLDER / "why-lstms-remember.md"
TABLE = ROOT / "benchmarks" / "results" / "remember.csv"
T, D, H, ROWS, SEEDS = 201, 8, 64, 4, range(5)
COLUMNS = ("cell", "start", "lag", "median", "least", "most", "versions")
TORCH = initializers.torch_uniform(H)


class Start(NamedTuple):
    """A cell as it begins.

    Attributes:
        cell: its name.
        label: its initialisation.
        options: of the cell.
        scale: factor of the inputs.
        grown: factor of U.
    """

    cell: str
    label: str
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
    """Return the gradient of the last state with respect to each earlier one, ``[T]``.

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
    return gradient_by_lag(zoo.Stacked([zoo.Recurrent(cell)]), start.scale * x)


def measured() -> None:
    """Measure all cells, and write the table."""
    versions = f"jax {version('jax')}, flax {version('flax')}"
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (cell, label), start in {
            (s.cell, s.label): s for s in PLAIN + GATED
        }.items():
            flows = np.stack([measure(start, seed) for seed in SEEDS])
            for lag, values in enumerate(flows.T):
                three = np.median(values), values.min(), values.max()
                statistics = [f"{value:.4g}" for value in three]
                writer.writerow([cell, label, lag, *statistics, versions])
            print(cell, label, flush=True)


def read() -> dict[tuple[str, str], np.ndarray]:
    """Return the median over the seeds by the lag, ``[T]``, of each start."""
    flows: dict[tuple[str, str], list[float]] = {}
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            flows.setdefault((row["cell"], row["start"]), []).append(
                float(row["median"])
            )
    return {key: np.array(values) for key, values in flows.items()}


def draw(flows: dict[tuple[str, str], np.ndarray]) -> None:
    """Draw the plots.

    Args:
        flows: by cell and label.
    """
    for name, starts in PICTURES.items():
        fig, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
        for start in starts:
            by_lag = flows[start.cell, start.label]
            ax.plot(by_lag, label=f"{start.cell}, {start.label}")
        ax.set_yscale("log")
        ax.set_ylim(1e-20, 1e20 if name == "remember-plain" else 10)
        ax.set(xlabel="lag (steps)", ylabel="gradient relative to lag 0")
        ax.grid(alpha=0.3)
        ax.legend(fontsize=9)
        fig.savefig(FOLDER / f"{name}.png", dpi=110)
        plt.close(fig)


def rate(by_lag: np.ndarray, lags: int = 20) -> float:
    """Return the factor of the gradient per step, over the first lags.

    Args:
        by_lag: the gradient.
        lags: number of lags.
    """
    return float(by_lag[lags] / by_lag[1]) ** (1 / (lags - 1))


def table(starts: tuple[Start, ...], flows: dict[tuple[str, str], np.ndarray]) -> str:
    """Return the plotted gradients as a table.

    Args:
        starts: the rows.
        flows: by cell and label.
    """
    lines = [
        "| cell | initialisation | factor per step "
        "| relative to lag 0 at lag 100 | verdict |",
        "| --- | --- | --- | --- | --- |",
    ]
    for start in starts:
        by_lag = flows[start.cell, start.label]
        facts = [f"`{start.cell}`", start.label, f"{rate(by_lag):.3f}"]
        facts += [format_number(float(by_lag[100])), describe_decay(by_lag)]
        lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines)


def solved() -> str:
    """Return the scores of the adding problem as a table."""
    rows = forgetting.read()
    lines = [
        "| cell | initialisation | seeds "
        f"| mse of each seed ({forgetting.BASELINE:.4f}) |",
        "| --- | --- | --- | --- |",
    ]
    for cell, init in dict.fromkeys((row["cell"], row["init"]) for row in rows):
        errors = [r["mse"] for r in rows if (r["cell"], r["init"]) == (cell, init)]
        lines.append(f"| `{cell}` | {init} | {len(errors)} | {', '.join(errors)} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page.

    Args:
        text: the template, with the names of figures in braces.
    """
    flows = read()
    torch, one = flows["lstm", "as in torch"], flows["lstm", "forget bias one"]
    return text.format(
        plain=table(PLAIN, flows),
        gated=table(GATED, flows),
        solved=solved(),
        ratio=format_number(float(one[100] / flows["rnn", "as in torch"][100])),
        torch=f"{rate(torch):.2f}",
        one=f"{rate(one):.2f}",
        left=format_number(float(one[-1])),
        lag=T - 1,
        sizes=f"{H} units, {D} inputs from N(0, 1), {T} steps, "
        f"the median of {len(SEEDS)} seeds",
    )


def main() -> None:
    """Measure unless ``--page`` is set; draw the plots, and write the page."""
    if "--page" not in sys.argv[1:]:
        jax.config.update("jax_enable_x64", True)  # some gradients fall below 1e-38
        measured()
    draw(read())
    text = (Path(__file__).parent / "templates" / PAGE.name).read_text(encoding="utf-8")
    PAGE.write_text(page(text), encoding="utf-8")


if __name__ == "__main__":
    main()
