"""Contextual string embeddings: the states of a model at the ends of words."""

from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.modules.contextual import ContextualStrings
from zoo.pipelines import ClassifierPipeline, TaggerPipeline
from zoo.pipelines.context import LONGEST
from zoo.text import SentenceChars, Text, Vocabulary, Words

TEXT = Text(Vocabulary.build(list("\n abcdé"), marks=False), "chars")
ENCODERS = [SentenceChars(TEXT), SentenceChars(TEXT, backward=True)]
SIZE = len(TEXT.vocabulary)
MODELS = [
    {"vocab_size": SIZE, "embedding_dim": 3, "hidden_size": 4, "num_layers": 1},
    {"vocab_size": SIZE, "embedding_dim": 2, "hidden_size": [3, 5], "cell": "gru"},
]
SENTENCE = ["ab", "é", "dzb"]  # z is unknown


def tagger(seed: int = 0) -> TaggerPipeline:
    """Return an untrained tagger whose only inputs are words and their context."""
    words = Words(Vocabulary.build(["ab"]), Vocabulary.build(["a"]))
    labels = Vocabulary.build(["X", "Y"])
    options = {
        "vocab_size": len(words.words),
        "num_labels": len(labels),
        "chars": "none",
        "hidden_size": 3,
        "num_layers": 1,
        "context": MODELS,
    }
    return TaggerPipeline(options, words, labels, context=ENCODERS, seed=seed)


def expected(pipeline: Any, words: list[str]) -> np.ndarray:
    """Return the vectors, for each word from a reading of its own."""
    rows = []
    for k in range(len(words)):
        before = "\n" + "".join(f"{word} " for word in words[: k + 1])
        after = "\n" + "".join(f"{word[::-1]} " for word in words[: k - 1 : -1])
        if k == 0:
            after = "\n" + "".join(f"{word[::-1]} " for word in words[::-1])
        row = []
        for reader, text in zip(
            pipeline.model.context.readers, (before, after), strict=True
        ):
            ids = TEXT.encode(text)[None]
            _, y = reader(ids, np.ones(ids.shape, bool))
            row.append(y[0, -1])
        rows.append(np.concatenate(row))
    return np.array(rows)


@pytest.mark.parametrize("backward", [False, True])
@given(words=st.lists(st.text("abé z", min_size=1, max_size=5), max_size=6))
def test_the_end_of_a_word_is_the_space_behind_it(
    backward: bool, words: list[str]
) -> None:
    ids, ends = SentenceChars(TEXT, backward=backward).encode(words)
    known = [TEXT.vocabulary.tokens[k] for k in ids]
    step = -1 if backward else 1
    text = "\n" + "".join(word[::step] + " " for word in words[::step])
    assert len(known) == len(text)
    assert all(b in ("<unk>", a) for a, b in zip(text, known, strict=True))
    read = [text[: end + 1] for end in ends][::step]
    lengths = np.cumsum([len(word) + 1 for word in words[::step]])
    assert [len(part) for part in read] == [1 + n for n in lengths]
    assert all(part.endswith(" ") for part in read)


def test_a_word_is_lower_cased_before_it_is_reversed() -> None:
    text = Text(Vocabulary.build(list(" σςο")), "chars", lowercase=True)
    (ids, _), (reversed_ids, _) = (
        SentenceChars(text, backward=backward).encode(["ΣΟΣ"])
        for backward in (False, True)
    )
    assert text.vocabulary.decode(ids[1:-1]) == ["σ", "ο", "ς"]
    assert text.vocabulary.decode(reversed_ids[1:-1]) == ["ς", "ο", "σ"]


def test_the_vectors_are_the_states_after_reading_up_to_the_word() -> None:
    pipeline = tagger()
    (vectors,) = pipeline.context_reader.vectors(pipeline.params, [SENTENCE])
    assert vectors.shape == (3, 4 + 5)
    np.testing.assert_allclose(vectors, expected(pipeline, SENTENCE), atol=1e-6)


