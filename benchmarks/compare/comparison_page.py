"""The page of the comparison: ``docs/comparison.md`` and its picture."""

from pathlib import Path
from typing import Any

from benchmarks.compare.training import CLIP_NORM, EMBEDDING, LEARNING_RATE, LIMIT

DOCS = Path(__file__).parent.parent.parent / "docs"
TABLE, PAGE, PICTURE = (
    DOCS / f"comparison.{ending}" for ending in ("csv", "md", "png")
)
COLUMNS = [
    *("problem", "cell", "hidden_size", "parameters", "score", "deviation", "scores"),
    *("steps", "of", "tokens_per_second", "compile_seconds", "temporary_mb"),
    *("seconds", "cores", "machine", "versions"),
]
HEAD = f"""\
# The cells compared

One layer of each cell, as many parameters for all, trained alike. Written by
`python -m benchmarks.compare --page` from `comparison.csv`, which
`python -m benchmarks.compare` fills row by row. The part en_ewt and the text are read
from `$ZOO_DATA`.

- The hidden size is the greatest multiple of 4 (at most 512) with which layer and
  read-out stay within the parameters told: 30,000, or 20,000 for digits. What makes
  vectors of {EMBEDDING} numbers of the input (tables, or a linear map of a pixel) is
  the same for all and not counted; constants are.
- Three seeds of the weights and of the order, trained together by `vmap`; the score is
  their mean on the test split, with their standard deviation.
- Adam at {LEARNING_RATE}, cosine schedule, gradients clipped at {CLIP_NORM}: the same
  for all, tuned for none. **A cell that wants another learning rate, more steps or
  another initialisation does better than shown**; initialisations are the defaults of
  the cells.
- Training stops after {LIMIT:.0f} s; where that cut it short, the steps say so.
- *pos*: words and endings of three letters, both ways, accuracy of test tokens; *pos
  sample* is the sample of the project, *pos en_ewt* its first 3,000 sentences.
  *charlm*: the first 300,000 characters of Tiny Shakespeare in windows of 64, nats a
  character on the last tenth, each window from an empty state. *digits*: 8 x 8 images
  read pixel by pixel, accuracy.
- Tokens a second count those of all seeds, in training; the memory is that of the
  training step beside parameters and data, for all three seeds.
- Where dots are many, the picture names the best of them.
""".splitlines()


def write(rows: list[dict[str, str]]) -> None:
    """Write page and picture.

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
    found = [row for row in rows if row["problem"] == problem]
    sign = 1 if problem == "charlm" else -1
    return sorted(found, key=lambda row: sign * float(row["score"]))


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
    told = {
        f"{row['machine']}, {row['cores']} core(s); {row['versions']}" for row in rows
    }
    return "\n".join([*lines, "", *(f"Machine: {one}." for one in sorted(told)), ""])


def draw(rows: list[dict[str, str]]) -> None:
    """Draw score against speed, a panel for each problem.

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
        panel.set_xlabel("tokens a second in training, three seeds together")
        panel.set_ylabel("nats" if problem == "charlm" else "accuracy")
        panel.set_title(problem)
        if problem == "charlm":
            panel.invert_yaxis()
    figure.tight_layout()
    _thin(names)
    figure.savefig(PICTURE, dpi=110)
    pyplot.close(figure)


def _thin(names: list[Any]) -> None:
    """Take away the names that would lie over one that comes before them."""
    kept = []
    for name in names:
        box = name.get_window_extent()
        if any(box.overlaps(other) for other in kept):
            name.remove()
        else:
            kept.append(box)
