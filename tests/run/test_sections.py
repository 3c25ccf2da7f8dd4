"""The sections of a report, from predictions made by hand."""

import sys
from typing import Any

import jax
import numpy as np
import pytest

from tests.helpers.parsed_page import Page
from zoo.pipelines import ClassifierPipeline, LanguageModelPipeline, Seq2SeqPipeline
from zoo.tasks.run import sections
from zoo.tasks.run.sections.seq2seq import token_probabilities
from zoo.tasks.sequence_metrics import edits
from zoo.text import Text, Vocabulary


def test_sum_errors_are_sorted_by_their_size() -> None:
    inputs = np.array([[0.5, 1.0], [0.25, 0.0], [0.75, 1.0]])
    rows = [
        {"inputs": inputs, "target": np.array(1.25), "answer": np.array(answer)}
        for answer in (1.2, 0.25)
    ]
    table = Page(sections.sum_errors(rows)).table()
    assert table[1:] == [
        ["0.500 at step 1", "0.750 at step 3", "1.2500", "0.2500", "1.0000"],
        ["0.500 at step 1", "0.750 at step 3", "1.2500", "1.2000", "0.0500"],
    ]


def test_digit_errors_are_sorted_by_their_confidence() -> None:
    row = {"inputs": np.zeros((64, 1)), "target": np.array(4), "answer": np.array(9)}
    row["probability"] = np.array(0.75)
    correct = row | {"answer": np.array(4)}
    body = sections.digit_errors([row, correct, row | {"probability": np.array(0.9)}])
    assert "The 2 most confident of 2 errors" in body
    assert body.index("4 → 9 (0.90)") < body.index("4 → 9 (0.75)")
    body = sections.digit_errors([correct])
    assert body == "<p>Every digit is classified correctly.</p>"


def test_no_symbol_errors() -> None:
    zeros = np.zeros((64, 1))
    row = {"target": zeros, "answer": zeros, "recalled": zeros == 0}
    body = sections.symbol_errors([row | {"probability": zeros}])
    assert body == "<p>Every symbol is recalled correctly.</p>"


def test_tagging_errors_are_spans_sorted_by_confidence() -> None:
    labels = ["A", "B", "C"]
    row = {
        "labels": np.array([0, 0, 1, 2, 0]),
        "predicted": np.array([0, 1, 2, 2, 1]),
        "probability": np.array([0.9, 0.5, 0.7, 1.0, 0.6], np.float32),
        "mask": np.array([True] * 5),
    }
    padded = {**row, "mask": np.array([True] * 4 + [False])}
    (section,) = sections.tagging_sections(
        lambda number: [f"w{number}{k}" for k in range(5)],
        labels,
        [(3, padded), (4, {**row, "probability": row["probability"] / 2})],
    )
    page = Page(section.body)
    heads = [e.text for e in page.all("p") if "predicted as" in e.text]
    assert heads == [
        "A B predicted as B C, confidence 0.7000",
        "A B predicted as B C, confidence 0.3500",
        "A predicted as B, confidence 0.3000",
    ]
    assert [e.text for e in page.all("mark")] == ["w31", "w32", "w41", "w42", "w44"]
    correct = {**row, "predicted": row["labels"]}
    (section,) = sections.tagging_sections(
        lambda number: [""] * 5, labels, [(0, correct)]
    )
    assert section.body == "<p>No errors.</p>"


@pytest.mark.parametrize("pooling", ["max", "attention"])
def test_contributions_match_finite_differences(pooling: str) -> None:
    words = ["a", "b", "c", "d"]
    text = Text.build(["a b c d"], "words")
    options = {"vocab_size": len(text.vocabulary), "num_labels": 3, "embedding_dim": 5}
    options |= {"cell": "rnn", "hidden_size": 4, "pooling": pooling}
    options["bidirectional"] = False
    pipeline = ClassifierPipeline(options, text, Vocabulary(["x", "y", "z"]), seed=1)
    ids, mask = np.array([[*text.encode("a b c d"), 0]]), np.ones((1, 5), bool)
    mask[0, 4] = False
    method = jax.jit(
        lambda params: pipeline.apply(params, ids, mask, method="contributions")
    )
    contributions = method(pipeline.params)
    logits = jax.jit(lambda params: pipeline.apply(params, ids, mask)[0])
    best = int(logits(pipeline.params).argmax())
    for t in range(4):
        scaled = []
        for factor in (1.01, 0.99):
            params = jax.tree.map(np.array, pipeline.params)
            params["embedding"]["table"][ids[0, t]] *= np.float32(factor)
            scaled.append(float(logits(params)[best]))
        expected = (scaled[0] - scaled[1]) / 0.02
        assert float(contributions[0, t]) == pytest.approx(expected, abs=2e-4)
    assert float(contributions[0, 4]) == 0
    row: dict[str, np.ndarray] = {"label": np.array(best)}
    row["predicted"] = np.array((best + 1) % 3)
    row["probabilities"] = np.array([0.2, 0.3, 0.5], np.float32)
    correct = {**row, "predicted": row["label"]}
    errors, predictions = sections.classification_sections(
        pipeline, lambda number: "a b <c> d", [(0, row), (1, correct)]
    )
    page = Page(errors.body)
    (item,) = page.all("li")
    assert pipeline.labels.tokens[best] in item.text
    shown = page.all("span", within=page.all("p", "tokens")[0])
    assert [e.text for e in shown] == [*words[:2], "<", "c", ">", "d"]
    strongest = [e for e in shown if e.attributes.get("style") == "--a:1.00"]
    assert len(strongest) == 1
    assert len(Page(predictions.body).all("li")) == 1
    if pooling == "attention":
        weights = pipeline.apply(pipeline.params, ids, mask, method="attention")
        assert float(weights.sum()) == pytest.approx(1, abs=1e-6)
        assert float(weights[0, 4]) == 0