def test_the_module_and_the_reader_have_the_same_vectors() -> None:
    pipeline = tagger()
    sentences = [SENTENCE, [], ["d"] * (LONGEST // 2 + 7), ["abcd"]]
    read = pipeline.context_reader.vectors(pipeline.params, sentences, 3)
    module: Any = pipeline.model.context  # pyright: ignore
    for words, vectors in zip(sentences, read, strict=True):
        encoded = [encoder.encode(words) for encoder in ENCODERS]
        ids, ends = zip(*encoded, strict=True)
        ids = [np.pad(row, (0, 9))[None] for row in ids]
        ends = [np.pad(row, (0, 2))[None] for row in ends]
        mask = (np.arange(len(words) + 2) < len(words))[None]
        y = module(ids, ends, mask)[0]
        np.testing.assert_allclose(vectors, y[: len(words)], atol=1e-6)
        assert not np.any(y[len(words) :])


def test_the_gradient_reaches_all_parameters_of_the_models() -> None:
    module = ContextualStrings(MODELS, rngs=nnx.Rngs(0))
    encoded = [encoder.encode(SENTENCE) for encoder in ENCODERS]
    ids = [row[None] for row, _ in encoded]
    ends = [row[None] for _, row in encoded]
    weight = np.random.default_rng(0).normal(size=(1, 3, 9))

    def loss(module: ContextualStrings) -> Any:
        return (module(ids, ends, np.ones((1, 3), bool)) * weight).sum()

    grads = nnx.to_pure_dict(nnx.grad(loss)(module))
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(grads))


def test_predictions_depend_on_the_context_and_survive_saving(tmp_path: Any) -> None:
    pipeline = tagger()
    one, other = pipeline.predict([["ab", "c"], ["ab", "d"]])
    # Both words are unknown to the tagger: their characters tell them apart.
    assert one.probabilities[0] != other.probabilities[0]
    zoo.save(tmp_path / "model", pipeline)
    loaded: Any = zoo.load(tmp_path / "model")
    assert loaded.predict([SENTENCE]) == pipeline.predict([SENTENCE])
    assert [e.backward for e in loaded.context] == [False, True]


def test_a_classifier_reads_the_context() -> None:
    text = Text(Vocabulary.build(["ab"]), "words")
    labels = Vocabulary.build(["X", "Y"])
    options = {
        "vocab_size": len(text.vocabulary),
        "num_labels": len(labels),
        "hidden_size": 3,
        "context": MODELS,
    }
    pipeline = ClassifierPipeline(options, text, labels, context=ENCODERS)
    one, other = pipeline.predict(["ab c", "ab d"])
    assert one.probabilities != other.probabilities
    (row,) = pipeline.inputs(["ab c"])
    np.testing.assert_allclose(
        row["context"], expected(pipeline, ["ab", "c"]), atol=1e-6
    )
    # A text that is read in chunks, against one call of the model.
    long = "ab c " * 600
    (row,) = pipeline.inputs([long])
    mask = np.ones((1, 1200), bool)
    logits = pipeline.apply(
        pipeline.params, row["words"][None], mask, row["context"][None]
    )
    p = np.array(list(pipeline.predict([long])[0].probabilities.values()))
    np.testing.assert_allclose(p, jax.nn.softmax(logits)[0], atol=1e-5)


def test_errors() -> None:
    pipeline = tagger()
    words, mask = np.ones((1, 2), np.int32), np.ones((1, 2), bool)
    shapes = words
    with pytest.raises(ValueError, match="context is missing"):
        pipeline.model(words, mask, None, shapes)  # pyright: ignore
    with pytest.raises(ValueError, match=r"shape \[1, 2, 9\], got \[1, 2, 8\]"):
        wrong = np.zeros((1, 2, 8))
        pipeline.model(words, mask, None, shapes, wrong)  # pyright: ignore
    with pytest.raises(ValueError, match="its 2 models, got 1"):
        TaggerPipeline(
            pipeline.options, pipeline.words, pipeline.labels, context=ENCODERS[:1]
        )
    for wrong in (5, ["x"]):
        with pytest.raises(TypeError, match="context must be a list of options"):
            TaggerPipeline(
                {**pipeline.options, "context": wrong}, pipeline.words, pipeline.labels
            )
    with pytest.raises(TypeError, match=r"sentences\[0\] must be a list of texts"):
        pipeline.context_reader.vectors(pipeline.params, ["ab é"])
    with pytest.raises(ValueError, match="got words"):
        SentenceChars(Text(Vocabulary.build(["ab"]), "words"))


def test_the_class_of_a_cell_is_saved_by_name(tmp_path: Any) -> None:
    models = [{**model, "cell": zoo.cells()["gru"]} for model in MODELS]
    first = tagger()
    pipeline = TaggerPipeline(
        {**first.options, "context": models},
        first.words,
        first.labels,
        context=ENCODERS,
    )
    zoo.save(tmp_path / "model", pipeline)
    loaded: Any = zoo.load(tmp_path / "model")
    assert [model["cell"] for model in loaded.options["context"]] == ["gru", "gru"]
    assert loaded.predict([SENTENCE]) == pipeline.predict([SENTENCE])
