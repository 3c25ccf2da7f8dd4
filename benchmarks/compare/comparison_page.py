"""The page of the comparison: ``docs/generated/comparison.md`` and its plot."""

import itertools
from collections import Counter
from typing import Any

import zoo
from benchmarks.compare.training import (
    CLIP_NORM,
    EMBEDDING_SIZE,
    LEARNING_RATES,
    SEEDS,
)
from benchmarks.csv_table import Row
from benchmarks.environment import describe_machines
from benchmarks.pages import markdown_table, read_template
from benchmarks.paths import PAGES, RESULTS

TABLE = RESULTS / "comparison.csv"
PAGE = PAGES / "comparison.md"
PLOT = PAGE.with_suffix(".png")
KEY = ("problem", "cell")
COLUMNS = [
    *(*KEY, "hidden_size", "parameters", "dev_scores", "rate", "score", "deviation"),
    *("scores", "steps", "seconds", "cores", "machine", "versions"),
]
SCORES = {"pos": "accuracy", "charlm": "nats per character", "digits": "accuracy"}


def write(rows: list[Row]) -> None:
    """Write the page and its plot.

    Args:
        rows: of the table.
    """
    PAGE.write_text(page(rows))
    draw(measured(rows))


def measured(rows: list[Row]) -> list[Row]:
    """Return the rows of the cells that have been measured on all problems.

    Args:
        rows: of the table.
    """
    count = Counter(row["cell"] for row in rows)
    return [row for row in rows if count[row["cell"]] == len(SCORES)]


def ranking(rows: list[Row], problem: str) -> list[Row]:
    """Return the rows of a problem, the best first.

    Args:
        rows: of the table.
        problem: its name.
    """
    sign = -1 if SCORES[problem] == "accuracy" else 1
    return sorted(
        (row for row in rows if row["problem"] == problem),
        key=lambda row: sign * float(row["score"]),
    )


def page(rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    rows = measured(rows)
    steps = {row["problem"]: row["steps"] for row in rows}
    text = read_template("comparison.md").format(
        count=len({row["cell"] for row in rows}),
        embedding_size=EMBEDDING_SIZE,
        learning_rates=", ".join(f"{rate:g}" for rate in LEARNING_RATES),
        seeds=len(SEEDS),
        clip_norm=CLIP_NORM,
        steps=", ".join(f"{count} ({name})" for name, count in steps.items()),
        plot=PLOT.name,
        table=scores_table(rows),
        machines=describe_machines(rows),
    )
    return text + "\n"


def scores_table(rows: list[Row]) -> str:
    """Return the scores, a row for each cell, as a Markdown table.

    Args:
        rows: of the table.
    """
    cells = dict.fromkeys(row["cell"] for row in rows)
    problems = dict.fromkeys(row["problem"] for row in rows)
    header = ["cell", "family"]
    for problem in problems:
        header += [problem, "rank", "H", "learning rate"]
    columns = [
        {
            row["cell"]: [
                f"{row['score']} ± {row['deviation']}",
                str(rank),
                row["hidden_size"],
                row["rate"],
            ]
            for rank, row in enumerate(ranking(rows, problem), start=1)
        }
        for problem in problems
    ]
    lines = []
    for cell in cells:
        line = [f"`{cell}`", zoo.cells()[cell].family]
        for column in columns:
            line += column.get(cell, [""] * 4)
        lines.append(line)
    return markdown_table(header, lines)


def draw(rows: list[Row]) -> None:
    """Plot the scores, a panel for each problem and a line for each cell.

    Args:
        rows: of the table.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colormaps, pyplot
    from matplotlib.lines import Line2D

    problems = list(dict.fromkeys(row["problem"] for row in rows))
    families = sorted({zoo.cells()[row["cell"]].family for row in rows})
    palette = [*colormaps["tab10"](range(10)), "black", "navy", "limegreen"]
    colours = dict(zip(families, itertools.cycle(palette), strict=False))
    count = max(len(ranking(rows, problem)) for problem in problems)
    figure, panels = pyplot.subplots(
        1, len(problems), figsize=(5 * len(problems), 2 + 0.17 * count), squeeze=False
    )
    for panel, problem in zip(panels[0], problems, strict=True):
        _draw_problem(panel, problem, ranking(rows, problem), colours)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, label=family)
        for family, colour in colours.items()
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(families), fontsize=9)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(PLOT, dpi=90)
    pyplot.close(figure)


def _draw_problem(
    panel: Any, problem: str, rows: list[Row], colours: dict[str, Any]
) -> None:
    """Plot the mean score of each cell, and the score of each seed, the best on top.

    A few scores far below the others would squeeze these together: they are written at
    the edge of the panel.
    """
    means = [float(row["score"]) for row in rows]
    edge = means[0] + 1.5 * (means[len(means) * 9 // 10] - means[0])
    is_accuracy = SCORES[problem] == "accuracy"
    for place, row in enumerate(rows):
        colour = colours[zoo.cells()[row["cell"]].family]
        seeds = [float(score) for score in row["scores"].split()]
        if (means[place] < edge) == is_accuracy:
            text = f" {means[place]:.2f}"
            panel.plot(edge, place, "<", color=colour, markersize=5)
            panel.text(edge, place, text, fontsize=7, va="center")
            continue
        panel.plot(seeds, [place] * len(seeds), "-", color=colour, linewidth=1.5)
        panel.plot(means[place], place, "o", color=colour, markersize=5)
    panel.set_yticks(range(len(rows)), [row["cell"] for row in rows], fontsize=8)
    panel.set_ylim(len(rows), -1)
    panel.grid(axis="x", alpha=0.3)
    panel.set_title(problem)
    panel.set_xlabel(SCORES[problem])
    if not is_accuracy:
        panel.invert_xaxis()
