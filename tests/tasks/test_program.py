"""The training program: parameter averages, and the help of `train.py`."""

import itertools
import weakref
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import optax
import pytest

from tests.helpers.tolerances import REFERENCE
from zoo.cli import commands
from zoo.tasks.base import Config
from zoo.tasks.layout import RowShard
from zoo.tasks.program import Program


def one_parameter_task(**flags: Any) -> Any:
    """Return a task whose model is one number, and whose loss includes `progress`."""

    def loss(model: Any, batch: Any, carry: Any, *, key: Any, progress: Any) -> Any:
        return (((model - batch["x"]) ** 2).sum() + progress, batch["x"].size), carry

    def apply(params: Any, *args: Any, method: Any, **options: Any) -> Any:
        return method(params, *args, **options)

    return SimpleNamespace(
        config=replace(Config(batch_size=2), **flags),
        frozen=(),
        pipeline=SimpleNamespace(apply=apply, params=np.float32(0.0)),
        loss=loss,
        embedding_ids=lambda batch: None,
        predict=None,
        scored=lambda batch: batch,
        init_carry=lambda model, batch_size: (),
    )


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_moving_average_of_the_parameters(ema: float) -> None:
    program = Program(one_parameter_task(ema=ema), optax.sgd(0.25), num_steps=4)
    state = program.init_state(np.float32(8.0), seed=0)
    batch = {"x": np.zeros(2, np.float32), "mask": np.ones((2, 3), bool)}
    value = average = 8.0
    for step in range(4):
        state, (total, _, tokens, norm) = program.train_step(state, batch, step)
        assert float(total) == pytest.approx(2 * value**2 + step / 4)
        assert float(norm) == pytest.approx(2 * value)
        assert int(tokens) == 6
        value -= 0.25 * 2 * value
        decay = min(ema, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
        np.testing.assert_allclose(state.params, value, atol=REFERENCE)
        if ema:
            np.testing.assert_allclose(state.average, average, atol=REFERENCE)
        else:
            assert jax.tree.leaves(state.average) == []


@pytest.mark.parametrize("read", [3, 20])
@pytest.mark.parametrize("keep", [False, True])
def test_evaluation_keeps_what_the_metrics_keep(read: int, keep: bool) -> None:
    alive, most = [], 0

    def batches(split: str, seed: int | None, shard: RowShard) -> Iterator[Any]:
        nonlocal most
        for number in range(20):
            mask = np.ones((2, 1), bool)
            alive.append(weakref.ref(mask))
            batch = {"x": np.full(2, number, np.float32), "mask": mask}
            most = max(most, sum(mask() is not None for mask in alive))
            del mask
            yield batch

    def predict(model: Any, batch: Any, carry: Any) -> Any:
        total = (model * batch["x"]).sum()
        return {"loss": total, "count": 2, "y": model * batch["x"]}, carry

    def metrics(pairs: Any) -> Any:
        return [arrays["y"].tolist() for _, arrays in itertools.islice(pairs, read)]

    task = one_parameter_task()
    task.batches, task.predict, task.metrics = batches, predict, metrics
    scores, loss, pairs = Program(task, optax.identity()).evaluate(
        np.float32(3.0), "dev", keep=keep
    )
    assert scores == [[3.0 * number] * 2 for number in range(read)]
    assert loss == 3 * np.mean(range(20))
    assert [batch["x"][0] for batch, _ in pairs] == [*range(20)] * keep
    assert most == 20 if keep else most <= 4


@pytest.mark.parametrize(
    "task, epochs", [("pos", "12"), ("ner", "15"), ("charlm", "11, of the sample 3")]
)
def test_help_shows_the_default_number_of_epochs(
    task: str,
    epochs: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        commands.run("train", [task, "--help"], "train.py")
    assert end.value.code == 0
    output = " ".join(capsys.readouterr().out.replace("│", "").split())
    default = f"(default: {epochs}; at least 300 batches)"
    assert f"Passes over the training data. {default}" in output
