"""Errors of a sequence-to-sequence model, and its attention weights."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo.diagnostics.plots import attention
from zoo.tasks import sequence_metrics
from zoo.tasks.run import charts
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
    tag,
)
from zoo.text import pad

MAX_FIGURES = 4
MAX_SOURCE = 60  # tokens of a source whose attention is drawn


def seq2seq_sections(
    pipeline: Any,
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    outputs: Sequence[str],
    **search: Any,
) -> list[Section]:
    """Return the worst errors, and the attention weights if the model has attention.

    Args:
        pipeline: the trained model.
        sources: of test.
        references: of each source.
        outputs: the output for each source.
        **search: options of beam search.
    """
    errors = _largest_edit_distances(pipeline, sources, references, outputs)
    sections = [Section("Worst errors", errors)]
    if pipeline.options.get("attention", "additive") is not None:
        sections.append(Section("Attention", _attention(pipeline, sources, search)))
    return sections


def _largest_edit_distances(
    pipeline: Any,
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    outputs: Sequence[str],
) -> Html:
    """Return the outputs with the most edits per token of the nearest reference."""
    split = pipeline.target.split
    errors: dict[int, tuple[float, int]] = {}
    for k, (texts, output) in enumerate(zip(references, outputs, strict=True)):
        edits, length = sequence_metrics.edits(texts, output, split)
        if edits:
            errors[k] = edits / max(length, 1), edits
    worst = sorted(errors, key=lambda k: errors[k], reverse=True)[:MAX_ERRORS]
    if not worst:
        return tag("p", "Every output equals one of its references.")
    probabilities = token_probabilities(
        pipeline, [sources[k] for k in worst], [outputs[k] for k in worst]
    )

    def show(k: int, chances: list[float]) -> tuple[Html, Html]:
        edits = errors[k][1]
        pieces = [
            Token(name, 1.0 - chance, f"{chance:.2f}")
            for name, chance in zip(split(outputs[k]), chances, strict=False)
        ]
        gap = "" if pipeline.target.units == "chars" else " "
        head = join(tag("b", sources[k]), f": {edits} edit{'s' if edits > 1 else ''}")
        empty = tag("p", "(empty output)")
        text = coloured_text(pieces, "uncertainty", gap=gap) if pieces else empty
        reference = tag("p", "reference: ", " or ".join(references[k]), class_="note")
        return head, tag("div", text, reference)

    note = (
        f"The {len(worst)} outputs with the most edits per token of the nearest "
        f"reference, of {len(errors):,} outputs with errors. Colours show the "
        "model's uncertainty, 1\xa0−\xa0probability of the token given those before it."
    )
    return join(
        tag("p", note, class_="note"),
        legend("uncertainty", "confident", "uncertain"),
        error_list(map(show, worst, probabilities)),
    )


def token_probabilities(
    pipeline: Any, sources: Sequence[str], outputs: Sequence[str]
) -> list[list[float]]:
    """Return the probability of each output token given the tokens before it.

    Args:
        pipeline: the trained model.
        sources: raw texts.
        outputs: one per source.
    """
    ids = [pipeline.target.encode(text) for text in outputs]
    begin = np.array([pipeline.begin], np.int32)
    rows = [
        {"inputs": np.concatenate([begin, row]), "labels": np.append(row, pipeline.end)}
        for row in ids
    ]
    encoded = [pipeline.encode(text) for text in sources]
    B = len(rows)
    source = pad(encoded, max(len(row["source"]) for row in encoded), B)
    target = pad(rows, max(len(row["inputs"]) for row in rows), B)

    def label_probabilities(model: Any, source: Any, target: Any) -> Any:
        logits = model(
            source["source"], source["mask"], target["inputs"], target["mask"]
        )
        p = jax.nn.softmax(logits)
        return jnp.take_along_axis(p, target["labels"][..., None], axis=-1)[..., 0]

    apply = jax.jit(
        lambda p, *args: pipeline.apply(p, *args, method=label_probabilities)
    )
    result = np.asarray(apply(pipeline.params, source, target), np.float64)
    return [p[: len(row)].tolist() for p, row in zip(result, ids, strict=True)]


def _attention(pipeline: Any, sources: Sequence[str], search: dict[str, Any]) -> Html:
    """Return the attention weights of the first sources that are short enough."""
    short = [s for s in sources if 0 < len(pipeline.source.split(s)) <= MAX_SOURCE]
    short = short[:MAX_FIGURES]
    predictions = pipeline.predict(
        short, n_best=search["beam"], attention=True, batch_size=MAX_FIGURES, **search
    )
    figures = []
    for source, prediction in zip(short, predictions, strict=True):
        # The best output that is not empty: an empty one has no weights.
        outputs = [output for output in prediction.outputs if output.tokens][:1]
        draw = partial(attention, [replace(prediction, outputs=outputs)])
        if outputs:
            figures.append(figure(charts.render_svg(draw), "attention", source))
    note = (
        "Attention weights of the first texts of test: one row per output token, one "
        "column per source token. A stronger colour is a larger weight."
    )
    return join(tag("p", note, class_="note"), tag("div", *figures, class_="charts"))
