"""A function of large logits is computed in chunks, with the values of one product."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import assert_close, assert_identical
from zoo.models import Decoder, LanguageModel, Seq2Seq
from zoo.modules import output
from zoo.modules.embedding import Embedding
from zoo.modules.output import Output
from zoo.tasks.losses import negative_sum, smoothed_likelihood

V, H = 11, 6


def loss(model: Any, y: Any, labels: Any) -> Any:
    """Return a smoothed cross-entropy, which reads every logit."""

    def gain(logits: Any, labels: Any) -> Any:
        return smoothed_likelihood(logits, labels, smoothing=0.1)

    gains = model[1].reduce(gain, y, model[0], labels)
    return negative_sum(gains, labels > 0)[0]


def layers(tied: bool, dtype: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the parameters of an embedding and an output layer, and their loss."""
    rngs = nnx.Rngs(0)
    embedding = Embedding(V, H, rngs=rngs)
    model = nnx.List([embedding, Output(H, embedding, tied=tied, rngs=rngs)])
    params, apply = zoo.functional(model)
    params = jax.tree.map(lambda a: jnp.asarray(a, dtype), params)
    return params, lambda *args: apply(*args, method=loss)


@pytest.mark.parametrize("chunk", [1, 2 * 2 * V])  # steps of a chunk: 1 and 2
@pytest.mark.parametrize(("dtype", "tied"), [(np.float32, False), (np.float64, True)])
def test_chunks_have_the_values_and_the_gradients_of_one_product(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, tied: bool, chunk: int
) -> None:
    sizes = (2, 5)
    with jax.enable_x64(dtype == np.float64):
        rng = np.random.default_rng(0)
        y = jnp.asarray(rng.normal(size=(*sizes, H)), dtype)
        labels = jnp.asarray(rng.integers(0, V, sizes))
        params, function = layers(tied, dtype)
        tangents = jax.tree.map(lambda a: jnp.sin(3 * a + 1), (params, y))
        results = []
        for large in (0, output.LARGE):
            monkeypatch.setattr(output, "LARGE", large)
            monkeypatch.setattr(output, "CHUNK", chunk)
            # A lambda of its own for each size: both are constants of the program.
            of = jax.jit(lambda *args: jax.value_and_grad(function, (0, 1))(*args))
            slope = jax.jit(
                lambda primals, tangents, labels: jax.jvp(
                    lambda params, y: function(params, y, labels), primals, tangents
                )
            )
            value, grads = of(params, y, labels)
            results.append((value, grads, *slope((params, y), tangents, labels)))
            assert value.dtype == dtype
        assert_close(results[0], results[1], 1e-5 if dtype == np.float32 else 1e-12)


LM = lambda: LanguageModel(V, embedding_dim=H, hidden_size=H, rngs=nnx.Rngs(1))  # noqa: E731
IDS = np.random.default_rng(1).integers(0, V, (2, 5))
MASK = np.arange(5) < np.array([[5], [3]])


def seq2seq(**options: Any) -> Seq2Seq:
    sizes = {"embedding_dim": H, "hidden_size": H}
    return Seq2Seq(V, V, **sizes, **options, rngs=nnx.Rngs(1))


@pytest.mark.parametrize(
    ("build", "args", "options"),
    [
        (LM, (IDS, MASK), {}),
        (seq2seq, (IDS, MASK, IDS, MASK), {}),
        (seq2seq, (IDS, MASK, IDS, MASK), {"sampling": 0.5}),
        (lambda: seq2seq(input_feeding=True), (IDS, MASK, IDS, MASK), {}),
        (
            lambda: seq2seq(input_feeding=True, tied=True),
            (IDS, MASK, IDS, MASK),
            {"sampling": 0.5},
        ),
    ],
)
def test_losses_of_models_are_the_same_in_chunks(
    monkeypatch: pytest.MonkeyPatch, build: Any, args: Any, options: dict[str, Any]
) -> None:
    params, apply = zoo.functional(build())
    key = jax.random.key(3)

    def reduced(params: Any) -> Any:
        method, labels = "reduce_logits", (IDS,)
        result = apply(
            params,
            smoothed_likelihood,
            labels,
            *args,
            method=method,
            key=key,
            **options,
        )
        return (result[1] if isinstance(result, tuple) else result).sum()

    def plain(params: Any) -> Any:
        result = apply(params, *args, key=key, **options)
        logits = result[1] if isinstance(result, tuple) else result
        return smoothed_likelihood(logits, IDS).sum()

    expected = jax.jit(jax.value_and_grad(plain))(params)
    assert_identical(jax.jit(jax.value_and_grad(reduced))(params), expected)
    monkeypatch.setattr(output, "LARGE", 0)
    monkeypatch.setattr(output, "CHUNK", 50)
    assert_close(jax.jit(jax.value_and_grad(reduced))(params), expected, 1e-5)


@pytest.mark.parametrize("sampling", [None, 0.3])
def test_large_logits_are_not_stored(sampling: float | None) -> None:
    size, ids = 20_000, jax.ShapeDtypeStruct((16, 256), jnp.int32)

    def build() -> Decoder:
        return Decoder(size, embedding_dim=8, hidden_size=8, rngs=nnx.Rngs(0))

    params, apply = zoo.functional(nnx.eval_shape(build))

    def loss(params: Any, ids: Any, key: Any) -> Any:
        _, gain = apply(
            params,
            *(smoothed_likelihood, (ids,), ids),
            method="reduce_logits",
            key=key,
            sampling=sampling,
        )
        return gain.sum()

    compiled = jax.jit(jax.grad(loss)).lower(params, ids, jax.random.key(0)).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    logits = 4 * size * 16 * 256
    assert logits > 4 * output.LARGE
    assert memory.temp_size_in_bytes < logits / 2
