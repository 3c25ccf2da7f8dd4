"""Pipelines with inputs that nobody expects."""

import itertools
from typing import Any

import numpy as np
import pytest

from tests.helpers.pipelines import pipelines
from zoo.pipelines import LanguageModelPipeline, ReaderPipeline
from zoo.text import Text, Words

ODD = ["", " \n\u2028 ", "\0", "\ud800", "\udfff a", "a" * 10_000, "\x1b[31m", "<pad>"]
KINDS = {pipeline.kind: pipeline for pipeline in pipelines()}


@pytest.mark.parametrize("kind", ["classifier", "tagger", "seq2seq"])
def test_odd_texts(kind: str) -> None:
    pipeline = KINDS[kind]
    results = pipeline.predict(ODD, batch_size=8)
    assert len(results) == len(ODD)
    assert pipeline.predict([]) == []
    for text, result in zip(ODD, results, strict=True):
        if kind == "classifier":
            assert abs(sum(result.probabilities.values()) - 1.0) < 1e-5
        elif kind == "tagger":
            assert result.tokens == pipeline._tokenize(text)
            assert len(result.tags) == len(result.probabilities) == len(result.tokens)
        else:
            assert result.outputs


@pytest.mark.parametrize("kind", ["classifier", "tagger", "seq2seq"])
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], r"\[1\] must be a .*NoneType"),
        ([b"a"], r"\[0\] must be a (str, got bytes|list of texts, got one text: b'a')"),
        (["a", "b", 3], r"\[2\] must be a .*int"),
        (b"abc", "must be a list of texts, got one text: b'abc'"),
        (None, "must be a list of texts, got NoneType"),
    ],
)
def test_an_input_of_a_wrong_type_is_named(kind: str, texts: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        KINDS[kind].predict(texts)


def test_words_of_a_wrong_type_are_named() -> None:
    message = r"sentences\[1\]\[1\] must be a str, got int"
    with pytest.raises(TypeError, match=message):
        KINDS["tagger"].predict([["a"], ["b", 3]])
    (tagging,) = KINDS["tagger"].predict([np.array(["in", "Oslo"])])
    assert tagging.tokens == ["in", "Oslo"]


@pytest.mark.parametrize("kind", ["classifier", "tagger", "seq2seq"])
def test_texts_may_come_from_an_iterator(kind: str) -> None:
    texts = ["a dog", "Anna"]
    assert KINDS[kind].predict(iter(texts)) == KINDS[kind].predict(texts)


@pytest.mark.parametrize("size", [0, -1, 1.5, True])
def test_a_wrong_batch_size(size: Any) -> None:
    with pytest.raises(ValueError, match="batch_size must be an int of 1 or more"):
        KINDS["classifier"].predict(["a"], batch_size=size)


@pytest.mark.parametrize(
    "sequence",
    ["", "[", "[" * 100_000, "[1e999]", "[1e300]", f"[{10**400}]", "{}", "null", "[]"]
    + ["[NaN]", "[[1], [2, 3]]", [10**400], [None], {}, "1", b"[1]", ["a"]],
)
def test_odd_sequences(sequence: Any) -> None:
    pipeline = ReaderPipeline({"input_size": 1, "output_size": 1, "hidden_size": 3})
    with pytest.raises(ValueError, match=r"a sequence must be a list of numbers, got"):
        pipeline.encode(sequence)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"length": 0}, "length must be an int of 1 or more, got 0"),
        ({"length": -3}, "length must be an int of 1 or more, got -3"),
        ({"temperature": float("nan")}, "temperature must be 0 or more, got nan"),
        ({"top_k": 0}, "top_k must be an int of 1 or more, got 0"),
        ({"top_p": 0.0}, r"top_p must lie in \(0, 1\], got 0.0"),
        ({"seed": -1}, r"seed must be an int from 0 to 2\*\*32 - 1, got -1"),
        ({"seed": 2**32}, r"seed must be an int from 0 to 2\*\*32 - 1, got 4294967296"),
    ],
)
def test_options_of_generate_are_checked_when_it_is_called(
    options: dict[str, Any], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        KINDS["language_model"].generate("he", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": float("inf")},
        {"temperature": float("inf"), "top_p": 1e-300},
        {"temperature": 1e-300},
        {"top_k": 10**9, "top_p": 1e-46},
        {"temperature": 0.0, "seed": 2**32 - 1},
    ],
)
def test_reserved_tokens_are_never_generated(options: dict[str, Any]) -> None:
    pieces = list(KINDS["language_model"].generate("\0 \ud800", 50, **options))
    assert set(pieces) <= set("helo\n")
    assert len(pieces) == 50


def test_infinite_temperature_draws_all_tokens() -> None:
    pieces = KINDS["language_model"].generate("he", 200, temperature=float("inf"))
    assert set(pieces) == set("helo\n")


def test_a_prompt_without_tokens() -> None:
    text = Text.build(["the cat sat"])
    options = {"vocab_size": len(text.vocabulary), "embedding_dim": 4, "hidden_size": 4}
    pipeline = LanguageModelPipeline(options, text)
    after_unknown = list(pipeline.generate("zebra", 5))
    for prompt in ("", "  ", "\n"):
        assert list(pipeline.generate(prompt, 5)) == after_unknown
    with pytest.raises(TypeError, match="prompt must be a str, got bytes"):
        pipeline.generate(b"the")  # pyright: ignore[reportArgumentType]


def test_a_model_without_tokens_generates_nothing() -> None:
    text = Text.build([])
    options = {"vocab_size": len(text.vocabulary), "embedding_dim": 4, "hidden_size": 4}
    pipeline = LanguageModelPipeline(options, text)
    with pytest.raises(ValueError, match="the vocabulary of this model is empty"):
        pipeline.generate("a", 5)


def test_a_long_word_is_read_by_its_ends() -> None:
    words = Words.build([list("abcdef")], max_chars=4)
    long = "ab" + "x" * 1_000_000 + "ef"
    assert (
        words.encode([long])["chars"].tolist()
        == words.encode(["abef"])["chars"].tolist()
    )


@pytest.mark.parametrize(
    "options",
    [{"beam": 0}, {"n_best": 5}, {"n_best": 0}, {"length_penalty": float("inf")}]
    + [{"coverage_penalty": float("nan")}, {"batch_size": 0}],
)
def test_wrong_options_of_the_beam_search(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        KINDS["seq2seq"].predict(["a"], **options)


def test_outputs_have_no_reserved_tokens() -> None:
    pipeline = KINDS["seq2seq"]
    writings = pipeline.predict(ODD, beam=6, n_best=6, batch_size=8)
    outputs = itertools.chain.from_iterable(w.outputs for w in writings)
    tokens = {token for output in outputs for token in output.tokens}
    assert tokens and tokens <= set(pipeline.target.vocabulary.tokens[4:])
