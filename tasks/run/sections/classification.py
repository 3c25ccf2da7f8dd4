"""A classifier's worst errors, and the tokens that counted."""

import heapq
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from tasks.run.html import WORST, Html, Section, Token, errors, join, key, tag, tokens
from zoo.text import pad

SHOWN = 150  # tokens of a text
LABELS = 10  # labels of which a text that is right is shown


def classification(
    pipeline: Any,
    text: Callable[[int], str],
    found: Iterable[tuple[int, dict[str, np.ndarray]]],
) -> list[Section]:
    """Return the errors of which a classifier was surest, and its surest texts.

    The tokens are coloured by the weights of attention, where the pooling has them,
    else by their contribution to the score of the label.

    Args:
        pipeline: the trained classifier.
        text: gives the text of a row.
        found: of each row its number, and ``label``, ``predicted`` and
            ``probabilities`` ``[K]``.
    """
    labels = pipeline.labels.tokens
    wrong, right = [], {}
    for number, row in found:
        true, guess = int(row["label"]), int(row["predicted"])
        seen = float(row["probabilities"][guess]), number, true, guess
        if true != guess:
            wrong.append((*seen, float(row["probabilities"][true])))
        elif true not in right or seen > right[true]:
            right[true] = seen
    worst = heapq.nlargest(WORST, wrong)
    best = [right[label] for label in sorted(right)[:LABELS]]
    texts = [text(number) for _, number, *_ in (*worst, *best)]
    scale, coloured = weighed(pipeline, texts)
    bodies = iter(tokens(pieces, scale, gap=_gap(pipeline)) for pieces in coloured)
    if scale == "share":
        colours = key("share", "no weight", "most weight")
        meaning = "Each token is coloured by its weight of attention."
    else:
        colours = key("signed", "speaks against", "speaks for it")
        meaning = (
            "Each token is coloured by its contribution to the label that was given: "
            "the gradient of its score times the token's vector."
        )
    heads: list[Html] = []
    for sure, _, true, guess, of_true in worst:
        given = tag("b", labels[guess], class_="wrong")
        told = f" ({of_true:.4f}) taken for "
        heads.append(join(tag("b", labels[true]), told, given, f" ({sure:.4f})"))
    surest = [join(tag("b", labels[true]), f" ({p:.4f})") for p, _, true, _ in best]
    if worst:
        first = join(
            tag(
                "p",
                f"The {len(worst)} of {len(wrong):,} errors of which the model was "
                f"surest, with the probabilities of both labels. {meaning}",
                class_="note",
            ),
            colours,
            errors(zip(heads, bodies, strict=False)),
        )
    else:
        first = tag("p", "Every label is right.")
    second = join(
        tag("p", f"The surest right text of each label. {meaning}", class_="note"),
        colours,
        errors(zip(surest, bodies, strict=False)),
    )
    return [Section("Worst errors", first), Section("What counted", second)]


def weighed(pipeline: Any, texts: list[str]) -> tuple[Any, list[list[Token]]]:
    """Return the scale, and the tokens of texts with their weights.

    Args:
        pipeline: the trained classifier.
        texts: raw texts.

    Returns:
        ``"share"`` or ``"signed"``; of each text the tokens, the strongest of strength
        1; of a long text the part around the strongest.
    """
    attention = pipeline.model.pooling.kind == "attention"
    scale = "share" if attention else "signed"
    if not texts:
        return scale, []
    method = "attention" if attention else "contributions"
    rows = [pipeline.encode(text) for text in texts]
    length = pipeline.options.get("length") or max(len(row["words"]) for row in rows)
    batch = pad(rows, length, len(rows))
    weigh = jax.jit(lambda params, *args: pipeline.apply(params, *args, method=method))
    weights = np.asarray(weigh(pipeline.params, batch["words"], batch["mask"]))
    found = []
    for text, row, values in zip(texts, rows, weights, strict=True):
        values = values[: len(row["words"])]
        names = pipeline.text.split(text)[: len(values)]
        values = values / max(float(np.abs(values).max(initial=0.0)), 1e-30)
        middle = int(np.abs(values).argmax()) if len(values) else 0
        start = max(min(middle - SHOWN // 2, len(names) - SHOWN), 0)
        pieces = [
            Token(name, float(value), f"{value:+.2f}")
            for name, value in zip(names, values, strict=True)
        ]
        cut = pieces[start : start + SHOWN]
        before = [Token("…")] if start else []
        after = [Token("…")] if start + SHOWN < len(pieces) else []
        found.append([*before, *cut, *after])
    return scale, found


def _gap(pipeline: Any) -> str:
    return "" if pipeline.text.units == "chars" else " "
