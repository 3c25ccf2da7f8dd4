"""What was not remembered, how far the gradient reaches, and what the gates do."""

import heapq
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

import zoo
from tasks.run import charts
from tasks.run.gradient_decay import flow, gates, reach
from tasks.run.html import (
    WORST,
    Html,
    Section,
    Token,
    errors,
    join,
    key,
    picture,
    table,
    tag,
    tokens,
)
from zoo.diagnostics import plots as zoo_plots

DOTS = 500  # answers that are drawn
SIDE = 8  # pixels of a digit's width

Row = dict[str, np.ndarray]
Worst = Callable[[list[Row]], Html]


def memory(
    worst: Worst, rows: Iterable[Row], layers: zoo.Layer, x: np.ndarray
) -> list[Section]:
    """Return the worst errors, and why the model remembers as long as it does.

    Args:
        worst: shows the worst errors: `sums`, `symbols` or `digits`.
        rows: of each sequence what it was asked, and what `Memory.predict` answered.
        layers: of the trained model, a stack.
        x: some inputs ``[B, T, D]``.
    """
    found = [Section("Worst errors", worst(list(rows)))]
    if layers.direction == "forward":
        found.append(Section("Gradient", _gradient(flow(layers, x))))
        if drawn := gates(layers, x):
            found.append(Section("Gates", _gates(drawn)))
    return found


def _gradient(by_lag: np.ndarray) -> Html:
    """Return the gradient of the last state by those before it."""
    series = {"gradient": (list(range(len(by_lag))), by_lag.tolist())}
    drawn = charts.lines(series, "lag (steps)", "gradient, of lag 0", log=True)
    told = (
        "The norm of the Jacobian of the last state by the state so many steps before, "
        f"as a share of that at lag 0, of the trained model. It {reach(by_lag)}."
    )
    return join(tag("p", told), picture(drawn, "the gradient by the lag"))


def _gates(values: dict[str, Any]) -> Html:
    """Return the gates over one sequence."""
    told = (
        "What the gates of the last layer do on the first sequence of the test split: "
        "a row is a unit, a column a step."
    )
    drawn = charts.svg(partial(zoo_plots.gates, values))
    shown = picture(drawn, "gates", f"gates {', '.join(values)}")
    return join(tag("p", told, class_="note"), shown)


def sums(rows: list[Row]) -> Html:
    """Show the sums that are farthest off, and all as dots.

    Args:
        rows: with ``made [T, 2]``, numbers and marks, ``target`` and ``answer``.
    """
    asked = np.array([float(row["target"]) for row in rows])
    given = np.array([float(row["answer"]) for row in rows])
    off = np.abs(given - asked)
    lines = []
    for k in np.argsort(-off, kind="stable")[:WORST]:
        x = rows[k]["made"]
        steps = np.flatnonzero(x[:, 1])
        marked = [f"{x[t, 0]:.3f} at step {t + 1}" for t in steps]
        lines.append([*marked, float(asked[k]), float(given[k]), float(off[k])])
    dots = charts.scatter(
        asked[:DOTS].tolist(), given[:DOTS].tolist(), "asked", "answered"
    )
    told = (
        "Each dot is a sum of the test split. A model that remembers puts them on the "
        "line, one that does not gives the same answer to all."
    )
    head = ["first", "second", "asked", "answered", "off by"]
    return join(
        tag("p", told, class_="note"),
        picture(dots, "answers by what was asked"),
        tag("h3", "Farthest off"),
        table(head, lines),
    )


def symbols(rows: list[Row]) -> Html:
    """Show the sequences of which the fewest symbols were recalled.

    Args:
        rows: with ``target``, ``answer`` and its ``probability``, and ``recalled``, the
            steps that count, all ``[T]``.
    """
    found = []
    for number, row in enumerate(rows):
        steps = row["recalled"]
        asked, given, sure = (
            row[name][steps] for name in ("target", "answer", "probability")
        )
        if (asked != given).any():
            found.append((int((asked != given).sum()), number, (asked, given, sure)))
    worst = heapq.nlargest(WORST, found, key=lambda error: error[0])
    if not worst:
        return tag("p", "Every symbol is recalled.")

    def one(error: Any) -> tuple[Html, Html]:
        wrong, _, (asked, given, sure) = error
        pieces = [
            Token(str(a), 1.0 - float(p), f"answered {g}, {p:.2f}", bool(a != g))
            for a, g, p in zip(asked, given, sure, strict=True)
        ]
        return tag("b", f"{wrong} of {len(asked)} wrong"), tokens(pieces, "doubt")

    told = (
        f"The {len(worst)} of {len(found):,} sequences with an error that have the "
        "most: what was asked, each symbol coloured by the model's doubt, 1 less the "
        "probability of its answer; those underlined were answered wrongly."
    )
    return join(
        tag("p", told, class_="note"),
        key("doubt", "sure", "in doubt"),
        errors(map(one, worst)),
    )


def digits(rows: list[Row]) -> Html:
    """Show the digits that were misread with the most certainty.

    Args:
        rows: with ``made [64, 1]``, the pixels in their order, ``target``, ``answer``
            and its ``probability``.
    """
    wrong = [row for row in rows if row["target"] != row["answer"]]
    worst = heapq.nlargest(WORST, wrong, key=lambda row: float(row["probability"]))
    if not worst:
        return tag("p", "Every digit is read.")
    drawn = charts.images(
        np.stack([row["made"].reshape(SIDE, SIDE) for row in worst]),
        [
            f"{row['target']}, not {row['answer']}: {float(row['probability']):.2f}"
            for row in worst
        ],
    )
    told = (
        f"The {len(worst)} of {len(wrong):,} digits misread of which the model was "
        "surest: what each is, what it was taken for, and how sure the model was."
    )
    return join(tag("p", told, class_="note"), picture(drawn, "digits misread"))
