"""The page of the lab: what was measured, drawn, and said in words.

Every sentence follows from the figures that it tells.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.data.memory_problems import Problem
from tasks.run import charts
from tasks.run.gradient_decay import number, reach
from tasks.run.html import Html, Section, figures, join, page, picture, table, tag
from zoo.diagnostics import Saturation
from zoo.diagnostics import plots as zoo_plots

# Shares of the least loss without a memory, below which a cell counts as one that
# remembers, and above which as one that does not.
SOLVED, UNSOLVED = 0.1, 0.9


class Cell(NamedTuple):
    """What was measured of a trained cell.

    Attributes:
        name: of the cell.
        parameters: of the whole model.
        history: a line an epoch, of the log.
        test: scores.
        minutes: of its training.
        by_length: test scores at other lengths.
        before: gradient by the lag, before training, ``[T]``; 1 at lag 0.
        after: the same of the trained cell.
        gates: ``[B, T, H]`` by name.
        saturation: of each gate.
    """

    name: str
    parameters: int
    history: list[dict[str, Any]]
    test: dict[str, Any]
    minutes: float
    by_length: dict[int, dict[str, Any]]
    before: np.ndarray
    after: np.ndarray
    gates: dict[str, np.ndarray]
    saturation: dict[str, Saturation]


class Start(NamedTuple):
    """Gradients of untrained cells that begin in one way.

    Attributes:
        init: how the cells begin.
        scale: factor of the inputs.
        flows: gradient by the lag, ``[T]``, by the cell.
        chosen: whether this is how the trained cells began.
    """

    init: str
    scale: float
    flows: dict[str, np.ndarray]
    chosen: bool


def write(
    path: Path, lab: Any, cells: Sequence[Cell], starts: Sequence[Start], of: Problem
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        lab: the flags.
        cells: what was measured.
        starts: gradients at the beginning, for each way to begin.
        of: the problem.
    """
    least, loss = of.memoryless(lab.length), of.score
    lead = figures(
        {
            "problem": lab.problem,
            "steps": 64 if lab.problem == "digits" else lab.length,
            f"{loss} without a memory": least,
            "units": lab.hidden_size,
            "epochs": lab.epochs,
            "begin": lab.init,
            "scale of the inputs": str(lab.input_scale),
            "seed": lab.seed,
        }
    )
    sections = [
        Section("Who remembers", _scores(cells, loss, least)),
        Section("Learning", _learning(cells, loss, least)),
    ]
    if cells[0].by_length:
        sections.append(Section("Other lengths", _lengths(cells, loss, lab.length)))
    sections += [
        Section("How far the gradient reaches", _gradients(cells)),
        Section("Gates", _gates(cells)),
        Section("It depends on how they begin", _starts(starts, lab)),
        Section("Again", _again(lab)),
    ]
    text = page(f"Memory lab: {lab.problem}", lead, sections)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    Args:
        names: one or more.
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def verdict(loss: float, least: float) -> str:
    """Return what a loss says of a memory.

    Args:
        loss: on the test split.
        least: the least one without a memory.
    """
    if loss < SOLVED * least:
        return "remembers"
    return "does not remember" if loss > UNSOLVED * least else "remembers in part"


def half_life(forget: np.ndarray) -> float:
    """Return in how many steps a forget gate halves what it keeps.

    Args:
        forget: its values, in (0, 1).
    """
    rate = -float(np.log(np.clip(forget, 1e-12, 1.0)).mean())
    return math.inf if rate == 0.0 else math.log(2.0) / rate


def _paragraphs(*texts: str) -> Html:
    return join(*(tag("p", text) for text in texts if text))


def _scores(cells: Sequence[Cell], loss: str, least: float) -> Html:
    """Return the table of the scores, and what it says."""
    rows = []
    groups: dict[str, list[str]] = {}
    for cell in cells:
        found = verdict(cell.test[loss], least)
        groups.setdefault(found, []).append(cell.name)
        rows.append(
            [
                *(cell.name, cell.parameters, cell.test[loss], cell.test["accuracy"]),
                *(f"{cell.minutes:.1f}", found),
            ]
        )
    head = ["cell", "parameters", f"{loss}, test", "right", "minutes", ""]
    told = [f"{listed(names)}: {found}." for found, names in groups.items()]
    bounds = (
        f"Without a memory no model can fall below {number(least)} {loss}. A cell "
        "whose loss is below a tenth of that is said to remember, one above nine "
        "tenths of it not to."
    )
    return join(table(head, rows, "scores"), _paragraphs(bounds, " ".join(told)))


def _learning(cells: Sequence[Cell], loss: str, least: float) -> Html:
    """Return the curves of the loss, and what they say."""
    series = {
        cell.name: (
            [line["epoch"] for line in cell.history],
            [line[f"dev_{loss}"] for line in cell.history],
        )
        for cell in cells
    }
    last = max(line["epoch"] for cell in cells for line in cell.history)
    series["without a memory"] = ([1, last], [least, least])
    drawn = charts.lines(series, "epoch", f"{loss}, dev", log=True)
    told = []
    for cell in cells:
        below = [
            line["epoch"]
            for line in cell.history
            if line[f"dev_{loss}"] < UNSOLVED * least
        ]
        told.append(
            f"{cell.name} leaves the line of no memory in epoch {below[0]}."
            if below
            else f"{cell.name} does not leave the line of no memory."
        )
    return join(picture(drawn, "the loss over the epochs"), _paragraphs(" ".join(told)))


