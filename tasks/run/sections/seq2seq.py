"""What a writer of sequences got wrong, and where it looked."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tasks import sequence_metrics
from tasks.run import charts
from tasks.run.html import (
    WORST,
    Html,
    Section,
    Token,
    errors,
    join,
    key,
    picture,
    tag,
    tokens,
)
from zoo.diagnostics.plots import attention
from zoo.text import pad

PICTURES = 4
WIDEST = 60  # tokens of a source whose attention is drawn


def seq2seq(
    pipeline: Any,
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    written: Sequence[str],
    **search: Any,
) -> list[Section]:
    """Return the worst errors, and pictures of attention where there is some.

    Args:
        pipeline: the trained model.
        sources: of the test split.
        references: of each source.
        written: the text for each source.
        **search: options of the beam search.
    """
    found = [Section("Worst errors", _errors(pipeline, sources, references, written))]
    if pipeline.options.get("attention", "additive") is not None:
        found.append(Section("Attention", _attention(pipeline, sources, search)))
    return found


def _errors(
    pipeline: Any,
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    written: Sequence[str],
) -> Html:
    """Return the texts that are the farthest from all their references."""
    split = pipeline.target.split
    wrong: dict[int, tuple[float, int]] = {}
    for k, (right, text) in enumerate(zip(references, written, strict=True)):
        edits, length = sequence_metrics.edits(right, text, split)
        if edits:
            wrong[k] = edits / max(length, 1), edits
    numbers = sorted(wrong, key=lambda k: wrong[k], reverse=True)[:WORST]
    if not numbers:
        return tag("p", "Every text is one of its references.")
    chances = confidence(
        pipeline, [sources[k] for k in numbers], [written[k] for k in numbers]
    )

    def one(place: int) -> tuple[Html, Html]:
        k = numbers[place]
        pieces = [
            Token(name, 1.0 - chance, f"{chance:.2f}")
            for name, chance in zip(split(written[k]), chances[place], strict=False)
        ]
        gap = "" if pipeline.target.units == "chars" else " "
        head = join(tag("b", sources[k]), f", {wrong[k][1]} edits")
        right = " or ".join(references[k])
        text = tokens(pieces, "doubt", gap=gap) if pieces else tag("p", "(nothing)")
        return head, tag("div", text, tag("p", "asked: ", right, class_="note"))

    return join(
        tag(
            "p",
            f"The {len(numbers)} of {len(wrong):,} texts that differ from all their "
            "references with the most edits a token, under their sources. Each token "
            "that was written is coloured by the model's doubt, 1 less its "
            "probability after those before it.",
            class_="note",
        ),
        key("doubt", "sure", "in doubt"),
        errors(map(one, range(len(numbers)))),
    )


def confidence(
    pipeline: Any, sources: Sequence[str], written: Sequence[str]
) -> list[list[float]]:
    """Return the probability of each token that was written, given those before it.

    Args:
        pipeline: the trained model.
        sources: raw texts.
        written: a text for each.
    """
    ids = [pipeline.target.encode(text) for text in written]
    begin = np.array([pipeline.begin], np.int32)
    rows = [
        {"read": np.concatenate([begin, row]), "asked": np.append(row, pipeline.end)}
        for row in ids
    ]
    read = [pipeline.encode(text) for text in sources]
    B = len(rows)
    left = pad(read, max(len(row["source"]) for row in read), B)
    right = pad(rows, max(len(row["read"]) for row in rows), B)

    def score(model: Any, left: Any, right: Any) -> Any:
        logits = model(left["source"], left["mask"], right["read"], right["mask"])
        p = jax.nn.softmax(logits)
        return jnp.take_along_axis(p, right["asked"][..., None], axis=-1)[..., 0]

    scored = jax.jit(lambda p, *args: pipeline.apply(p, *args, method=score))
    found = np.asarray(scored(pipeline.params, left, right), np.float64)
    return [p[: len(row)].tolist() for p, row in zip(found, ids, strict=True)]


def _attention(pipeline: Any, sources: Sequence[str], search: dict[str, Any]) -> Html:
    """Return pictures of attention of the first sources that are not too long."""
    short = [s for s in sources if 0 < len(pipeline.source.split(s)) <= WIDEST]
    short = short[:PICTURES]
    writings = pipeline.predict(
        short, n_best=search["beam"], attention=True, batch_size=PICTURES, **search
    )
    drawn = []
    for source, writing in zip(short, writings, strict=True):
        # Where the best text is empty, the best that is not.
        texts = [output for output in writing.outputs if output.tokens][:1]
        draw = partial(attention, [replace(writing, outputs=texts)])
        if texts:
            drawn.append(picture(charts.svg(draw), "attention", source))
    note = (
        "The first texts of the test split: a row for each token written, a column for "
        "each token read; the bluer, the more weight it had."
    )
    return join(tag("p", note, class_="note"), tag("div", *drawn, class_="pictures"))
