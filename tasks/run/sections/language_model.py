"""What a language model writes, what surprises it, what one of its units follows."""

from typing import Any

import jax
import numpy as np

from tasks.run import unit_features
from tasks.run.html import (
    WORST,
    Html,
    Section,
    Token,
    errors,
    join,
    key,
    table,
    tag,
    tokens,
    visible,
)

TEMPERATURES = (0.5, 0.8, 1.0)
LENGTH = 300  # tokens of a sample
BEFORE, AFTER = 80, 30  # tokens around an error
READ, MAPPED = 4096, 800  # tokens on which a unit is chosen, and that are shown


def language_model(
    pipeline: Any, prompt: str, test: dict[str, np.ndarray]
) -> list[Section]:
    """Return samples, the worst errors, and the map of a unit.

    Args:
        pipeline: the trained model.
        prompt: what the samples go on from.
        test: of each token of the test text after the first, ``[N]``: ``labels``, what
            it is; ``expected``, the likeliest; ``sure``, the probability of that; and
            ``probability``, its own.
    """
    return [
        Section("Samples", _samples(pipeline, prompt)),
        Section("Worst errors", _errors(pipeline, test)),
        Section("One unit over the text", _unit(pipeline, test["labels"])),
    ]


def _samples(pipeline: Any, prompt: str) -> Html:
    parts = [tag("p", f"Written on from {prompt!r}, in grey.", class_="note")]
    for temperature in TEMPERATURES:
        written = "".join(pipeline.generate(prompt, LENGTH, temperature=temperature))
        parts.append(tag("h3", f"temperature {temperature}"))
        given = tag("span", prompt, class_="note")
        parts.append(tag("pre", given, written, class_="text sample"))
    return join(*parts)


def _errors(pipeline: Any, test: dict[str, np.ndarray]) -> Html:
    """Return the tokens that came though the model thought them the least likely."""
    labels, expected, sure, chance = (
        test[name] for name in ("labels", "expected", "sure", "probability")
    )
    wrong = np.flatnonzero(labels != expected)
    if not len(wrong):
        return tag("p", "Each token is the one that was expected.")
    worst = wrong[np.argsort(chance[wrong], kind="stable")[:WORST]].tolist()
    names = pipeline.text.vocabulary.tokens

    def one(k: int) -> tuple[Html, Html]:
        head = join(
            tag("b", visible(names[labels[k]])),
            f" came ({chance[k]:.1e}), expected was ",
            tag("b", visible(names[expected[k]]), class_="wrong"),
            f" ({sure[k]:.4f})",
        )
        around = range(max(k - BEFORE, 0), min(k + AFTER + 1, len(labels)))
        pieces = [
            Token(
                visible(names[labels[n]]) if n == k or names[labels[n]] != " " else " ",
                1.0 - float(chance[n]),
                f"{chance[n]:.2g}",
                n == k,
            )
            for n in around
        ]
        return head, tokens(pieces, "doubt", gap=_gap(pipeline))

    return join(
        tag(
            "p",
            f"The {len(worst)} of {len(wrong):,} tokens that were not expected which "
            f"the model thought the least likely, of {len(labels):,}. Each token is "
            "coloured by the model's surprise, 1 less its probability.",
            class_="note",
        ),
        key("doubt", "foreseen", "a surprise"),
        errors(map(one, worst)),
    )


def _unit(pipeline: Any, labels: np.ndarray) -> Html:
    """Return a text coloured by the unit that follows best what a reader can see."""

    def read(model: Any, ids: Any) -> Any:
        return model.layers(model.embedding(ids))[1]

    ids = labels[None, :READ]
    outputs = jax.jit(lambda p, x: pipeline.apply(p, x, method=read))
    y = np.asarray(outputs(pipeline.params, ids), np.float32)[0]  # [T, H]
    names = pipeline.text.vocabulary.decode(ids[0].tolist())
    seen = unit_features.features(names) if pipeline.text.units == "chars" else {}
    found = unit_features.follow(y, seen)
    if found:
        chosen = found[0].unit
        told = (
            f"Unit {chosen} of the last layer follows best what a reader can see: its "
            f"output goes with the {found[0].feature} (correlation {found[0].r:+.2f} "
            f"over {len(names):,} tokens)."
        )
        more = table(
            ["feature", "unit that follows it best", "correlation"],
            [(one.feature, one.unit, one.r) for one in found],
        )
    else:
        chosen, more = unit_features.liveliest(y), Html("")
        told = f"Unit {chosen} of the last layer: its output varies the most."
    values = y[:, chosen] - y[:, chosen].mean()
    values = values / max(float(np.quantile(np.abs(values), 0.98)), 1e-30)
    pieces = [
        Token(f"⏎{name}" if name == "\n" else name, float(np.clip(value, -1, 1)))
        for name, value in zip(names[:MAPPED], values, strict=False)
    ]
    return join(
        tag(
            "p",
            f"{told} The text is the beginning of the test split; each token is "
            "coloured by the output after it was read.",
            class_="note",
        ),
        key("signed", "below its mean", "above its mean"),
        tokens(pieces, "signed", gap=_gap(pipeline)),
        more,
    )


def _gap(pipeline: Any) -> str:
    return "" if pipeline.text.units == "chars" else " "
