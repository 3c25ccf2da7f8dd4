"""What `warmup` compiles, a call does not."""

from typing import Any

import pytest

from tests.helpers.pipelines import pipelines, reader


def texts(pipeline: Any, length: int) -> list[Any]:
    """Return a text of some tokens."""
    if pipeline.kind == "reader":
        return [[0] * length]
    if pipeline.kind == "tagger":
        return [["a"] * length]
    return [" ".join(["a"] * length)]


@pytest.fixture(params=["classifier", "tagger", "seq2seq", "reader"])
def pipeline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pipeline of each kind that predicts, with short chunks."""
    pipeline = next(p for p in [*pipelines(), reader()] if p.kind == request.param)
    monkeypatch.setattr(pipeline, "longest", 16)
    if pipeline.kind == "seq2seq":
        monkeypatch.setattr(pipeline, "encode", of_words(pipeline))
        monkeypatch.setattr(pipeline, "max_source", 40)
    return pipeline


def of_words(pipeline: Any) -> Any:
    """Return an `encode` with one token for each word."""
    encode = pipeline.encode
    return lambda text: {"source": encode("a" * 99)["source"][: len(text.split())]}


def test_no_call_compiles_what_is_warm(pipeline: Any, compiled: list[str]) -> None:
    assert pipeline.padded_lengths(40) == [8, 16, 32, 64]
    pipeline.warmup(40, batch_size=2)
    compiled.clear()
    for length in (1, 8, 9, 16, 17, 40):
        pipeline.predict(texts(pipeline, length), batch_size=2)
    assert not compiled
    pipeline.predict(texts(pipeline, 8), batch_size=3)
    assert compiled


def test_only_the_lengths_between_two_are_compiled(
    pipeline: Any, compiled: list[str]
) -> None:
    assert pipeline.padded_lengths(16, shortest=9) == [16]
    pipeline.warmup(16, shortest=9, batch_size=2)
    compiled.clear()
    pipeline.predict(texts(pipeline, 9), batch_size=2)
    assert not compiled
    pipeline.predict(texts(pipeline, 8), batch_size=2)
    assert compiled


def test_options_of_the_beam_search(compiled: list[str]) -> None:
    pipeline = pipelines()[3]
    options = {"beam": 2, "length_penalty": 0.5, "coverage_penalty": 0.1}
    pipeline.warmup(8, batch_size=1, **options)
    compiled.clear()
    pipeline.predict(["a"], batch_size=1, n_best=2, attention=True, **options)
    assert not compiled
    pipeline.predict(["a"], batch_size=1)
    assert compiled


def test_a_classifier_of_a_fixed_length_has_one_program() -> None:
    classifier = pipelines()[0]
    options = {**classifier.options, "pooling": "concat", "length": 12}
    pipeline = type(classifier)(options, classifier.text, classifier.labels)
    assert pipeline.padded_lengths(2000) == [12]


def test_generation_compiles_nothing_that_is_warm(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipelines()[2]
    monkeypatch.setattr(pipeline, "longest", 4)
    options = {"temperature": 0.7, "top_k": 3, "top_p": 0.9}
    pipeline.warmup(4, **options)
    compiled.clear()
    assert len(list(pipeline.generate("hell", 5, **options))) == 5
    assert not compiled
    list(pipeline.generate("hello", 5, **options))
    assert compiled
    pipeline.warmup(5, **options)
    compiled.clear()
    list(pipeline.generate("hello hello", 5, **options))
    assert not compiled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"longest": 0}, "longest must be an int of 1 or more, got 0"),
        ({"longest": 3.0}, "longest must be an int of 1 or more, got 3.0"),
        ({"shortest": 0}, "shortest must be an int of 1 or more, got 0"),
        ({"longest": 8, "shortest": 9}, "longest must be at least shortest = 9, got 8"),
        ({"batch_size": 0}, "batch_size must be an int of 1 or more, got 0"),
    ],
)
def test_arguments_out_of_their_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipelines()[0].warmup(**arguments)