def _lengths(cells: Sequence[Cell], loss: str, length: int) -> Html:
    """Return the success against the length, and what it says."""
    series = {
        cell.name: (
            list(cell.by_length),
            [scores["accuracy"] for scores in cell.by_length.values()],
        )
        for cell in cells
    }
    drawn = charts.lines(series, "steps", "share of right answers")
    told = []
    longest = max(cells[0].by_length)
    for cell in cells:
        here, there = (cell.by_length[n]["accuracy"] for n in (length, longest))
        told.append(
            f"{cell.name}: {here:.0%} right at the {length} steps of its training, "
            f"{there:.0%} at {longest}."
        )
    return join(
        picture(drawn, "right answers against the length"),
        _paragraphs(
            "The same trained models, asked about shorter and longer sequences than "
            "those they were trained on.",
            " ".join(told),
        ),
    )


def _flows(flows: dict[str, np.ndarray], title: str) -> Html:
    """Return gradients by the lag as a picture."""
    series = {name: (list(range(len(f))), f.tolist()) for name, f in flows.items()}
    drawn = charts.lines(series, "lag (steps)", "gradient, of lag 0", log=True)
    return join(tag("h3", title), picture(drawn, f"{title}: the gradient by the lag"))


def _gradients(cells: Sequence[Cell]) -> Html:
    """Return the gradients before and after training, and what they say."""
    before = {cell.name: cell.before for cell in cells}
    after = {cell.name: cell.after for cell in cells}
    pictures = tag(
        "div",
        tag("div", _flows(before, "Before training")),
        tag("div", _flows(after, "After training")),
        class_="pictures",
    )
    rows = [[name, reach(flow), reach(after[name])] for name, flow in before.items()]
    return join(
        _paragraphs(
            "The norm of the Jacobian of the last state by the state so many steps "
            "before, as a share of that at lag 0, on a logarithmic scale: a straight "
            "line down is a gradient that vanishes, one up is one that explodes. What "
            "the gradient does not reach, the cell cannot learn to remember."
        ),
        pictures,
        table(["cell", "before training", "after training"], rows),
    )


def _gates(cells: Sequence[Cell]) -> Html:
    """Return pictures of the gates, how often they are shut, and what that says."""
    parts = [
        _paragraphs(
            "What the gates of the trained cells do on one sequence of the test split: "
            "a row is a unit, a column a step."
        )
    ]
    rows, told = [], []
    for cell in cells:
        if not cell.gates:
            told.append(f"{cell.name} has no gates.")
            continue
        drawn = charts.svg(partial(zoo_plots.gates, cell.gates))
        parts += [
            tag("h3", cell.name),
            picture(drawn, f"the gates of {cell.name}", f"gates of {cell.name}"),
        ]
        for name, found in cell.saturation.items():
            shut, open_ = float(found.left.mean()), float(found.right.mean())
            rows.append([cell.name, name, f"{shut:.1%}", f"{open_:.1%}"])
        if "f" in cell.gates:
            units = cell.gates["f"].reshape(-1, cell.gates["f"].shape[-1])
            longest = max(half_life(unit) for unit in units.T)
            told.append(
                f"The unit of {cell.name} that forgets the least halves what it keeps "
                f"in {number(longest)} steps."
            )
    head = ["cell", "gate", "shut (below 0.1)", "open (above 0.9)"]
    return join(*parts, table(head, rows), _paragraphs(" ".join(told)))


def _starts(starts: Sequence[Start], lab: Any) -> Html:
    """Return the gradients of untrained cells, for each way to begin."""
    parts = [
        _paragraphs(
            "Before any training the answer hangs on how the cells begin and on how "
            "large the inputs are: a matrix U of length one and small inputs let the "
            "gradient of a plain cell pass, and biases spread over the length (chrono) "
            "lengthen the memory of a gated one. Open one to see it."
        )
    ]
    for start in starts:
        title = f"begin {start.init}, inputs × {start.scale:g}"
        rows = [[name, reach(flow)] for name, flow in start.flows.items()]
        more = {"open": "open"} if start.chosen else {}
        mark = " (trained here)" if start.chosen else ""
        parts.append(
            tag(
                "details",
                tag("summary", title + mark),
                _flows(start.flows, title),
                table([], rows),
                name="starts",
                **more,
            )
        )
    return join(*parts)


def _again(lab: Any) -> Html:
    """Return the command."""
    flags = [
        *("--cells", lab.cells, "--problem", lab.problem, "--length", lab.length),
        *("--hidden-size", lab.hidden_size, "--epochs", lab.epochs),
        *("--learning-rate", lab.learning_rate, "--init", lab.init),
        *("--input-scale", lab.input_scale, "--seed", lab.seed),
        *([] if lab.limit_train is None else ["--limit-train", lab.limit_train]),
    ]
    command = " ".join(["python -m tasks.lab", *map(str, flags)])
    return join(
        tag("pre", command, class_="text"),
        _paragraphs(
            "Another --init or --input-scale (with another --out) trains the cells "
            "that begin in another way."
        ),
    )
