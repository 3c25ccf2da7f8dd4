"""Samples of a language model, its most surprising tokens, and one hidden unit."""

from typing import Any

import jax
import numpy as np

from zoo.tasks.run import unit_features
from zoo.tasks.run.html import (
    MAX_ERRORS,
    Html,
    Section,
    Token,
    coloured_text,
    error_list,
    join,
    legend,
    table,
    tag,
    visible,
)

TEMPERATURES = (0.5, 0.8, 1.0)
SAMPLE_LENGTH = 300  # tokens
BEFORE, AFTER = 80, 30  # tokens that are read before and after an error, shown with it
# The unit is chosen on the first tokens of test, of which some are shown.
NUM_READ, NUM_SHOWN = 4096, 800


def language_model_sections(
    pipeline: Any, prompt: str, test: dict[str, np.ndarray]
) -> list[Section]:
    """Return samples, the most surprising tokens, and the activations of a unit.

    Args:
        pipeline: the trained model.
        prompt: start of the samples.
        test: for each token of the test text after the first, in the order in which
            the model reads them, ``[N]``: ``labels``, the token; ``probability``, of
            that token; ``predicted``, the most likely token; ``confidence``, the
            probability of the most likely token.
    """
    return [
        Section("Samples", _samples(pipeline, prompt)),
        Section("Most surprising tokens", _surprising_tokens(pipeline, test)),
        Section("Activations of a unit", _unit_activations(pipeline, test["labels"])),
    ]


def _samples(pipeline: Any, prompt: str) -> Html:
    what = "Texts that precede" if pipeline.backward else "Continuations of"
    note = f"{what} the prompt {prompt!r}, shown in grey."
    parts = [tag("p", note, class_="note")]
    for temperature in TEMPERATURES:
        pieces = pipeline.generate(prompt, SAMPLE_LENGTH, temperature=temperature)
        parts.append(tag("h3", f"temperature {temperature}"))
        given = tag("span", prompt, class_="note")
        text = pipeline.completion(given, pieces)
        parts.append(tag("pre", *text, class_="text sample"))
    return join(*parts)


def _surprising_tokens(pipeline: Any, test: dict[str, np.ndarray]) -> Html:
    """Return the mispredicted tokens with the lowest probabilities, in context."""
    labels, predicted, confidence, probability = (
        _in_reading_order(pipeline, test[name])
        for name in ("labels", "predicted", "confidence", "probability")
    )
    # There is more context on the side that the model has read.
    before, after = (AFTER, BEFORE) if pipeline.backward else (BEFORE, AFTER)
    wrong = np.flatnonzero(labels != predicted)
    if not len(wrong):
        return tag("p", "Every token is predicted correctly.")
    worst = wrong[np.argsort(probability[wrong], kind="stable")[:MAX_ERRORS]].tolist()
    names = pipeline.text.vocabulary.tokens

    def show(position: int) -> tuple[Html, Html]:
        head = join(
            tag("b", visible(names[labels[position]])),
            f" ({probability[position]:.1e}) predicted as ",
            tag("b", visible(names[predicted[position]]), class_="wrong"),
            f" ({confidence[position]:.4f})",
        )
        start, stop = max(position - before, 0), position + after + 1
        pieces = []
        for n in range(start, min(stop, len(labels))):
            name = names[labels[n]]
            # Spaces stay as they are so that lines can break at them.
            text = name if name == " " and n != position else visible(name)
            strength, tooltip = 1.0 - float(probability[n]), f"{probability[n]:.2g}"
            pieces.append(Token(text, strength, tooltip, n == position))
        return head, coloured_text(pieces, "uncertainty", gap=_gap(pipeline))

    note = (
        f"The {len(worst)} mispredicted tokens with the lowest probabilities, of "
        f"{len(wrong):,} mispredicted among {len(labels):,} tokens. Colours show the "
        "model's surprise, 1\xa0−\xa0probability of the token."
    )
    return join(
        tag("p", note, class_="note"),
        legend("uncertainty", "probability 1", "probability 0"),
        error_list(map(show, worst)),
    )


def _unit_activations(pipeline: Any, labels: np.ndarray) -> Html:
    """Return a text, coloured by the unit that correlates most with a feature."""

    def layer_outputs(model: Any, ids: Any) -> Any:
        return model.layers(model.embedding(ids))[1]

    ids = labels[None, :NUM_READ]
    apply = jax.jit(lambda p, x: pipeline.apply(p, x, method=layer_outputs))
    y = np.asarray(apply(pipeline.params, ids), np.float32)[0]  # [T, H]
    y, ids = (_in_reading_order(pipeline, values) for values in (y, ids[0]))
    names = pipeline.text.vocabulary.decode(ids.tolist())
    is_text = pipeline.text.units == "chars"
    features = unit_features.text_features(names) if is_text else {}
    best = unit_features.best_units(y, features)
    if best:
        unit = best[0].unit
        note = (
            f"Unit {unit} of the last layer correlates most with a feature of the "
            f"text: {best[0].feature} (r = {best[0].correlation:+.2f} over "
            f"{len(names):,} tokens)."
        )
        units = table(["feature", "unit", "correlation"], best)
    else:
        unit, units = unit_features.most_variable_unit(y), Html("")
        note = f"Unit {unit} of the last layer has the most variable output."
    values = y[:, unit] - y[:, unit].mean()
    values = values / max(float(np.quantile(np.abs(values), 0.98)), 1e-30)
    shown, part = slice(NUM_SHOWN), "start"
    if pipeline.backward:
        shown, part = slice(-NUM_SHOWN, None), "end"
    pieces = [
        Token(f"⏎{name}" if name == "\n" else name, float(np.clip(value, -1, 1)))
        for name, value in zip(names[shown], values[shown], strict=True)
    ]
    note += (
        f" This is the {part} of the test text; each token is coloured by the output "
        "of the unit after that token."
    )
    return join(
        tag("p", note, class_="note"),
        legend("signed", "below the mean", "above the mean"),
        coloured_text(pieces, "signed", gap=_gap(pipeline)),
        units,
    )


def _in_reading_order(pipeline: Any, values: np.ndarray) -> np.ndarray:
    """Return values of tokens, ``[N, ...]``, that are in the order of the model."""
    return values[::-1] if pipeline.backward else values


def _gap(pipeline: Any) -> str:
    return "" if pipeline.text.units == "chars" else " "
