"""Measure why LSTMs remember: ``docs/generated/why-lstms-remember.md``.

``python benchmarks/gradient_decay.py`` measures how the gradients of untrained cells
decay with the lag; ``--page`` only draws the plots and writes the page, whose text is
in ``benchmarks/templates``.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx

sys.path.insert(0, str(Path(__file__).parents[1]))

import zoo  # noqa: E402
from benchmarks import adding_problem  # noqa: E402
from benchmarks.csv_table import Row, Table  # noqa: E402
from benchmarks.environment import format_versions, installed_versions  # noqa: E402
from benchmarks.pages import markdown_table, read_template  # noqa: E402
from benchmarks.paths import PAGES, RESULTS  # noqa: E402
from zoo import initializers  # noqa: E402
from zoo.tasks.run.gradient_decay import describe_decay, format_number, gradient_by_lag  # noqa: E402

PAGE = PAGES / "why-lstms-remember.md"
TABLE = RESULTS / "gradient_decay.csv"
T, D, H, BATCH, SEEDS = 201, 8, 64, 4, range(5)
KEY = ("cell", "initialisation", "lag")
COLUMNS = (*KEY, "median", "minimum", "maximum", "versions")
TORCH = initializers.torch_uniform(H)

# The gradient of each lag ``[T]``, by cell and initialisation.
Decays = dict[tuple[str, str], np.ndarray]


class Setting(NamedTuple):
    """A cell with an initialisation and a scale of its inputs.

    Attributes:
        cell: its name.
        label: of the initialisation.
        options: of the cell.
        input_scale: factor of the inputs.
        recurrent_scale: factor of U.
    """

    cell: str
    label: str
    options: dict[str, Any] = {}
    input_scale: float = 1.0
    recurrent_scale: float = 1.0


PLAIN = (
    Setting("rnn", "torch", dict(TORCH)),
    Setting("rnn", "U orthogonal"),
    Setting("rnn", "U orthogonal, inputs × 0.01", input_scale=0.01),
    Setting("rnn", "U orthogonal × 3", recurrent_scale=3.0),
)
GATED = (
    Setting("rnn", "torch", dict(TORCH)),
    Setting("gru", "torch", dict(TORCH)),
    Setting("lstm", "torch", dict(TORCH)),
    Setting("lstm", "forget bias one"),
    Setting("lstm", "chrono", {"b_init": initializers.chrono(T)}),
    Setting("lru", "ring"),
)
PLOTS = {"gradient-decay-plain": PLAIN, "gradient-decay-gated": GATED}


def measure(setting: Setting, seed: int) -> np.ndarray:
    """Return the gradient of the last state with respect to each earlier one, ``[T]``.

    Args:
        setting: the cell and its initialisation.
        seed: of the weights and the inputs.
    """
    cell = zoo.cells()[setting.cell](
        D, H, rngs=nnx.Rngs(seed), param_dtype=np.float64, **setting.options
    )
    if setting.recurrent_scale != 1.0:
        cell.U[...] *= setting.recurrent_scale
    x = np.random.default_rng(seed).normal(size=(BATCH, T, D))
    return gradient_by_lag(zoo.Stacked([zoo.Recurrent(cell)]), setting.input_scale * x)


def measure_all() -> list[Row]:
    """Return the rows of all settings."""
    versions = format_versions(installed_versions(["jax", "flax"]))
    settings = {(s.cell, s.label): s for s in PLAIN + GATED}
    rows: list[Row] = []
    for (cell, label), setting in settings.items():
        gradients = np.stack([measure(setting, seed) for seed in SEEDS])
        rows += [
            {
                "cell": cell,
                "initialisation": label,
                "lag": str(lag),
                "median": f"{np.median(values):.4g}",
                "minimum": f"{values.min():.4g}",
                "maximum": f"{values.max():.4g}",
                "versions": versions,
            }
            for lag, values in enumerate(gradients.T)
        ]
        print(cell, label, flush=True)
    return rows


def medians(rows: list[Row]) -> Decays:
    """Return the medians over the seeds.

    Args:
        rows: of the table, in the order of the lags.
    """
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        key = row["cell"], row["initialisation"]
        values.setdefault(key, []).append(float(row["median"]))
    return {key: np.array(gradient) for key, gradient in values.items()}


def draw(decays: Decays) -> None:
    """Draw the plots.

    Args:
        decays: the gradients.
    """
    for name, settings in PLOTS.items():
        figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
        for setting in settings:
            gradient = decays[setting.cell, setting.label]
            axes.plot(gradient, label=f"{setting.cell}, {setting.label}")
        axes.set_yscale("log")
        axes.set_ylim(1e-20, 1e20 if settings is PLAIN else 10)
        axes.set(xlabel="lag (steps)", ylabel="gradient relative to lag 0")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
        figure.savefig(PAGES / f"{name}.png", dpi=110)
        plt.close(figure)


def factor_per_step(gradient: np.ndarray, lags: int = 20) -> float:
    """Return the mean factor of the gradient per step, over the first lags.

    Args:
        gradient: by the lag.
        lags: number of lags.
    """
    return float(gradient[lags] / gradient[1]) ** (1 / (lags - 1))


def decay_table(settings: tuple[Setting, ...], decays: Decays) -> str:
    """Return the plotted gradients as a table.

    Args:
        settings: the rows.
        decays: the gradients.
    """
    header = ["cell", "initialisation", "factor per step"]
    header += ["relative to lag 0 at lag 100", "verdict"]
    lines = []
    for setting in settings:
        gradient = decays[setting.cell, setting.label]
        line = [f"`{setting.cell}`", setting.label, f"{factor_per_step(gradient):.3f}"]
        line += [format_number(float(gradient[100])), describe_decay(gradient)]
        lines.append(line)
    return markdown_table(header, lines)


def adding_problem_table() -> str:
    """Return the scores of the adding problem as a table."""
    errors: dict[tuple[str, str], list[str]] = {}
    for row in adding_problem.read_table().rows:
        errors.setdefault((row["cell"], row["init"]), []).append(row["mse"])
    header = ["cell", "initialisation", "seeds"]
    header += [f"mse of each seed ({adding_problem.BASELINE:.4f})"]
    lines = [
        [f"`{cell}`", init, str(len(values)), ", ".join(values)]
        for (cell, init), values in errors.items()
    ]
    return markdown_table(header, lines)


def page(decays: Decays) -> str:
    """Return the page.

    Args:
        decays: the gradients.
    """
    rnn, torch = decays["rnn", "torch"], decays["lstm", "torch"]
    bias_one = decays["lstm", "forget bias one"]
    text = read_template(PAGE.name).format(
        plain=decay_table(PLAIN, decays),
        gated=decay_table(GATED, decays),
        adding_problem=adding_problem_table(),
        ratio=format_number(float(bias_one[100] / rnn[100])),
        torch_factor=f"{factor_per_step(torch):.2f}",
        bias_one_factor=f"{factor_per_step(bias_one):.2f}",
        rest=format_number(float(bias_one[-1])),
        last_lag=T - 1,
        sizes=f"{H} units, {D} inputs from N(0, 1), {T} steps, "
        f"the median of {len(SEEDS)} seeds",
    )
    return text + "\n"


def main() -> None:
    """Measure unless ``--page`` is set; draw the plots, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only draw and write")
    arguments = parser.parse_args()
    table = Table(TABLE, KEY, COLUMNS)
    if not arguments.page:
        jax.config.update("jax_enable_x64", True)  # some gradients fall below 1e-38
        table.rows = []
        table.merge(measure_all())
    decays = medians(table.rows)
    draw(decays)
    PAGE.write_text(page(decays), encoding="utf-8")


if __name__ == "__main__":
    main()
