"""Noise from the stream of a module: ``train()``, ``eval()`` and ``nnx.Rngs``."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import (
    SCHEDULE,
    SCHEDULE_GRADIENT,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import present, untyped
from zoo import models
from zoo.types import ArrayLike

B, T, D, H = 3, 5, 4, 6
X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
IDS = np.random.default_rng(1).integers(1, 9, (B, T))
MASK = zoo.mask_from_lengths(np.array([T, 3, 1]), T)
PLAIN: dict[str, Any] = {"embedding_dim": D, "hidden_size": H, "dropout": 0.5}


def streams() -> nnx.Rngs:
    """Return the keys of an initialisation, and a stream for noise."""
    return nnx.Rngs(params=0, dropout=1)


def recurrent(rngs: nnx.Rngs, reverse: bool = False, **options: Any) -> zoo.Recurrent:
    cell = zoo.LSTMCell(D, H, rngs=rngs)
    return zoo.Recurrent(cell, reverse=reverse, rngs=rngs, **options)


def bidirectional(rngs: nnx.Rngs) -> zoo.Bidirectional:
    forward = recurrent(rngs, recurrent_dropout=0.5)
    return zoo.Bidirectional(forward, recurrent(rngs, True, weight_drop=0.5))


def residual(rngs: nnx.Rngs) -> zoo.Residual:
    cell = zoo.GRUCell(D, D, rngs=rngs)
    return zoo.Residual(zoo.Recurrent(cell, candidate_dropout=0.5, rngs=rngs))


# How each kind of module is built and called.
CASES: dict[str, tuple[Callable[[nnx.Rngs], Any], tuple[Any, ...]]] = {
    "recurrent": (lambda rngs: recurrent(rngs, zoneout={"c": 0.5}), (X, MASK)),
    "bidirectional": (bidirectional, (X, MASK)),
    "residual": (residual, (X, MASK)),
    "stacked": (
        lambda rngs: zoo.Stacked(
            [residual(rngs), recurrent(rngs)], dropout=0.5, rngs=rngs
        ),
        (X, MASK),
    ),
    "lstm": (
        lambda rngs: zoo.LSTM(*(D, H, 2), dropout=0.5, zoneout=0.1, rngs=rngs),
        (X, MASK),
    ),
    "embedding": (
        lambda rngs: zoo.Embedding(9, D, word_dropout=0.5, unknown_idx=1, rngs=rngs),
        (IDS, MASK),
    ),
    "characters": (lambda rngs: zoo.CharCNN(9, D, H, dropout=0.5, rngs=rngs), (IDS,)),
    "classifier": (
        lambda rngs: models.Classifier(9, 2, rngs=rngs, **PLAIN),
        (IDS, MASK),
    ),
    "tagger": (
        lambda rngs: models.Tagger(9, 5, chars="none", shape_dim=0, rngs=rngs, **PLAIN),
        (IDS, MASK),
    ),
    "language model": (
        lambda rngs: models.LanguageModel(9, rngs=rngs, **PLAIN),
        (IDS, MASK),
    ),
    "reader": (
        lambda rngs: models.Reader(D, 2, hidden_size=H, dropout=0.5, rngs=rngs),
        (X, MASK),
    ),
    "decoder": (lambda rngs: models.Decoder(9, rngs=rngs, **PLAIN), (IDS, MASK)),
    "seq2seq": (
        lambda rngs: models.Seq2Seq(9, 9, input_feeding=True, rngs=rngs, **PLAIN),
        (IDS, MASK, IDS, MASK),
    ),
}


def differ(a: Any, b: Any) -> bool:
    return not all(jax.tree.leaves(jax.tree.map(jnp.array_equal, a, b)))


def drawn(model: nnx.Module, call: Callable[[], Any]) -> tuple[Any, jax.Array]:
    """Return the result of a call, and the one key that it has drawn from a stream."""
    streams = [s for _, s in nnx.iter_graph(model) if isinstance(s, nnx.RngStream)]
    before = [int(stream.count[...]) for stream in streams]
    result = call()
    (used,) = (
        (stream, count)
        for stream, count in zip(streams, before, strict=True)
        if int(stream.count[...]) != count
    )
    stream, count = used
    assert int(stream.count[...]) == count + 1
    return result, jax.random.fold_in(stream.key[...], count)


@pytest.mark.parametrize("name", CASES)
def test_a_call_draws_its_noise_from_the_stream(name):
    build, inputs = CASES[name]
    model, plain = build(streams()), build(nnx.Rngs(params=0))
    # The stream changes no initial parameter, and is none.
    assert_identical(*(zoo.functional(m)[0] for m in (model, plain)))

    first, key = drawn(model, lambda: model(*inputs))
    assert_identical(first, model(*inputs, key=key))
    assert_identical(first, plain(*inputs, key=key))
    assert differ(first, model(*inputs))
    compiled = nnx.jit(lambda model: model(*inputs))
    second, key = drawn(model, lambda: compiled(model))
    assert_close(second, model(*inputs, key=key), SCHEDULE)
    assert differ(second, compiled(model))

    model.eval()
    assert_identical(model(*inputs), plain(*inputs))
    assert_identical(model(*inputs, key=key), plain(*inputs, key=key))
    view = nnx.view(model, deterministic=False)
    assert differ(view(*inputs), plain(*inputs))

    plain.train()
    with pytest.raises(ValueError, match="needs a key: pass key=.*, or .* rngs="):
        plain(*inputs)
    assert_identical(plain(*inputs, key=key), model(*inputs, key=key))
    params, apply = zoo.functional(plain)
    plain.eval()
    assert_identical(apply(params, *inputs), plain(*inputs))


def test_without_noise_no_stream_is_kept():
    layers = zoo.LSTM(D, H, 2, rngs=streams())
    layers.train()
    assert_identical(layers(X), zoo.LSTM(D, H, 2, rngs=nnx.Rngs(0))(X))
    assert not nnx.to_flat_state(nnx.state(layers, nnx.RngState))
    # A default stream is not one for noise: a fork of it would change the parameters.
    layers = zoo.LSTM(D, H, 2, dropout=0.5, rngs=nnx.Rngs(0))
    assert layers.deterministic and layers.rngs is None


def test_the_parts_of_a_call_are_in_one_mode():
    layers = zoo.LSTM(D, H, 2, dropout=0.5, zoneout=0.1, rngs=streams())
    layers.layers[1].eval()
    with pytest.raises(
        ValueError, match="itself is in training .* layers.1 in evaluation"
    ):
        layers(X)
    layers.eval()
    layers.layers[1].train()
    assert differ(*(layers.layers[1](np.ones((B, T, H), "float32")) for _ in range(2)))


def test_scheduled_sampling_draws_from_the_stream():
    options: dict[str, Any] = PLAIN | {"dropout": 0.0}
    model = models.Seq2Seq(9, 9, rngs=streams(), **options)
    calls = [model(IDS, MASK, IDS, MASK, sampling=1.0) for _ in range(2)]
    assert differ(*calls)
    model.eval()
    forced = model(IDS, MASK, IDS, MASK)
    assert_identical(model(IDS, MASK, IDS, MASK, sampling=1.0), forced)
    plain = models.Seq2Seq(9, 9, rngs=nnx.Rngs(0), **options)
    plain.train()
    assert_identical(plain(IDS, MASK, IDS, MASK), forced)
    with pytest.raises(ValueError, match="needs a key"):
        plain(IDS, MASK, IDS, MASK, sampling=1.0)


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, jax.vmap])
def test_a_stream_does_not_advance_inside_a_transformation_of_jax(transform):
    layer = zoo.LSTM(D, H, 2, dropout=0.5, rngs=streams())
    with pytest.raises(ValueError, match="LSTM .* cannot advance .* nnx.jit .* key="):
        transform(lambda x: layer(x.reshape(-1, T, D))[1].sum())(np.stack([X, X]))
    _, key = drawn(layer, lambda: layer(X))
    compiled = jax.jit(lambda x, key: layer(x, key=key))
    assert_close(compiled(X, key), layer(X, key=key), SCHEDULE)
    layer.eval()
    assert_close(jax.jit(lambda x: layer(x))(X), layer(X), SCHEDULE)


def test_legacy_keys_draw_the_noise_of_the_new_ones():
    layer = zoo.LSTM(D, H, 2, dropout=0.5, rngs=nnx.Rngs(0))
    legacy = jax.random.PRNGKey(3)
    expected = layer(X, key=jax.random.key(3))
    assert_identical(layer(X, key=legacy), expected)
    assert_identical(layer(X, key=untyped(np.asarray(legacy))), expected)
    for keys in (jax.random.key(3)[None], legacy[None]):
        _, y = jax.vmap(lambda key: layer(X, key=key))(keys)
        assert_close(y[0], expected[1], SCHEDULE)


def test_methods_without_noise_ignore_the_mode():
    """Those that mean evaluation, and pure functions, draw from no stream."""
    classifier = models.Classifier(9, 2, pooling="attention", rngs=streams(), **PLAIN)
    decoder = models.Decoder(9, num_layers=2, rngs=streams(), **PLAIN)
    layers = zoo.LSTM(D, H, 2, dropout=0.5, rngs=streams())
    params, apply = zoo.functional(layers)
    state = decoder.init_state(B)
    calls: dict[str, Callable[[], Any]] = {
        "contributions": lambda: classifier.contributions(IDS, MASK),
        "attention": lambda: classifier.attention(IDS, MASK),
        "decoder step": lambda: decoder.step(state, None, IDS[:, 0])[1],
        "step": lambda: layers.step(layers.init_state(B), X[:, 0]),
        "functional": lambda: jax.jit(apply)(params, X),
        "gates": lambda: zoo.diagnostics.gates(layers, X, MASK),
        "span": lambda: zoo.diagnostics.memory_span(layers, X, jax.random.key(0)),
        "trajectories": lambda: zoo.diagnostics.trajectories(layers, X, MASK),
    }
    training = {name: call() for name, call in calls.items()}
    for model in (classifier, decoder, layers):
        model.eval()
    for name, call in calls.items():
        assert_identical(training[name], call(), name)
    assert not np.any(jax.tree.leaves(nnx.state(layers, nnx.RngCount)))


class Program(nnx.Module):
    """A model as users of ``flax.nnx`` write it, with a module of Flax's own."""

    def __init__(self, rngs: nnx.Rngs):
        self.layers = zoo.LSTM(D, H, 2, dropout=0.3, zoneout=0.1, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.output = nnx.Linear(H, 1, rngs=rngs)

    def __call__(self, x: ArrayLike) -> jax.Array:
        _, y = self.layers(x)
        return self.output(self.dropout(y[:, -1]))


@pytest.mark.usefixtures("standard_promotion")
def test_the_functional_view_is_in_evaluation_mode():
    """Also modules of Flax; the module itself stays as it is."""
    model = Program(streams())
    drawn_before = nnx.to_pure_dict(nnx.state(model, nnx.RngCount))
    expected = nnx.view(model, deterministic=True)(X)
    params, apply = zoo.functional(model)
    assert_identical(apply(params, X), expected)
    assert_close(jax.jit(apply)(params, X), expected, SCHEDULE)
    copy = apply(params, method=lambda model: model)
    assert copy.layers.deterministic and copy.dropout.deterministic
    assert_identical(nnx.to_pure_dict(nnx.state(model, nnx.RngCount)), drawn_before)
    assert not model.layers.deterministic and not model.dropout.deterministic


@pytest.mark.usefixtures("standard_promotion")
def test_a_training_loop_of_nnx():
    """The first gradient is that of the same key; noise differs from step to step."""
    model, target = Program(streams()), X[:, 0, :1]
    optimizer = nnx.Optimizer(model, optax.adam(0.02), wrt=nnx.Param)

    def loss(model: Program) -> jax.Array:
        return ((model(X) - target) ** 2).mean()

    @nnx.jit
    def train_step(model: Program, optimizer: nnx.Optimizer) -> tuple[jax.Array, Any]:
        value, grads = nnx.value_and_grad(loss)(model)
        optimizer.update(model, grads)
        return value, grads

    twin = nnx.clone(model)
    (_, grads), key = drawn(model.layers, lambda: train_step(model, optimizer))
    params, apply = zoo.functional(twin.layers)

    def same_loss(params: Any) -> jax.Array:
        y = apply(params, X, key=key)[1]
        dropped = nnx.clone(twin.dropout)(y[:, -1])
        return ((twin.output(dropped) - target) ** 2).mean()

    expected = jax.grad(same_loss)(params)
    actual = nnx.to_pure_dict(grads)["layers"]  # Flax numbers the layers by ints
    leaves = jax.tree.leaves(actual), jax.tree.leaves(expected)
    assert_close(*leaves, SCHEDULE_GRADIENT)

    model.eval()
    before = loss(model)
    assert float(loss(model)) == float(before)
    model.train()
    for _ in range(60):
        train_step(model, optimizer)
    assert int(present(model.layers.rngs).count[...]) == 61
    model.eval()
    assert float(loss(model)) < 0.2 * float(before)
