"""Frozen parameters keep every bit; the others are trained as without them."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import assert_close, assert_identical
from zoo.models import Classifier
from zoo.tasks import optimizers
from zoo.tasks.base import Config
from zoo.tasks.configs import CONFIGS
from zoo.tasks.freezing import Trainable
from zoo.tasks.layer_groups import LayerGroups, dotted
from zoo.tasks.losses import cross_entropy
from zoo.tasks.program import Program, TrainState

V = 9
pytestmark = pytest.mark.usefixtures("standard_promotion")


def task(config: Config, *, lazy: bool = False) -> Any:
    """Return a task with a classifier of two layers."""
    model = Classifier(
        V,
        2,
        embedding_dim=3,
        cell="rnn",
        hidden_size=4,
        num_layers=2,
        bidirectional=False,
        dropout=0.0,
        rngs=nnx.Rngs(0),
    )
    params, apply = zoo.functional(model)

    def loss(model: Any, batch: Any, carry: Any, **_: Any) -> Any:
        logits = model(batch["words"], batch["mask"])
        return cross_entropy(logits, batch["label"], batch["mask"].any(axis=1)), carry

    return SimpleNamespace(
        config=config,
        frozen=(),
        pipeline=SimpleNamespace(apply=apply, params=params),
        loss=loss,
        predict=None,
        init_carry=lambda model, batch_size: (),
        embedding_ids=lambda batch: jnp.append(batch["words"], 0) if lazy else None,
    )


def batches(count: int) -> list[Any]:
    """Return batches of 4 rows, with every word in each."""
    rng = np.random.default_rng(0)
    words = [rng.permutation(np.r_[1:V, 1:V]).reshape(4, 4) for _ in range(count)]
    return [
        {
            "words": w.astype(np.int32),
            "mask": np.ones((4, 4), bool),
            "label": np.array([0, 1, 1, 0], np.int32),
        }
        for w in words
    ]


def train(fake: Any, count: int, interval: int = 1) -> tuple[Program, list[TrainState]]:
    """Return the program, and the states before the first step and after each."""
    groups = LayerGroups.of(fake.pipeline.params)
    program = Program(fake, optimizers.make(fake.config, count, groups, interval))
    state = program.init_state(fake.pipeline.params, 0)
    states = [jax.device_get(state)]
    for step, batch in enumerate(batches(count)):
        state, _ = program.train_step(state, batch, step)
        states.append(jax.device_get(state))
    return program, states


def flags(**options: Any) -> Config:
    defaults = {"optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 0.05}
    return Config(batch_size=4, learning_rate=0.1, **{**defaults, **options})


def gradients(fake: Any, params: Any, batch: Any) -> dict[str, Any]:
    """Return the gradient of the mean loss by name, of all parameters."""

    def mean(params: Any) -> Any:
        (total, count), _ = fake.pipeline.apply(params, batch, (), method=fake.loss)
        return total / count

    return dotted(jax.grad(mean)(params))


@pytest.mark.parametrize(
    "options", [{}, {"ema": 0.9}, {"accumulate": 2}, {"shard_optimizer": True}]
)
def test_the_others_are_trained_alone(options: Any) -> None:
    config = flags(freeze="embedding.*, layers.0.*", **options)
    fake = task(config)
    program, states = train(fake, 3)
    params = fake.pipeline.params
    frozen = {
        name for name in dotted(params) if name.startswith(("emb", "layers.layers.0"))
    }
    assert program.trainable.frozen == frozen and len(frozen) == 4
    # Nothing else has a gradient or moments.
    names = dotted(params).keys() - frozen
    of_state = jax.tree.leaves(states[0].opt_state)
    assert len([leaf for leaf in of_state if leaf.ndim]) == 2 * len(names)

    tx = optax.chain(
        optax.clip_by_global_norm(0.05),
        optax.adamw(optax.cosine_decay_schedule(0.1, 3), weight_decay=0.1),
    )
    trained: Any = {n: leaf for n, leaf in dotted(params).items() if n in names}
    opt_state = tx.init(trained)
    for step, batch in enumerate(batches(3)):
        now = program.trainable.replace(params, states[step].params)
        grads = gradients(fake, now, batch)
        grads = {name: grads[name] for name in trained}
        updates, opt_state = tx.update(grads, opt_state, trained)
        trained = optax.apply_updates(trained, updates)
        after = dotted(states[step + 1].params)
        assert_close({name: after[name] for name in names}, trained, 1e-5)
    for state in states:
        of_all: list[Any] = [state.params, *([state.average] if config.ema else [])]
        for tree in of_all:
            assert_identical(
                {name: dotted(tree)[name] for name in frozen},
                {name: dotted(params)[name] for name in frozen},
            )


def test_lazy_updates_beside_frozen_layers() -> None:
    config = flags(freeze="layers.*")
    dense, lazy = (train(task(config, lazy=lazy), 3)[1] for lazy in (False, True))
    # Every batch has every word.
    assert_close(lazy[-1], dense[-1], 1e-5)
    first, last = (dotted(state.params) for state in lazy[::3])
    moved = np.not_equal(first["embedding.table"], last["embedding.table"])
    assert np.all(moved[1:])
    name = "layers.layers.0.cell.W"
    assert_identical(first[name], last[name])


def test_lazy_updates_are_not_of_a_frozen_embedding() -> None:
    flags: Any = {"freeze": "embedding.*", "lazy_embedding": True}
    fake = task(CONFIGS["pos"](**flags))
    with pytest.raises(ValueError, match="--lazy-embedding is for an embedding that"):
        Trainable.of(fake)


def test_globs_of_the_task_and_of_the_flag() -> None:
    fake = task(flags(freeze="output.b"))
    fake.frozen = ("embedding.table",)
    trainable = Trainable.of(fake)
    assert trainable.frozen == {"output.b", "embedding.table"}
    assert trainable.about(fake.pipeline.params) == {
        "trained_parameters": (3 + 4 + 1) * 4 + (4 + 4 + 1) * 4 + 4 * 2
    }
    assert Trainable.of(task(flags())).about(fake.pipeline.params) == {}


def test_errors_name_the_parameters() -> None:
    with pytest.raises(
        ValueError,
        match=r"'layer\.\*' matches no parameter; there are embedding\.table, "
        r"layers\.0\.cell\.U, .*output\.b$",
    ):
        Trainable.of(task(flags(freeze="embedding.*,layer.*")))
    with pytest.raises(ValueError, match=r"--freeze \* leaves no parameter to train"):
        Trainable.of(task(flags(freeze="*")))