def test_surprising_tokens_are_sorted_by_probability(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sys.modules["zoo.tasks.run.sections.language_model"]
    monkeypatch.setattr(module, "SAMPLE_LENGTH", 5)
    text = Text.build(["ab <&"], "chars")
    options = {"vocab_size": len(text.vocabulary), "cell": "rnn", "num_layers": 1}
    pipeline = LanguageModelPipeline(options, text)
    labels = text.encode("ab <& ba")
    test = {
        "labels": labels,
        "predicted": np.where([0, 0, 1, 0, 1, 0, 1, 0], labels[3], labels),
        "confidence": np.linspace(0.5, 0.9, 8),
        "probability": np.array([0.3, 0.9, 0.01, 0.8, 0.1, 0.7, 0.2, 0.6]),
    }
    samples, errors, unit = sections.language_model_sections(pipeline, "ab", test)
    assert [e.text[:2] for e in Page(samples.body).all("pre")] == ["ab"] * 3
    page = Page(errors.body)
    heads = [e.text for e in page.all("p") if " predicted as " in e.text]
    assert heads == [
        f"{character} ({p}) predicted as < ({confidence})"
        for character, p, confidence in (
            ("␣", "1.0e-02", "0.6143"),
            ("&", "1.0e-01", "0.7286"),
            ("b", "2.0e-01", "0.8429"),
        )
    ]
    assert page.all("p", "characters")[0].text == "ab␣<& ba"
    assert Page(unit.body).all("p", "characters")[0].text == "ab <& ba"


def test_a_backward_model_is_shown_in_reading_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sys.modules["zoo.tasks.run.sections.language_model"]
    for name, value in {"SAMPLE_LENGTH": 5, "NUM_SHOWN": 4, "AFTER": 1}.items():
        monkeypatch.setattr(module, name, value)
    text = Text.build(["ab <&"], "chars")
    options = {"vocab_size": len(text.vocabulary), "cell": "rnn", "num_layers": 1}
    pipeline = LanguageModelPipeline(options, text, backward=True)
    labels = text.encode("ab <& ba")
    test = {  # in the order in which the model reads them
        "labels": labels[::-1],
        "predicted": np.where([0, 0, 0, 1, 0, 0, 0, 0], labels[0], labels[::-1]),
        "confidence": np.full(8, 0.5),
        "probability": np.arange(1, 9) / 10,
    }
    samples, errors, unit = sections.language_model_sections(pipeline, "ab", test)
    written = [
        "".join(list(pipeline.generate("ab", 5, temperature=t))[::-1]) + "ab"
        for t in module.TEMPERATURES
    ]
    assert [e.text for e in Page(samples.body).all("pre")] == written
    assert "Texts that precede the prompt" in samples.body
    page = Page(errors.body)
    (head,) = [e.text for e in page.all("p") if " predicted as " in e.text]
    assert head == "& (4.0e-01) predicted as a (0.5000)"
    (context,) = page.all("p", "characters")
    assert context.text == "<& ba"  # what the model has read is on the right
    assert [e.text for e in page.all("mark", within=context)] == ["&"]
    assert [e.attributes["title"] for e in page.all("mark", within=context)] == ["0.4"]
    page = Page(unit.body)
    assert page.all("p", "characters")[0].text == "& ba"
    assert "This is the end of the test text" in unit.body


def test_token_probabilities_match_the_decoder_step_by_step() -> None:
    source = Text.build(["abc"], "chars")
    target = Text.build(["xyz"], "chars", marks=True)
    options = {
        "source_vocab_size": len(source.vocabulary),
        "target_vocab_size": len(target.vocabulary),
        "embedding_dim": 4,
        "cell": "rnn",
        "hidden_size": 4,
        "bidirectional": False,
    }
    pipeline = Seq2SeqPipeline(options, source, target, 6)
    probabilities = token_probabilities(pipeline, ["ab", "c"], ["xzy", ""])
    assert probabilities[1] == []

    def decode(model: Any) -> list[tuple[int, Any]]:
        encoded, memory = model.encode(source.encode("ab")[None])
        state, steps, previous = model.init_decoder(encoded), [], pipeline.begin
        for token in target.encode("xzy").tolist():
            inputs = np.array([previous], np.int32)
            state, logits, _ = model.step(state, memory, inputs)
            steps.append((token, logits[0]))
            previous = token
        return steps

    steps = jax.jit(lambda params: pipeline.apply(params, method=decode))
    for p, (token, logits) in zip(
        probabilities[0], steps(pipeline.params), strict=True
    ):
        odds = np.exp(np.asarray(logits, np.float64))
        assert p == pytest.approx(odds[token] / odds.sum(), rel=1e-5)


def test_edits_to_the_nearest_reference() -> None:
    assert edits(["kitten", "sitting "], "sitten", list) == (1, 6)
    assert edits(["a b c"], "a  x c d", str.split) == (2, 3)
    assert edits(["same"], " same", list) == (0, 4)
    assert edits(["abc"], "", list) == (3, 3)
    assert edits([""], "ab", list) == (2, 0)
