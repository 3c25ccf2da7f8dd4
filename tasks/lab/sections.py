"""The sections of the lab's page: charts, tables, and sentences computed from them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from zoo.diagnostics import plots
from zoo.tasks.lab.results import (
    UNSOLVED,
    CellResult,
    InitialGradients,
    half_life,
    verdict,
)
from zoo.tasks.run import charts
from zoo.tasks.run.gradient_decay import describe_decay, format_number
from zoo.tasks.run.html import Html, figure, join, table, tag
from zoo.tasks.run.score_titles import title


def enumeration(names: Sequence[str]) -> str:
    """Return names joined as in a sentence: ``a, b and c``.

    Args:
        names: one or more.
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def paragraphs(*texts: str) -> Html:
    """Return the texts that are not empty as paragraphs.

    Args:
        *texts: plain texts.
    """
    return join(*(tag("p", text) for text in texts if text))


def scores(cells: Sequence[CellResult], loss: str, memoryless: float) -> Html:
    """Return a table of test scores, and which cells remember.

    Args:
        cells: the results.
        loss: name of the loss.
        memoryless: the lowest loss without memory.
    """
    rows = []
    groups: dict[str, list[str]] = {}
    for cell in cells:
        result = verdict(cell.test[loss], memoryless)
        groups.setdefault(result, []).append(cell.name)
        rows.append(
            [
                *(cell.name, cell.parameters, cell.test[loss], cell.test["accuracy"]),
                *(f"{cell.minutes:.1f}", result),
            ]
        )
    head = [
        "cell",
        "parameters",
        f"test {title(loss)}",
        "test accuracy",
        "minutes",
        "verdict",
    ]
    verdicts = [f"{enumeration(names)}: {text}." for text, names in groups.items()]
    note = (
        f"The lowest {title(loss)} without memory is {format_number(memoryless)}. A "
        "cell remembers if its loss is below a tenth of that, and does not remember if "
        "it is above nine tenths."
    )
    return join(table(head, rows, "scores"), paragraphs(note, " ".join(verdicts)))


def learning_curves(cells: Sequence[CellResult], loss: str, memoryless: float) -> Html:
    """Return the dev loss by epoch, and when it falls below the memoryless loss.

    Args:
        cells: the results.
        loss: name of the loss.
        memoryless: the lowest loss without memory.
    """
    series: dict[str, tuple[list[float], list[float]]] = {
        cell.name: (
            [line["epoch"] for line in cell.history],
            [line[f"dev_{loss}"] for line in cell.history],
        )
        for cell in cells
    }
    last = max(line["epoch"] for cell in cells for line in cell.history)
    series["without memory"] = ([1, last], [memoryless, memoryless])
    chart = charts.line_chart(series, "epoch", f"dev {title(loss)}", log=True)
    sentences = []
    for cell in cells:
        below = [
            line["epoch"]
            for line in cell.history
            if line[f"dev_{loss}"] < UNSOLVED * memoryless
        ]
        sentences.append(
            f"{cell.name} beats the memoryless loss from epoch {below[0]}."
            if below
            else f"{cell.name} does not beat the memoryless loss."
        )
    return join(figure(chart, "dev loss by epoch"), paragraphs(" ".join(sentences)))


def accuracy_by_length(cells: Sequence[CellResult], length: int) -> Html:
    """Return the accuracy on shorter and longer sequences than in training.

    Args:
        cells: the results.
        length: of the training sequences.
    """
    series = {
        cell.name: (
            list(cell.by_length),
            [scores["accuracy"] for scores in cell.by_length.values()],
        )
        for cell in cells
    }
    chart = charts.line_chart(series, "length (steps)", "test accuracy")
    sentences = []
    longest = max(cells[0].by_length)
    for cell in cells:
        trained, long = (cell.by_length[n]["accuracy"] for n in (length, longest))
        sentences.append(
            f"{cell.name}: accuracy {trained:.0%} at the training length of {length} "
            f"steps, {long:.0%} at {longest} steps."
        )
    return join(
        figure(chart, "test accuracy by length"),
        paragraphs(
            "The trained models are tested on sequences shorter and longer than those "
            "of training.",
            " ".join(sentences),
        ),
    )


