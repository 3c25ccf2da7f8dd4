"""Texts that are longer than a pipeline reads in one piece."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from tests.helpers.pipelines import BIO
from tests.helpers.tolerances import REFERENCE
from zoo.pipelines import (
    ClassifierPipeline,
    LanguageModelPipeline,
    Pipeline,
    ReaderPipeline,
    Seq2SeqPipeline,
    TaggerPipeline,
)
from zoo.text import Text, Vocabulary, Words

LONGEST = 16
LENGTHS = (0, 1, 17, 129, 16, 20)
WORDS = [f"w{k}" for k in range(9)]
SIZES = {"embedding_dim": 6, "hidden_size": 5}


def texts() -> list[list[str]]:
    rng = np.random.default_rng(0)
    return [rng.choice(WORDS, length).tolist() for length in LENGTHS]


def assert_equal_in_chunks(
    pipeline: Any, inputs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Assert that chunks change no prediction, and that `pipeline` reads in chunks."""
    whole = [dataclasses.asdict(one) for one in pipeline.predict(inputs, batch_size=6)]
    monkeypatch.setattr(Pipeline, "longest", LONGEST)
    pipeline.bind()
    read, sizes = pipeline._jitted_read, set()

    def counted(params: Any, chunk: Any, state: Any) -> Any:
        sizes.add(chunk["mask"].shape)
        return read(params, chunk, state)

    pipeline._jitted_read = counted
    chunked = [
        dataclasses.asdict(one) for one in pipeline.predict(inputs, batch_size=6)
    ]
    assert sizes == {(3, LONGEST), (1, LONGEST)}
    for one, other in zip(whole, chunked, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if name == "probabilities" and isinstance(value, dict):
                one[name], other[name] = (list(d[name].values()) for d in (one, other))
            if name in ("probability", "probabilities", "answer"):
                np.testing.assert_allclose(one[name], other[name], atol=REFERENCE)
            else:
                assert value == other[name]


@pytest.mark.parametrize(
    ("pooling", "bidirectional", "num_layers", "cell"),
    [
        ("mean", True, 2, "gru"),
        ("attention", True, 1, "lstm"),
        ("first_last", True, 2, "rnn"),
        ("last", False, 2, "lstm"),
        ("max", False, 1, "qrnn"),
    ],
)
def test_classifier(
    pooling: str,
    bidirectional: bool,
    num_layers: int,
    cell: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = Text.build([" ".join(WORDS)])
    options = {
        "vocab_size": len(text.vocabulary),
        "num_labels": 3,
        "pooling": pooling,
        "bidirectional": bidirectional,
        "num_layers": num_layers,
        "cell": cell,
        **SIZES,
    }
    pipeline = ClassifierPipeline(options, text, Vocabulary(["a", "b", "c"]), seed=1)
    inputs = [" ".join(words) for words in texts()]
    assert_equal_in_chunks(pipeline, inputs, monkeypatch)


@pytest.mark.parametrize(("use_crf", "bidirectional"), [(False, False), (True, True)])
def test_tagger(
    use_crf: bool, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = Words.build([WORDS])
    options = {
        "vocab_size": len(words.words),
        "num_chars": len(words.chars),
        "num_labels": len(BIO),
        "use_crf": use_crf,
        "bio_labels": BIO if use_crf else None,
        "bidirectional": bidirectional,
        **SIZES,
    }
    pipeline = TaggerPipeline(options, words, Vocabulary(BIO), seed=1)
    assert_equal_in_chunks(pipeline, texts(), monkeypatch)


@pytest.mark.parametrize(("each", "bidirectional"), [(False, False), (True, True)])
def test_reader(
    each: bool, bidirectional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "input_size": 9,
        "output_size": 4 if each else 1,
        "each": each,
        "bidirectional": bidirectional,
        "hidden_size": 5,
    }
    pipeline = ReaderPipeline(options, symbols=9)
    inputs = [[WORDS.index(word) for word in words] for words in texts() if words]
    assert_equal_in_chunks(pipeline, inputs, monkeypatch)


def test_a_classifier_of_fixed_length_reads_that_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pipeline, "longest", LONGEST)
    text = Text.build([" ".join(WORDS)])
    options = {
        "vocab_size": len(text.vocabulary),
        "num_labels": 2,
        "pooling": "concat",
        "length": 20,
        **SIZES,
    }
    pipeline = ClassifierPipeline(options, text, Vocabulary(["a", "b"]))
    long = texts()[3]
    first, second = pipeline.predict([" ".join(long), " ".join(long[:20])])
    assert first == second


def test_seq2seq_counts_the_tokens_that_it_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pipeline, "longest", LONGEST)
    monkeypatch.setattr(Seq2SeqPipeline, "max_source", 4 * LONGEST)
    source = Text.build([" ".join(WORDS)])
    target = Text.build([" ".join(WORDS)], marks=True)
    options = {
        "source_vocab_size": len(source.vocabulary),
        "target_vocab_size": len(target.vocabulary),
        **SIZES,
    }
    pipeline = Seq2SeqPipeline(options, source, target, 5, seed=1)
    inputs = [" ".join(words) for words in texts()]
    writings = pipeline.predict(inputs, batch_size=6, attention=True)
    assert [w.unread for w in writings] == [max(0, n - 64) for n in LENGTHS]
    cut = [" ".join(words[:64]) for words in texts()]
    for writing, other in zip(
        writings, pipeline.predict(cut, batch_size=6, attention=True), strict=True
    ):
        assert writing.source == other.source
        assert writing.outputs == other.outputs
        for tokens in writing.outputs[0].attention or []:
            assert len(tokens) == len(writing.source)


def test_a_language_model_reads_a_long_prompt_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = Text.build(["abcdefgh\n"], "chars")
    options = {"vocab_size": len(text.vocabulary), **SIZES}
    pipeline = LanguageModelPipeline(options, text, seed=1)
    prompt = "".join(itertools.islice(itertools.cycle("abcdefgh"), 2 * LONGEST + 3))
    whole = "".join(pipeline.generate(prompt, 30, seed=2))
    monkeypatch.setattr(Pipeline, "longest", LONGEST)
    for _ in range(2):
        assert "".join(pipeline.generate(prompt, 30, seed=2)) == whole
        prompt = prompt[: 2 * LONGEST + 1]
        monkeypatch.setattr(Pipeline, "longest", 10**6)
        whole = "".join(pipeline.generate(prompt, 30, seed=2))
        monkeypatch.setattr(Pipeline, "longest", LONGEST)
    # The first token follows from the logits after the last token of the prompt.
    ids = text.encode("abc")
    _, logits = pipeline.model(ids[None])  # pyright: ignore[reportCallIssue]
    legal = np.asarray(logits)[0, -1].copy()
    legal[: text.vocabulary.reserved] = -np.inf
    (first,) = pipeline.generate("abc", 1, temperature=0)
    assert first == text.vocabulary.tokens[legal.argmax()]
