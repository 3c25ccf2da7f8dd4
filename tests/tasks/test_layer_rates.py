"""Layer groups: their order, rates, gradual unfreezing, and slanted rates."""

from typing import Any

import jax
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import PartitionSpec

import zoo
from tests.helpers.tolerances import assert_close
from tests.tasks.test_freezing import batches, flags, gradients, task, train
from zoo import models
from zoo.tasks import layer_rates, optimizers
from zoo.tasks.base import Config
from zoo.tasks.layer_groups import LayerGroups, dotted
from zoo.tasks.layout import Layout

pytestmark = pytest.mark.usefixtures("standard_promotion")
SIZES: dict[str, Any] = {"hidden_size": 2, "num_layers": 2}
GROUPS = ["embedding", "layer 0", "layer 1", "head"]
FACTOR = 1 / 2.6


@pytest.mark.parametrize(
    "model, names",
    [
        (
            lambda rngs: models.Classifier(
                5, 2, pooling="attention", rngs=rngs, **SIZES
            ),
            GROUPS,
        ),
        (
            lambda rngs: models.Tagger(
                5, 2, num_chars=3, chars="lstm", use_crf=True, rngs=rngs, **SIZES
            ),
            GROUPS,
        ),
        (
            lambda rngs: models.LanguageModel(
                5, tied=True, embedding_dim=2, rngs=rngs, **SIZES
            ),
            GROUPS,
        ),
        (lambda rngs: models.Reader(5, 2, rngs=rngs, **SIZES), GROUPS[1:]),
        (
            lambda rngs: models.Reader(1, 2, hidden_size=2, num_layers=11, rngs=rngs),
            [*(f"layer {k}" for k in range(11)), "head"],
        ),
        (
            lambda rngs: models.Seq2Seq(5, 6, embedding_dim=3, rngs=rngs, **SIZES),
            [
                "embedding",
                "encoder layer 0",
                "encoder layer 1",
                "decoder layer 0",
                "decoder layer 1",
                "head",
            ],
        ),
    ],
)
def test_groups_of_every_model(model: Any, names: list[str]) -> None:
    params, _ = zoo.functional(model(nnx.Rngs(0)))
    groups = LayerGroups.of(params)
    assert list(groups.names) == names
    assert sum(groups.sizes(params)) == sum(a.size for a in jax.tree.leaves(params))
    of = {name: groups.names[number] for name, number in groups.numbers.items()}
    for name, group in of.items():
        top = name.removeprefix("decoder.").split(".")[0]
        if top in ("embedding", "chars", "shapes"):
            assert group == "embedding"
        elif top in ("output", "transitions", "pooling", "bridge", "attention", "join"):
            assert group == "head" and groups.depth(name) == 0
        else:
            number = name.split("layers.")[-1].split(".")[0]
            assert group.endswith(f"layer {number}")


def test_rates_of_the_groups_are_those_of_sgd_by_hand() -> None:
    config = flags(
        optimizer="sgd", weight_decay=0.0, layer_decay=FACTOR, schedule="constant"
    )
    fake = task(config)
    _, (before, after) = train(fake, 1)
    grads = gradients(fake, before.params, batches(1)[0])
    norm = np.sqrt(sum((np.asarray(g) ** 2).sum() for g in grads.values()))
    assert norm > 0.05  # the gradient is clipped, by the norm of all groups
    depth = {"output": 0, "layers.layers.1": 1, "layers.layers.0": 2, "embedding": 3}
    for name, old in dotted(before.params).items():
        power = next(d for prefix, d in depth.items() if name.startswith(prefix))
        expected = old - 0.1 * FACTOR**power * grads[name] * 0.05 / norm
        assert_close(dotted(after.params)[name], expected, 1e-6)


@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_slanted_rates_are_those_of_the_paper(steps: int) -> None:
    """T is a multiple of 1 / cut_frac, see `zoo.tasks.optimizers.slanted`."""
    cut_frac, ratio = 0.1, 32
    cut = np.floor(steps * cut_frac)
    t = np.arange(steps)
    p = np.where(t < cut, t / cut, 1 - (t - cut) / (cut * (1 / cut_frac - 1)))
    expected = 0.01 * (1 + p * (ratio - 1)) / ratio
    actual = np.array([np.asarray(optimizers.slanted(0.01, steps)(k)) for k in t])
    assert_close(actual, expected, 1e-8)


@pytest.mark.parametrize("steps", [1, 2, 7, 15])
def test_slanted_rates_of_any_length_are_positive(steps: int) -> None:
    schedule: Any = optimizers.slanted(0.32, steps)
    rates = [float(schedule(k)) for k in range(steps + 1)]
    assert rates[0] == pytest.approx(0.01) and min(rates) >= 0.01 - 1e-7
    if steps > 1:
        assert max(rates) == pytest.approx(0.32) and rates[-1] == pytest.approx(0.01)