def _gradient_chart(gradients: Mapping[str, np.ndarray], heading: str) -> Html:
    series = {name: (list(range(len(g))), g.tolist()) for name, g in gradients.items()}
    chart = charts.line_chart(
        series, "lag (steps)", "gradient norm / norm at lag 0", log=True
    )
    return join(tag("h3", heading), figure(chart, f"{heading}: gradient norm by lag"))


def gradients_by_lag(cells: Sequence[CellResult]) -> Html:
    """Return the gradients by the lag before and after training.

    Args:
        cells: the results.
    """
    before = {cell.name: cell.before for cell in cells}
    after = {cell.name: cell.after for cell in cells}
    pair = tag(
        "div",
        tag("div", _gradient_chart(before, "Before training")),
        tag("div", _gradient_chart(after, "After training")),
        class_="charts",
    )
    rows = [
        [name, describe_decay(gradient), describe_decay(after[name])]
        for name, gradient in before.items()
    ]
    return join(
        paragraphs(
            "The norm of the Jacobian of the last state with respect to the state a "
            "number of steps (the lag) earlier, relative to lag 0, on a logarithmic "
            "scale. A line that falls is a vanishing gradient, a line that rises an "
            "exploding one. A cell cannot learn a dependency that the gradient does "
            "not reach."
        ),
        pair,
        table(["cell", "before training", "after training"], rows),
    )


def gates(cells: Sequence[CellResult]) -> Html:
    """Return the gates over one sequence, how often they saturate, and half-lives.

    Args:
        cells: the results.
    """
    parts = [
        paragraphs(
            "Gates of the trained cells on one sequence of test: one row per unit, one "
            "column per step."
        )
    ]
    rows, sentences = [], []
    for cell in cells:
        if not cell.gates:
            sentences.append(f"{cell.name} has no gates.")
            continue
        chart = charts.render_svg(partial(plots.gates, cell.gates))
        parts += [
            tag("h3", cell.name),
            figure(chart, f"gates of {cell.name}", f"gates of {cell.name}"),
        ]
        for name, saturation in cell.saturation.items():
            near_0, near_1 = saturation.left.mean(), saturation.right.mean()
            rows.append([cell.name, name, f"{near_0:.1%}", f"{near_1:.1%}"])
        if "f" in cell.gates:
            units = cell.gates["f"].reshape(-1, cell.gates["f"].shape[-1])
            longest = max(half_life(unit) for unit in units.T)
            sentences.append(
                f"The forget gate of {cell.name} with the longest memory halves the "
                f"state in {format_number(longest)} steps."
            )
    head = ["cell", "gate", "closed (below 0.1)", "open (above 0.9)"]
    saturations = table(head, rows) if rows else Html("")
    return join(*parts, saturations, paragraphs(" ".join(sentences)))


def initialisations(results: Sequence[InitialGradients]) -> Html:
    """Return the gradients of untrained cells for each initialisation.

    Args:
        results: one for each initialisation and input scale.
    """
    parts = [
        paragraphs(
            "Before training, the gradient depends on the initialisation and on the "
            "scale of the inputs. An identity matrix U with small inputs preserves the "
            "gradient of a plain RNN. Gate biases spread over the length (chrono) "
            "lengthen the memory of a gated cell. Click an entry to see its gradients."
        )
    ]
    for result in results:
        heading = f"{result.init} initialisation, inputs × {result.input_scale:g}"
        rows = [[name, describe_decay(g)] for name, g in result.gradients.items()]
        options = {"open": "open"} if result.trained else {}
        mark = " (the trained cells)" if result.trained else ""
        parts.append(
            tag(
                "details",
                tag("summary", heading + mark),
                _gradient_chart(result.gradients, heading),
                table([], rows),
                name="initialisations",
                **options,
            )
        )
    return join(*parts)


def command(lab: Any) -> Html:
    """Return the command that makes this page.

    Args:
        lab: the flags.
    """
    flags = [
        *("--cells", lab.cells, "--problem", lab.problem, "--length", lab.length),
        *("--hidden-size", lab.hidden_size, "--epochs", lab.epochs),
        *("--learning-rate", lab.learning_rate, "--initializer", lab.initializer),
        *("--input-scale", lab.input_scale, "--seed", lab.seed),
        *([] if lab.limit_train is None else ["--limit-train", lab.limit_train]),
    ]
    line = " ".join(["zoo lab", *map(str, flags)])
    return join(
        tag("pre", line, class_="text"),
        paragraphs(
            "To train the cells from another initialisation, change --initializer or "
            "--input-scale, and --out."
        ),
    )
