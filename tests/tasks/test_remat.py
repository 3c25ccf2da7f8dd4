"""``--remat`` recomputes instead of storing: the same losses and gradients."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import optax
import pytest
import tyro

from tests.helpers.tolerances import SCHEDULE_GRADIENT, assert_close
from tests.helpers.training import TASKS, flags
from zoo.tasks.base import Config
from zoo.tasks.program import Program
from zoo.tasks.registry import TASKS as CLASSES

# Of the rows of a batch, of a carried state, and of an encoder and a decoder.
OF_EACH_KIND = {"ner", "charlm", "seq2seq"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", TASKS)
def test_losses_and_gradients_are_the_same(case: str, tmp_path: Path) -> None:
    args = [flag for flag in flags(case, tmp_path) if flag != "--lazy-embedding"]
    if "bfloat16" in args:
        args[args.index("bfloat16")] = "float32"
    config: Any = tyro.cli(CLASSES[case].Config, args=args)
    results = []
    with jax.numpy_dtype_promotion("standard"):
        for remat in ("none", "chunk:4"):
            task = CLASSES[case](dataclasses.replace(config, remat=remat))
            assert task.pipeline.options.get("remat", "none") == remat
            program = Program(task, optax.identity())
            state = program.init_state(task.pipeline.params, 0)
            batch = next(iter(task.batches("train", 0)))
            results.append(
                program.differentiate(state.params, batch, state.carry, state.key, 0)
            )
    (grads, carry, (total, count, _), _), expected = results[1], results[0]
    scale = float(optax.tree.norm(expected[0]))
    assert scale > 0 and int(count) == int(expected[2][1])
    scaled, expected_grads = (
        jax.tree.map(lambda a: a / scale, tree) for tree in (grads, expected[0])
    )
    assert_close(scaled, expected_grads, SCHEDULE_GRADIENT)
    assert_close((carry, total), (expected[1], expected[2][0]), SCHEDULE_GRADIENT)


@pytest.mark.parametrize("remat", ["all", "chunk:0", "chunk:", "Step"])
def test_what_to_recompute_must_be_known(remat: str) -> None:
    with pytest.raises(ValueError, match='--remat must be "none", "step" or "chunk:n"'):
        CLASSES["memory"](dataclasses.replace(CLASSES["memory"].Config(), remat=remat))


def test_layers_get_no_option_by_default() -> None:
    assert Config().layer_options() == {"dtype": "float32"}
