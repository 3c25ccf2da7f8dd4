"""The heads: padding, agreement with plain formulas, learning, saving and loading."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import BFLOAT16, REFERENCE, assert_close, assert_identical
from zoo.artifact import ArtifactError
from zoo.models import Classifier, LanguageModel, Seq2Seq, Tagger
from zoo.pipelines import (
    ClassifierPipeline,
    LanguageModelPipeline,
    Seq2SeqPipeline,
    TaggerPipeline,
    entities,
)
from zoo.text import Text, Vocabulary, Words

BIO = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
MASK = zoo.mask_from_lengths(np.array([5, 3, 0]), 5)


def inputs(seed=0):
    """Return what a tagger reads, and labels."""
    rng = np.random.default_rng(seed)

    def ints(high, *shape):
        return jnp.asarray(rng.integers(1, high, (3, 5, *shape)), jnp.int32)

    return ints(20), ints(9, 4), ints(8), ints(5)


def tagger(**options):
    """Return a small tagger."""
    sizes = {"embedding_dim": 6, "char_dim": 4, "char_size": 6, "hidden_size": 5}
    return Tagger(20, 5, num_chars=9, **sizes, **options, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("chars", ["cnn", "lstm", "none"])
@pytest.mark.parametrize("use_crf", [False, True])
def test_tagger_ignores_padding(chars, use_crf):
    model = tagger(chars=chars, use_crf=use_crf, bio_labels=BIO)
    words, letters, shapes, labels = inputs()

    def everything(words, letters, shapes, labels):
        logits = model(words, MASK, letters, shapes)
        found = model.log_likelihood(logits, labels, MASK)
        return found, *model.decode(logits, MASK)

    def dirty(a):
        mask = MASK.reshape(MASK.shape + (1,) * (a.ndim - 2))
        return jnp.where(mask, a, 3)

    clean = everything(words, letters, shapes, labels)
    assert_identical(everything(*map(dirty, (words, letters, shapes, labels))), clean)
    assert float(clean[0][2]) == 0.0
    for row, tags in enumerate(np.asarray(clean[1])):
        names = [BIO[k] for k in tags[np.asarray(MASK)[row]]]
        before = "O"
        for tag in names:
            assert tag[0] != "I" or before[2:] == tag[2:]
            before = tag


def test_softmax_tagger_is_a_softmax():
    model = tagger()
    words, letters, shapes, labels = inputs()
    logits = model(words, MASK, letters, shapes)
    scores = jax.nn.log_softmax(logits)
    expected = [
        sum(scores[b, t, labels[b, t]] for t in range(5) if MASK[b, t])
        for b in range(3)
    ]
    assert_close(
        model.log_likelihood(logits, labels, MASK), np.array(expected), REFERENCE
    )
    tags, confidence = model.decode(logits, MASK)
    best = np.where(MASK, np.asarray(logits).argmax(-1), 0)
    assert_identical(tags, best)
    assert_close(confidence[0], np.exp(scores[0].max(-1)), REFERENCE)


def classifier(pooling):
    """Return how a classifier is made, and called."""

    def make(**options):
        length = 5 if pooling == "concat" else None
        options |= {"pooling": pooling, "length": length, "hidden_size": 8}
        return Classifier(20, 3, **options, rngs=nnx.Rngs(0))

    return make, lambda model: model(inputs()[0], MASK)


HEADS = {
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


@pytest.mark.parametrize("head", HEADS)
def test_scores_of_layers_that_multiply_bfloat16(head):
    make, call = HEADS[head]
    found, expected = call(make(dtype="bfloat16")), call(make())
    assert found.dtype == expected.dtype == jnp.float32
    assert_close(found, expected, BFLOAT16)
    assert not np.array_equal(found, expected)


def test_language_model_in_windows_and_steps():
    for tied in (False, True):
        model = LanguageModel(
            11,
            embedding_dim=6,
            hidden_size=6,
            num_layers=2,
            tied=tied,
            rngs=nnx.Rngs(0),
        )
        ids = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 7)), jnp.int32)
        _, whole = model(ids)
        state, first = model(ids[:, :3])
        _, second = model(ids[:, 3:], None, state)
        assert_close(jnp.concatenate([first, second], axis=1), whole, REFERENCE)
        state = model.init_state(2)
        for t in range(7):
            state, logits = model.step(state, ids[:, t])
            assert_close(logits, whole[:, t], REFERENCE)
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

    begun = float(loss(params))
    assert abs(begun - np.log(4)) < 0.7
    step = jax.jit(
        lambda p: jax.tree.map(lambda a, g: a - 0.5 * g, p, jax.grad(loss)(p))
    )
    for _ in range(60):
        params = step(params)
    assert float(loss(params)) < begun / 4


def pipelines():
    """Return an untrained pipeline of each kind."""
    text = Text.build(["the cat sat", "a dog ran"])
    labels = Vocabulary(["no", "yes"])
    sizes = {"embedding_dim": 6, "hidden_size": 5}
    words = Words.build([["Anna", "ran"], ["in", "Oslo"]])
    tagged = {
        "vocab_size": len(words.words),
        "num_labels": 5,
        "num_chars": len(words.chars),
        "use_crf": True,
        "bio_labels": BIO,
        **sizes,
    }
    chars = Text.build(["hello\n"], "chars")
    classified = {"vocab_size": len(text.vocabulary), "num_labels": 2, **sizes}
    written = {"vocab_size": len(chars.vocabulary), **sizes}
    source = Text.build(["Anna ran to the dog", "a dog"], "bpe", max_size=30)
    target = Text.build(["D AO G", "EY"], "symbols", marks=True)
    turned = {
        "source_vocab_size": len(source.vocabulary),
        "target_vocab_size": len(target.vocabulary),
        **sizes,
    }
    return [
        ClassifierPipeline(classified, text, labels, seed=1),
        TaggerPipeline(tagged, words, Vocabulary(BIO), seed=1),
        LanguageModelPipeline(written, chars, seed=1),
        Seq2SeqPipeline(turned, source, target, 7, seed=1),
    ]


def use(pipeline):
    """Return what a pipeline finds."""
    if pipeline.kind == "language_model":
        return "".join(pipeline.generate("he", 12, top_p=0.9, seed=3))
    return pipeline.predict(["Anna ran to the dog", "", "a"], batch_size=2)


@pytest.mark.parametrize("kind", range(4))
def test_saved_and_loaded_is_the_same(kind, tmp_path):
    pipeline = pipelines()[kind]
    zoo.save(tmp_path / "model", pipeline, about={"task": "test"})
    zoo.save(tmp_path / "model", pipeline, about={"task": "test"})
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    again = zoo.load(tmp_path)
    assert use(again) == use(pipeline)
    assert_identical(again.params, pipeline.params)


def test_predictions_do_not_depend_on_the_batch():
    model = pipelines()[1]
    texts = ["Anna ran", "in Oslo in Oslo in", "", "ran"]
    together = model.predict(texts, batch_size=4)
    for text, found in zip(texts, together, strict=True):
        (alone,) = model.predict([text], batch_size=1)
        assert alone.tags == found.tags
        np.testing.assert_allclose(
            alone.probabilities, found.probabilities, atol=REFERENCE
        )


def test_one_text_is_not_a_list_of_letters():
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


def test_broken_artifacts_tell_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model in"):
        zoo.load(tmp_path / "nothing")
    path = tmp_path / "model"
    zoo.save(path, pipelines()[0])
    weights = (path / "weights.safetensors").read_bytes()
    (path / "weights.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ArtifactError, match="may be truncated"):
        zoo.load(path)
    (path / "weights.safetensors").write_bytes(weights)
    config = json.loads((path / "config.json").read_text())
    wider = {**config, "pipeline": json.loads(json.dumps(config["pipeline"]))}
    wider["pipeline"]["options"]["hidden_size"] = 7
    (path / "config.json").write_text(json.dumps(wider))
    with pytest.raises(ArtifactError, match=r"should be \(.*\), got \("):
        zoo.load(path)
    (path / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    with pytest.raises(ArtifactError, match="newer version of zoo: it has format 99"):
        zoo.load(path)
    (path / "config.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        zoo.load(path)
