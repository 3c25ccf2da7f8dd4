"""Models and pipelines: padding, formulas, learning."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.pipelines import BIO, pipelines
from tests.helpers.tolerances import BFLOAT16, REFERENCE, assert_close, assert_identical
from zoo.models import Classifier, LanguageModel, Seq2Seq, Tagger
from zoo.pipelines import entities
from zoo.types import Array

MASK = zoo.mask_from_lengths(np.array([5, 3, 0]), 5)


def inputs(seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Return words, characters, word shapes and labels."""
    rng = np.random.default_rng(seed)

    def ints(high, *shape):
        return jnp.asarray(rng.integers(1, high, (3, 5, *shape)), jnp.int32)

    return ints(20), ints(9, 4), ints(8), ints(5)


def tagger(**options: Any) -> Tagger:
    """Return a small tagger."""
    sizes: dict[str, Any] = {
        "embedding_dim": 6,
        "char_dim": 4,
        "char_size": 6,
        "hidden_size": 5,
    }
    return Tagger(20, 5, num_chars=9, **sizes, **options, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("chars", ["cnn", "lstm", "none"])
@pytest.mark.parametrize("use_crf", [False, True])
def test_tagger_ignores_padding(chars, use_crf):
    model = tagger(chars=chars, use_crf=use_crf, bio_labels=BIO)

    def outputs(words, characters, shapes, labels):
        logits = model(words, MASK, characters, shapes)
        likelihood = model.log_likelihood(logits, labels, MASK)
        return likelihood, *model.decode(logits, MASK)

    def overwrite_padding(a):
        mask = MASK.reshape(MASK.shape + (1,) * (a.ndim - 2))
        return jnp.where(mask, a, 3)

    clean = outputs(*inputs())
    assert_identical(outputs(*map(overwrite_padding, inputs())), clean)
    likelihood, tags, _ = clean
    assert float(likelihood[2]) == 0.0
    for row, row_tags in enumerate(np.asarray(tags)):
        names = [BIO[k] for k in row_tags[np.asarray(MASK)[row]]]
        for previous, tag in itertools.pairwise(["O", *names]):
            assert tag[0] != "I" or previous[2:] == tag[2:]


def test_tagger_without_crf_is_a_softmax():
    model = tagger()
    words, characters, shapes, labels = inputs()
    logits = model(words, MASK, characters, shapes)
    scores = jax.nn.log_softmax(logits)
    expected = np.array(
        [
            sum(scores[b, t, labels[b, t]] for t in range(5) if MASK[b, t])
            for b in range(3)
        ]
    )
    assert_close(model.log_likelihood(logits, labels, MASK), expected, REFERENCE)
    tags, confidence = model.decode(logits, MASK)
    assert_identical(tags, np.where(MASK, np.asarray(logits).argmax(-1), 0))
    assert_close(confidence[0], np.exp(scores[0].max(-1)), REFERENCE)


def classifier(pooling: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return functions that build and call a classifier."""

    def build(**options):
        length = 5 if pooling == "concat" else None
        options |= {"pooling": pooling, "length": length, "hidden_size": 8}
        return Classifier(20, 3, **options, rngs=nnx.Rngs(0))

    return build, lambda model: model(inputs()[0], MASK)


MODELS = {
    **{pooling: classifier(pooling) for pooling in zoo.pooling.KINDS},
    "tags": (tagger, lambda model: model(inputs()[0], MASK, *inputs()[1:3])),
    "next token": (
        lambda **options: LanguageModel(20, **options, rngs=nnx.Rngs(0)),
        lambda model: model(inputs()[0], MASK)[1],
    ),
    "pairs": (
        lambda **options: Seq2Seq(
            20, 20, input_feeding=True, hidden_size=8, **options, rngs=nnx.Rngs(0)
        ),
        lambda model: model(inputs()[0], MASK, inputs(1)[0], MASK),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_models_return_float32_scores(name):
    build, call = MODELS[name]
    scores, expected = call(build(dtype="bfloat16")), call(build())
    assert scores.dtype == expected.dtype == jnp.float32
    assert_close(scores, expected, BFLOAT16)
    assert not np.array_equal(scores, expected)


def test_language_model_in_windows_and_steps():
    for tied, hidden_size in ((False, 6), (True, 6), (True, [4, 6])):
        model = LanguageModel(
            11,
            embedding_dim=6,
            hidden_size=hidden_size,
            num_layers=2,
            tied=tied,
            rngs=nnx.Rngs(0),
        )
        ids = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 7)), jnp.int32)
        _, expected = model(ids)
        state, first = model(ids[:, :3])
        _, second = model(ids[:, 3:], None, state)
        assert_close(jnp.concatenate([first, second], axis=1), expected, REFERENCE)
        state = model.init_state(2)
        for t in range(7):
            state, logits = model.step(state, ids[:, t])
            assert_close(logits, expected[:, t], REFERENCE)
    with pytest.raises(ValueError, match="tied needs embedding_dim = 6"):
        LanguageModel(11, embedding_dim=5, hidden_size=6, tied=True, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("pooling", zoo.pooling.KINDS)
def test_classifier_starts_near_chance_and_learns(pooling):
    length = 5 if pooling == "concat" else None
    model = Classifier(
        20,
        4,
        embedding_dim=8,
        hidden_size=8,
        pooling=pooling,
        length=length,
        dropout=0.0,
        rngs=nnx.Rngs(0),
    )
    words, *_ = inputs()
    mask = jnp.ones((3, 5), bool)
    labels = jnp.array([0, 1, 2])
    params, apply = zoo.functional(model)

    def loss(params):
        scores = jax.nn.log_softmax(apply(params, words, mask))
        return -scores[jnp.arange(3), labels].mean()

    initial_loss = float(loss(params))
    assert abs(initial_loss - np.log(4)) < 0.7
    step = jax.jit(
        lambda p: jax.tree.map(lambda a, g: a - 0.5 * g, p, jax.grad(loss)(p))
    )
    for _ in range(60):
        params = step(params)
    assert float(loss(params)) < initial_loss / 4


def test_predictions_do_not_depend_on_the_batch():
    model = pipelines()[1]
    texts = ["Anna ran", "in Oslo in Oslo in", "", "ran"]
    predictions = model.predict(texts, batch_size=4)
    for text, prediction in zip(texts, predictions, strict=True):
        (single,) = model.predict([text], batch_size=1)
        assert single.tags == prediction.tags
        np.testing.assert_allclose(
            single.probabilities, prediction.probabilities, atol=REFERENCE
        )


def test_an_error_if_texts_is_one_string():
    with pytest.raises(TypeError, match="texts must be a list of texts, got one text"):
        pipelines()[0].predict("the cat")


def test_entities():
    tags = "B-PER I-PER O B-LOC B-LOC I-LOC I-PER".split()
    assert entities(tags) == [
        ("PER", 0, 2),
        ("LOC", 3, 4),
        ("LOC", 4, 6),
        ("PER", 6, 7),
    ]