OF_EACH_KIND = {"adamw", "novograd", "rmsprop"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", sorted(optimizers.NAMES))
def test_a_schedule_outside_is_the_one_inside(case: str) -> None:
    """With all groups trained from the first step, as without the flag."""
    plain = flags(optimizer=case, schedule="linear")
    gradual = flags(optimizer=case, schedule="linear", unfreeze_every=1)
    fake = task(plain)
    params = fake.pipeline.params
    groups = LayerGroups.of(params)
    results = []
    for config in (plain, gradual):
        tx = optimizers.make(config, 3, groups, interval=0)
        new, state = params, tx.init(params)
        for k in range(2):
            grads = jax.tree.map(lambda p, k=k: np.cos(p + k), params)
            updates, state = tx.update(grads, state, new)
            new = optax.apply_updates(new, updates)
        results.append(new)
    assert_close(results[1], results[0], 1e-6)


OPTIONS = [{}, {"accumulate": 2, "ema": 0.9, "layer_decay": 0.5}, "lazy"]


@pytest.mark.parametrize("options", OPTIONS)
def test_groups_are_trained_one_after_another(options: Any) -> None:
    lazy = options == "lazy"
    config = flags(unfreeze_every=1, schedule="constant", **({} if lazy else options))
    program, states = train(task(config, lazy=lazy), 8, interval=2)
    assert program.num_compilations() == 2  # for all stages
    names = dotted(states[0].params)
    first = {"output": 0, "layers.layers.1": 2, "layers.layers.0": 4, "embedding": 6}
    for name in names:
        start = next(step for prefix, step in first.items() if name.startswith(prefix))
        values = [dotted(state.params)[name] for state in states]
        averages = (
            [dotted(state.average)[name] for state in states] if config.ema else []
        )
        for step in range(8):
            is_same = (values[step] == values[step + 1]).all()
            assert is_same == (step < start), (name, step)
            if averages:
                assert (averages[step] == averages[step + 1]).all() == is_same
    # A group that is trained for the first time is updated like a new optimiser does.
    if not lazy:
        factor = config.layer_decay**3
        table = [dotted(state.params)["embedding.table"] for state in states]
        moved = table[7] - (1 - 0.1 * 0.1 * factor) * table[6]
        assert_close(np.abs(moved[1:]), np.full_like(moved[1:], 0.1 * factor), 2e-3)


def test_frozen_parameters_are_in_no_stage() -> None:
    config = flags(unfreeze_every=1, freeze="layers.1.*", schedule="constant")
    _, states = train(task(config), 3)
    table = [dotted(s.params)["layers.layers.0.cell.W"] for s in states]
    assert (table[0] == table[1]).all() and (table[1] != table[2]).any()


def test_state_of_groups_is_divided_like_the_parameters() -> None:
    layout = Layout(shard_optimizer=True)
    layout.mesh = jax.sharding.AbstractMesh((2, 4), ("data", "model"))  # pyright: ignore
    params = {
        "embedding": {"table": jax.ShapeDtypeStruct((10_000, 30), np.float32)},
        "output": {"W": jax.ShapeDtypeStruct((256, 1024), np.float32)},
    }
    config = Config(unfreeze_every=1, optimizer="adam")
    tx = optimizers.make(config, 3, LayerGroups.of(params))
    state = layout.of_opt_state(tx, params)
    specs = {a.spec for a in jax.tree.leaves(state) if not a.is_fully_replicated}
    assert specs == {PartitionSpec("model", "data"), PartitionSpec("data", "model")}


def test_notes_describe_the_groups() -> None:
    params = task(flags()).pipeline.params
    groups = LayerGroups.of(params)
    config = flags(unfreeze_every=2, layer_decay=0.5)
    notes = layer_rates.describe(config, params, groups, steps=60, interval=10)
    assert notes == [
        "layer groups, from the output: head: 10 parameters, rate x 1, from epoch 1; "
        "layer 1: 36 parameters, rate x 0.5, from epoch 3; layer 0: 32 parameters, "
        "rate x 0.25, from epoch 5; embedding: 27 parameters, rate x 0.125, from epoch "
        "7",
        "--unfreeze-every 2: the run ends before embedding would be trained",
    ]
    assert layer_rates.describe(flags(), params, groups, 60, 10) == []
    config = flags(unfreeze_every=2, patience=5)
    assert layer_rates.describe(config, params, groups, 90, 10)[1:] == [
        "--patience 5 may end the run before embedding is trained, from epoch 7 on"
    ]
    assert not layer_rates.describe(flags(patience=5), params, groups, 90, 10)
