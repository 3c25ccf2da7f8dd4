"""Errors of a classifier, and the tokens behind its predictions."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from zoo.pipelines.classifier import INPUTS
from zoo.tasks.run.html import (
    MAX_ERRORS,
    Html,
    Section,
    Token,
    coloured_text,
    error_list,
    join,
    legend,
    tag,
)
from zoo.text import pad

MAX_TOKENS = 150  # of a text
MAX_LABELS = 10  # of which a correct prediction is shown


class Prediction(NamedTuple):
    """A prediction; ordered by its confidence.

    Attributes:
        confidence: probability of the predicted label.
        row: number of the row.
        label: the true label.
        predicted: the predicted label.
        true_probability: probability of the true label.
    """

    confidence: float
    row: int
    label: int
    predicted: int
    true_probability: float


def classification_sections(
    pipeline: Any,
    text: Callable[[int], str],
    rows: Iterable[tuple[int, dict[str, np.ndarray]]],
    names: Sequence[str] = (),
) -> list[Section]:
    """Return the most confident errors, and the most confident correct predictions.

    Each token is coloured by its attention weight if the pooling has attention, by
    its contribution to the logit otherwise.

    Args:
        pipeline: the trained classifier.
        text: returns the text of a row.
        rows: the number of each row, and its ``label``, ``predicted`` and
            ``probabilities`` ``[K]``.
        names: of the labels, more than K if the model lacks some; by default its own.
    """
    errors: list[Prediction] = []
    correct: dict[int, Prediction] = {}
    for number, row in rows:
        label, predicted = int(row["label"]), int(row["predicted"])
        p = row["probabilities"]
        true_probability = float(p[label]) if label < len(p) else 0.0
        prediction = Prediction(
            float(p[predicted]), number, label, predicted, true_probability
        )
        if label != predicted:
            errors.append(prediction)
        elif label not in correct or prediction > correct[label]:
            correct[label] = prediction
    worst = heapq.nlargest(MAX_ERRORS, errors)
    best = [correct[label] for label in sorted(correct)[:MAX_LABELS]]
    names = names or pipeline.labels.tokens
    texts = [text(prediction.row) for prediction in (*worst, *best)]
    attention = pipeline.model.pooling.kind == "attention"
    bodies = _coloured_texts(pipeline, texts, attention)
    if attention:
        colours = legend("weight", "no weight", "largest weight")
        meaning = "Each token is coloured by its attention weight."
        title = "Attention weights"
    else:
        colours = legend("signed", "lowers the logit", "raises the logit")
        meaning = (
            "Each token is coloured by its contribution to the predicted label: the "
            "gradient of the logit with respect to the token's embedding, times the "
            "embedding."
        )
        title = "Token contributions"
    if worst:
        note = (
            f"The {len(worst)} most confident of {len(errors):,} errors, with the "
            f"probabilities of both labels. {meaning}"
        )
        heads = [_error_heading(prediction, names) for prediction in worst]
        error_body = join(
            tag("p", note, class_="note"),
            colours,
            error_list(zip(heads, bodies[: len(worst)], strict=True)),
        )
    else:
        error_body = tag("p", "No errors.")
    heads = [join(tag("b", names[p.label]), f" ({p.confidence:.4f})") for p in best]
    note = f"The most confident correct prediction of each label. {meaning}"
    correct_body = join(
        tag("p", note, class_="note"),
        colours,
        error_list(zip(heads, bodies[len(worst) :], strict=True)),
    )
    return [Section("Most confident errors", error_body), Section(title, correct_body)]


def _error_heading(prediction: Prediction, names: Sequence[str]) -> Html:
    return join(
        tag("b", names[prediction.label]),
        f" ({prediction.true_probability:.4f}) predicted as ",
        tag("b", names[prediction.predicted], class_="wrong"),
        f" ({prediction.confidence:.4f})",
    )


def _coloured_texts(pipeline: Any, texts: list[str], attention: bool) -> list[Html]:
    scale: Literal["weight", "signed"] = "weight" if attention else "signed"
    gap = "" if pipeline.text.units == "chars" else " "
    pieces = token_strengths(pipeline, texts, attention)
    return [coloured_text(tokens, scale, gap=gap) for tokens in pieces]


def token_strengths(
    pipeline: Any, texts: Sequence[str], attention: bool
) -> list[list[Token]]:
    """Return the tokens of texts with their attention weights or contributions.

    Args:
        pipeline: the trained classifier.
        texts: raw texts.
        attention: use attention weights instead of contributions.

    Returns:
        For each text its tokens, scaled so that the largest magnitude is 1. A long
        text is cut to `MAX_TOKENS` around its strongest token.
    """
    if not texts:
        return []
    method = "attention" if attention else "contributions"
    rows = pipeline.inputs(texts)
    length = pipeline.options.get("length") or max(len(row["words"]) for row in rows)
    batch = pad(rows, length, len(rows))
    apply = jax.jit(lambda params, *args: pipeline.apply(params, *args, method=method))
    inputs = map(batch.get, INPUTS)
    weights = np.asarray(apply(pipeline.params, *inputs))
    result = []
    for text, row, values in zip(texts, rows, weights, strict=True):
        values = values[: len(row["words"])]
        names = pipeline.text.split(text)[: len(values)]
        values = values / max(float(np.abs(values).max(initial=0.0)), 1e-30)
        strongest = int(np.abs(values).argmax()) if len(values) else 0
        start = max(min(strongest - MAX_TOKENS // 2, len(names) - MAX_TOKENS), 0)
        pieces = [
            Token(name, float(value), f"{value:+.2f}")
            for name, value in zip(names, values, strict=True)
        ]
        window = pieces[start : start + MAX_TOKENS]
        before = [Token("…")] if start else []
        after = [Token("…")] if start + MAX_TOKENS < len(pieces) else []
        result.append([*before, *window, *after])
    return result
