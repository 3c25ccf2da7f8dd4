"""A lazy update changes the rows of a batch as a dense one does, and no other row."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import assert_close, assert_identical
from zoo.modules.dense import Linear
from zoo.modules.embedding import Embedding
from zoo.tasks import classification, lazy_embedding, optimizers, pos
from zoo.tasks.base import Config
from zoo.tasks.program import Program, TrainState

V, D = 9, 4
pytestmark = pytest.mark.usefixtures("standard_promotion")
ELEMENTWISE = sorted({*optimizers.NAMES} - {*lazy_embedding.NOT_ELEMENTWISE})


@pytest.fixture
def standard_promotion() -> Iterator[None]:
    """Promote dtypes as the training program does: Optax relies on it."""
    with jax.numpy_dtype_promotion("standard"):
        yield


class Model(nnx.Module):
    """An embedding with padding, and a dense layer."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.embedding = Embedding(V, D, padding_idx=0, rngs=rngs)
        self.output = Linear(D, 2, rngs=rngs)


def task(config: Config, *, lazy: bool) -> Any:
    """Return a task whose loss looks up the IDs of a batch."""
    params, apply = zoo.functional(Model(nnx.Rngs(0)))

    def loss(model: Any, batch: Any, carry: Any, *, key: Any, progress: Any) -> Any:
        y = jnp.tanh(model.output(model.embedding(batch["ids"])))
        return ((y[..., 0] - batch["x"]).sum() + (y**2).sum(), batch["x"].size), carry

    return SimpleNamespace(
        frozen=(),
        config=config,
        pipeline=SimpleNamespace(apply=apply, params=params),
        loss=loss,
        predict=None,
        init_carry=lambda model, batch_size: (),
        embedding_ids=lambda batch: batch["ids"] if lazy else None,
    )


def train(config: Config, batches: list[Any], *, lazy: bool) -> list[TrainState]:
    """Return the states before the first step and after each."""
    fake = task(config, lazy=lazy)
    program = Program(fake, optimizers.make(config, len(batches)), len(batches))
    state = program.init_state(fake.pipeline.params, 0)
    states = [jax.device_get(state)]
    for step, ids in enumerate(batches):
        x = np.linspace(-1, 1, ids.size, dtype=np.float32).reshape(ids.shape)
        state, _ = program.train_step(
            state, {"ids": ids, "x": x, "mask": ids > 0}, step
        )
        states.append(jax.device_get(state))
    return states


def flags(**options: Any) -> Config:
    return Config(batch_size=2, learning_rate=0.1, clip_norm=0.5, **options)


@pytest.mark.parametrize("optimizer", ELEMENTWISE)
def test_an_update_of_all_rows_is_the_dense_one(optimizer: str) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.permutation(V).astype(np.int32).reshape(3, 3) for _ in range(3)]
    config = flags(optimizer=optimizer, weight_decay=0.1)
    dense, lazy = (train(config, batches, lazy=lazy) for lazy in (False, True))
    assert_close(lazy, dense, 1e-5)
    first, last = (
        state.params["embedding"]["table"] for state in lazy[:: len(batches)]
    )
    assert (first[1:] != last[1:]).all()


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_other_rows_and_their_moments_stay(optimizer: str) -> None:
    batches = [np.array([[1, 5, 5], [7, 0, 1]]), np.array([[2, 5, 0], [0, 0, 2]])]
    config = flags(optimizer=optimizer, weight_decay=0.1)
    states = train(config, batches, lazy=True)
    dense = train(config, batches[:1], lazy=False)
    used = np.unique(batches[0])
    # From zero moments, the rows of the batch are those of a dense update.
    for path, leaf in jax.tree.leaves_with_path(dense[1]):
        expected = leaf[used] if leaf.shape == (V, D) else leaf
        actual = dict(jax.tree.leaves_with_path(states[1]))[path]
        assert_close(actual[used] if leaf.shape == (V, D) else actual, expected, 1e-6)
    num_tables = 0
    for before, after, ids in zip(states, states[1:], batches, strict=False):
        others = np.setdiff1d(np.arange(V), ids)
        leaves = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
        for old, new in leaves:
            if old.shape == (V, D):
                num_tables += 1
                assert_identical(new[others], old[others])
                assert (new[5] != old[5]).all()
    assert num_tables == 2 * 3  # parameters and both moments, in each step


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-3, V + 3), min_size=1, max_size=12))
def test_a_restricted_embedding_looks_up_its_rows(ids: list[int]) -> None:
    embedding = Embedding(V, D, rngs=nnx.Rngs(0))
    dense = embedding(np.array(ids))
    some = lazy_embedding.unique(jnp.array([n for n in ids if 0 <= n < V] or [4]), V)
    assert (np.diff(some) >= 0).all() and some.max() <= V
    embedding.restrict(
        some, embedding.table[...].at[some].get(mode="fill", fill_value=0)
    )
    assert_identical(embedding(np.array(ids)), dense)
    others = np.setdiff1d(np.arange(V), some)
    assert np.isnan(embedding(others)).all()


@pytest.mark.parametrize("module", [pos.PartOfSpeech, classification.Classification])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema": 0.9}, "--lazy-embedding needs --ema 0"),
        ({"optimizer": "lamb"}, "--lazy-embedding is not for --optimizer lamb"),
    ],
)
def test_flags_that_exclude_lazy_updates(
    module: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        module(module.Config(lazy_embedding=True, **options))


def test_the_first_step_of_a_task_is_that_of_a_dense_update() -> None:
    results = []
    for lazy in (False, True):
        config = pos.Config(
            hidden_size=4, num_layers=1, limit_train=8, batch_size=8,
            optimizer="sgd", lazy_embedding=lazy, chars="none", embedding_dim=5,
        )  # fmt: skip
        tagging = pos.PartOfSpeech(config)
        program = Program(tagging, optax.sgd(1.0))
        state = program.init_state(tagging.pipeline.params, 0)
        batch = next(tagging.batches("train", 0))
        state, metrics = program.train_step(state, batch, 0)
        results.append((jax.device_get(state.params), metrics))
    assert_close(results[1], results[0], 1e-5)
