"""The page of the comparison: ``docs/generated/comparison.md`` and its plot."""

from pathlib import Path
from typing import Any

from benchmarks.compare.training import CLIP_NORM, EMBEDDING, LEARNING_RATE, LIMIT

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "benchmarks" / "results" / "comparison.csv"
PAGE = ROOT / "docs" / "generated" / "comparison.md"
PICTURE = PAGE.with_suffix(".png")
COLUMNS = [
    *("problem", "cell", "hidden_size", "parameters", "score", "deviation", "scores"),
    *("steps", "of", "tokens_per_second", "compile_seconds", "temporary_mb"),
    *("seconds", "cores", "machine", "versions"),
]
HEAD = f"""\
# Comparison of all cells

One layer of each cell, with the same number of parameters and the same training recipe.
`python -m benchmarks.compare` fills `benchmarks/results/comparison.csv` row by row, and
`python -m benchmarks.compare --page` writes this page from it. en_ewt and the text are
read from `$ZOO_DATA`.

- The hidden size is the largest multiple of 4 (up to 512) such that layer and output
  have at most 30,000 parameters, or 20,000 for digits. The input embedding of size
  {EMBEDDING} (tables, or a linear map of a pixel) is the same for all cells and not
  counted; constants are counted.
- Three seeds of weights and data order are trained in parallel by `vmap`. The score is
  the mean on the test split, with the standard deviation.
- Adam at {LEARNING_RATE}, cosine schedule, gradients clipped at {CLIP_NORM}, default
  initialisation: the same for all cells and tuned for none. **A cell that needs another
  learning rate, more steps or another initialisation can do better than shown.**
- Training stops after {LIMIT:.0f} s; the column of steps shows where it did.
- *pos*: words and suffixes of three letters, bidirectional, accuracy of the test
  tokens; *pos sample* is the project's sample, *pos en_ewt* the first 3,000 sentences
  of EWT. *charlm*: the first 300,000 characters of Tiny Shakespeare in windows of 64,
  nats per character on the last tenth, each window from a zero state. *digits*: 8 x 8
  images read pixel by pixel, accuracy.
- Tokens/s is the training rate of all seeds together. MB is the memory of the training
  step without parameters and data, for all three seeds.
- Where points are dense, the plot labels the best of them.
""".splitlines()


def write(rows: list[dict[str, str]]) -> None:
    """Write the page and its plot.

    Args:
        rows: of the table.
    """
    PAGE.write_text(page(rows))
    if rows:
        draw(rows)


def ranked(rows: list[dict[str, str]], problem: str) -> list[dict[str, str]]:
    """Return the rows of a problem, the best first.

    Args:
        rows: of the table.
        problem: one of them.
    """
    of_problem = [row for row in rows if row["problem"] == problem]
    sign = 1 if problem == "charlm" else -1
    return sorted(of_problem, key=lambda row: sign * float(row["score"]))


def page(rows: list[dict[str, str]]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    lines = [*HEAD, "", f"![Score and speed of each cell]({PICTURE.name})"]
    for problem in dict.fromkeys(row["problem"] for row in rows):
        score = "nats" if problem == "charlm" else "accuracy"
        lines += ["", f"## {problem}", ""]
        lines.append(
            f"| cell | H | parameters | {score} | tokens/s | compile s | MB | steps |"
        )
        lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for row in ranked(rows, problem):
            cut = "" if row["steps"] == row["of"] else f" of {row['of']}"
            facts = [
                f"`{row['cell']}`",
                row["hidden_size"],
                f"{int(row['parameters']):,}",
                f"{row['score']} ± {row['deviation']}",
                f"{int(row['tokens_per_second']):,}",
                row["compile_seconds"],
                row["temporary_mb"],
                row["steps"] + cut,
            ]
            lines.append(f"| {' | '.join(facts)} |")
    machines = {
        f"{row['machine']}, {row['cores']} core(s); {row['versions']}" for row in rows
    }
    return "\n".join(
        [*lines, "", *(f"Machine: {one}." for one in sorted(machines)), ""]
    )


def draw(rows: list[dict[str, str]]) -> None:
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
    names = []  # best first
    for panel, problem in zip(panels[:, 0], problems, strict=True):
        for row in ranked(rows, problem):
            x, y = float(row["tokens_per_second"]), float(row["score"])
            panel.plot(x, y, "o", markersize=3, color="tab:blue")
            names.append(
                panel.annotate(
                    row["cell"],
                    (x, y),
                    fontsize=7,
                    xytext=(3, 2),
                    textcoords="offset points",
                )
            )
        panel.set_xscale("log")
        panel.set_xlabel("training tokens/s, three seeds in parallel")
        panel.set_ylabel("nats" if problem == "charlm" else "accuracy")
        panel.set_title(problem)
        if problem == "charlm":
            panel.invert_yaxis()
    figure.tight_layout()
    _thin(names)
    figure.savefig(PICTURE, dpi=110)
    pyplot.close(figure)


def _thin(names: list[Any]) -> None:
    """Remove the labels that overlap an earlier one."""
    kept = []
    for name in names:
        box = name.get_window_extent()
        if any(box.overlaps(other) for other in kept):
            name.remove()
        else:
            kept.append(box)
