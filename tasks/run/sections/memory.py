"""Errors on a memory problem, the decay of the gradient, and the gates."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

import zoo
from zoo.diagnostics import plots
from zoo.tasks.run import charts
from zoo.tasks.run.gradient_decay import describe_decay, gate_values, gradient_by_lag
from zoo.tasks.run.html import (
    MAX_ERRORS,
    Html,
    Section,
    Token,
    coloured_text,
    error_list,
    figure,
    join,
    legend,
    table,
    tag,
)

MAX_POINTS = 500  # of the scatter chart
IMAGE_SIDE = 8  # pixels of a digit

Row = dict[str, np.ndarray]


def memory_sections(
    show_errors: Callable[[list[Row]], Html],
    rows: Iterable[Row],
    layers: zoo.Layer,
    x: np.ndarray,
) -> list[Section]:
    """Return the worst errors, and why the model remembers as long as it does.

    Args:
        show_errors: `sum_errors`, `symbol_errors` or `digit_errors`.
        rows: for each test sequence the arrays of its batch and of `Memory.predict`.
        layers: of the trained model, a stack.
        x: example inputs ``[B, T, D]``.
    """
    sections = [Section("Worst errors", show_errors(list(rows)))]
    if layers.direction == "forward":
        gradient = gradient_by_lag(layers, x)
        sections.append(Section("Gradient by lag", _gradient_chart(gradient)))
        if gates := gate_values(layers, x):
            sections.append(Section("Gates", _gates(gates)))
    return sections


def _gradient_chart(gradient: np.ndarray) -> Html:
    series = {"gradient": (list(range(len(gradient))), gradient.tolist())}
    chart = charts.line_chart(
        series, "lag (steps)", "gradient norm / norm at lag 0", log=True
    )
    text = (
        "The norm of the Jacobian of the last state of the trained model with respect "
        "to the state a number of steps (the lag) earlier, relative to lag 0. It "
        f"{describe_decay(gradient)}."
    )
    return join(tag("p", text), figure(chart, "gradient norm by lag"))


def _gates(gates: Mapping[str, np.ndarray]) -> Html:
    text = (
        "Gates of the last layer on the first sequence of test: one row per unit, one "
        "column per step."
    )
    chart = charts.render_svg(partial(plots.gates, gates))
    shown = figure(chart, "gates", f"gates {', '.join(gates)}")
    return join(tag("p", text, class_="note"), shown)


def sum_errors(rows: list[Row]) -> Html:
    """Show the predicted against the true sums, and the largest errors.

    Args:
        rows: with ``inputs [T, 2]``, the numbers and the marks, ``target`` and
            ``answer``.
    """
    true = np.array([float(row["target"]) for row in rows])
    predicted = np.array([float(row["answer"]) for row in rows])
    error = np.abs(predicted - true)
    lines = []
    for k in np.argsort(-error, kind="stable")[:MAX_ERRORS]:
        x = rows[k]["inputs"]
        steps = np.flatnonzero(x[:, 1])
        marked = [f"{x[t, 0]:.3f} at step {t + 1}" for t in steps]
        lines.append([*marked, float(true[k]), float(predicted[k]), float(error[k])])
    chart = charts.scatter_chart(
        true[:MAX_POINTS].tolist(),
        predicted[:MAX_POINTS].tolist(),
        "true sum",
        "predicted sum",
    )
    note = (
        "Each point is a sequence of test. A model that remembers predicts sums on the "
        "diagonal; a model without memory predicts the same value for all."
    )
    head = ["first number", "second number", "true sum", "predicted", "error"]
    return join(
        tag("p", note, class_="note"),
        figure(chart, "predicted against true sums"),
        tag("h3", "Largest errors"),
        table(head, lines),
    )


class _Recall(NamedTuple):
    num_errors: int
    true: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


def symbol_errors(rows: list[Row]) -> Html:
    """Show the sequences with the most recall errors.

    Args:
        rows: with ``target``, ``answer``, ``probability`` of the answer, and
            ``recalled``, the steps that are scored, all ``[T]``.
    """
    errors = []
    for row in rows:
        steps = row["recalled"]
        columns = (row[name][steps] for name in ("target", "answer", "probability"))
        true, predicted, confidence = columns
        num_errors = int((true != predicted).sum())
        if num_errors:
            errors.append(_Recall(num_errors, true, predicted, confidence))
    worst = heapq.nlargest(MAX_ERRORS, errors, key=lambda recall: recall.num_errors)
    if not worst:
        return tag("p", "Every symbol is recalled correctly.")

    def show(recall: _Recall) -> tuple[Html, Html]:
        columns = zip(recall.true, recall.predicted, recall.confidence, strict=True)
        pieces = [
            Token(str(t), 1.0 - float(c), f"predicted {p}, {c:.2f}", bool(t != p))
            for t, p, c in columns
        ]
        head = join(
            tag("b", f"{recall.num_errors} of {len(recall.true)} wrong"),
            f", predicted {' '.join(map(str, recall.predicted))}",
        )
        return head, coloured_text(pieces, "uncertainty")

    note = (
        f"The {len(worst)} sequences with the most errors, of {len(errors):,} with "
        "errors. The true symbols are shown; those predicted wrongly are underlined. "
        "Colours show the model's uncertainty, 1\xa0−\xa0confidence."
    )
    return join(
        tag("p", note, class_="note"),
        legend("uncertainty", "confident", "uncertain"),
        error_list(map(show, worst)),
    )


def digit_errors(rows: list[Row]) -> Html:
    """Show the digits that were misclassified with the highest confidence.

    Args:
        rows: with ``inputs [64, 1]``, the pixels, ``target``, ``answer`` and
            ``probability`` of the answer.
    """
    wrong = [row for row in rows if row["target"] != row["answer"]]
    worst = heapq.nlargest(MAX_ERRORS, wrong, key=lambda row: float(row["probability"]))
    if not worst:
        return tag("p", "Every digit is classified correctly.")
    chart = charts.image_grid(
        np.stack([row["inputs"].reshape(IMAGE_SIDE, IMAGE_SIDE) for row in worst]),
        [
            f"{row['target']} → {row['answer']} ({float(row['probability']):.2f})"
            for row in worst
        ],
    )
    note = (
        f"The {len(worst)} most confident of {len(wrong):,} errors: the true digit, "
        "the predicted digit, and the model's confidence."
    )
    return join(tag("p", note, class_="note"), figure(chart, "misclassified digits"))
