"""Programs are compiled in threads, once, and give the same results."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tyro

from tests.helpers.tolerances import assert_identical
from tests.helpers.training import flags
from zoo.tasks import optimizers
from zoo.tasks.compile_ahead import CompileAhead
from zoo.tasks.program import Program
from zoo.tasks.registry import TASKS


@pytest.fixture
def program_of(tmp_path: Path) -> Callable[[str], Program]:
    """Return a function that makes the program of a task on a little data."""

    def make(name: str) -> Program:
        config = tyro.cli(TASKS[name].Config, args=flags(name, tmp_path))
        return Program(TASKS[name](config), optimizers.make(config, 8), 8)

    return make


# Batches of several lengths with a lazy embedding, and a carried state.
@pytest.mark.parametrize("name", ["ner", "charlm"])
def test_no_step_compiles_what_a_thread_has_compiled(
    name: str,
    compiled: list[str],
    program_of: Callable[[str], Program],
    standard_promotion: None,
) -> None:
    results = []
    for ahead in (False, True):
        program = program_of(name)
        task = program.task
        state = program.init_state(task.pipeline.params, 0)
        if ahead:
            program.compile_ahead(state)
        in_threads = []
        for step, batch in enumerate(task.batches("train", 0)):
            compiled.clear()
            state, metrics = program.train_step(state, program.place(batch), step)
            in_threads += compiled
        assert (threading.main_thread().name in in_threads) is not ahead
        evaluation = program.evaluate(state.params, "dev")
        results.append((jax.device_get(state), metrics, evaluation.loss))
        program.close()
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        assert_identical(np.asarray(one), np.asarray(other))


def test_a_compilation_that_fails_raises_in_the_step_that_needs_it() -> None:
    @jax.jit
    def fails(x: Any) -> Any:
        raise ValueError("no such shape")

    ahead, batch = CompileAhead(), {"x": np.zeros(3)}
    ahead.start(fails, batch, lambda: fails.lower(batch["x"]).compile())
    ahead.wait(fails, {"x": np.zeros(4)})  # which nothing compiles
    assert not ahead.is_done(fails, {"x": np.zeros(4)})
    with pytest.raises(ValueError, match="no such shape"):
        ahead.wait(fails, batch)
    assert ahead.is_done(fails, batch)
    ahead.close()
