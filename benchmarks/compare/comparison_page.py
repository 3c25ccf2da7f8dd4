"""The page of the comparison: ``docs/generated/comparison.md`` and its plot."""

from matplotlib.text import Annotation

from benchmarks.compare.training import (
    CLIP_NORM,
    EMBEDDING_SIZE,
    LEARNING_RATE,
    TIME_LIMIT,
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
    *(*KEY, "hidden_size", "parameters", "score", "deviation", "scores", "steps"),
    *("planned_steps", "tokens_per_second", "compile_seconds", "temporary_mb"),
    *("seconds", "cores", "machine", "versions"),
]


def write(rows: list[Row]) -> None:
    """Write the page and its plot.

    Args:
        rows: of the table.
    """
    PAGE.write_text(page(rows))
    if rows:
        draw(rows)


def score_name(problem: str) -> str:
    """Return the name of the score of a problem.

    Args:
        problem: its name.
    """
    return "nats" if problem == "charlm" else "accuracy"


def ranking(rows: list[Row], problem: str) -> list[Row]:
    """Return the rows of a problem, the best first.

    Args:
        rows: of the table.
        problem: its name.
    """
    sign = 1 if score_name(problem) == "nats" else -1
    return sorted(
        (row for row in rows if row["problem"] == problem),
        key=lambda row: sign * float(row["score"]),
    )


def ranking_table(rows: list[Row], problem: str) -> str:
    """Return the ranking of a problem as a table.

    Args:
        rows: of the table.
        problem: its name.
    """
    header = ["cell", "H", "parameters", score_name(problem), "tokens/s", "compile s"]
    header += ["MB", "steps"]
    lines = []
    for row in ranking(rows, problem):
        complete = row["steps"] == row["planned_steps"]
        lines.append(
            [
                f"`{row['cell']}`",
                row["hidden_size"],
                f"{int(row['parameters']):,}",
                f"{row['score']} ± {row['deviation']}",
                f"{int(row['tokens_per_second']):,}",
                row["compile_seconds"],
                row["temporary_mb"],
                row["steps"] + ("" if complete else f" of {row['planned_steps']}"),
            ]
        )
    return markdown_table(header, lines)


def page(rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    tables = [
        f"## {problem}\n\n{ranking_table(rows, problem)}"
        for problem in dict.fromkeys(row["problem"] for row in rows)
    ]
    text = read_template("comparison.md").format(
        embedding_size=EMBEDDING_SIZE,
        learning_rate=LEARNING_RATE,
        clip_norm=CLIP_NORM,
        time_limit=TIME_LIMIT,
        plot=PLOT.name,
        tables="\n\n".join(tables),
        machines=describe_machines(rows),
    )
    return text + "\n"


def draw(rows: list[Row]) -> None:
    """Plot score against speed, a panel for each problem.

    Args:
        rows: of the table.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    problems = list(dict.fromkeys(row["problem"] for row in rows))
    figure, panels = pyplot.subplots(
        len(problems), 1, figsize=(9, 6 * len(problems)), squeeze=False
    )
    labels = []  # the best cell first
    for panel, problem in zip(panels[:, 0], problems, strict=True):
        for row in ranking(rows, problem):
            x, y = float(row["tokens_per_second"]), float(row["score"])
            panel.plot(x, y, "o", markersize=3, color="tab:blue")
            style = {"xytext": (3, 2), "textcoords": "offset points", "fontsize": 7}
            labels.append(panel.annotate(row["cell"], (x, y), **style))
        panel.set_xscale("log")
        panel.set_xlabel("training tokens/s, three seeds in parallel")
        panel.set_ylabel(score_name(problem))
        panel.set_title(problem)
        if score_name(problem) == "nats":
            panel.invert_yaxis()
    figure.tight_layout()
    _remove_overlapping(labels)
    figure.savefig(PLOT, dpi=110)
    pyplot.close(figure)


def _remove_overlapping(labels: list[Annotation]) -> None:
    """Remove the labels that overlap an earlier one."""
    boxes = []
    for label in labels:
        box = label.get_window_extent()
        if any(box.overlaps(other) for other in boxes):
            label.remove()
        else:
            boxes.append(box)
