"""Some training steps of several tasks, on all devices of some processes.

Run by `tests.tasks.test_devices` with a JSON argument, in each process.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import tyro

from zoo.cli import compile_cache
from zoo.tasks import processes
from zoo.tasks.program import Program
from zoo.tasks.registry import TASKS


def results(task_name: str, flags: list[str], num_steps: int) -> dict[str, Any]:
    """Return the losses of some steps, the first gradient, and the last scores.

    Args:
        task_name: a key of `TASKS`.
        flags: of the task.
        num_steps: number of steps.
    """
    kind = TASKS[task_name]
    task = kind(tyro.cli(kind.Config, args=flags))
    tx = optax.adam(optax.constant_schedule(0.01))
    program: Any = Program(task, tx)
    state = program.init_state(task.pipeline.params, 0)
    endless = (
        batch
        for epoch in itertools.count()
        for batch in program.batches("train", epoch)
    )
    losses, grads, shapes = [], None, set()
    for step, batch in enumerate(itertools.islice(endless, num_steps)):
        shapes.add(str(jax.tree.map(np.shape, batch)))
        if grads is None:
            grads, *_ = program.differentiate(
                state.params, batch, state.carry, state.key, 0
            )
            grads = processes.whole(grads)
        state, metrics = program.train_step(state, batch, step)
        losses.append(float(metrics.total) / float(metrics.count))
    scores, dev_loss, _ = program.evaluate(state.params, "dev")
    layouts = program.layout.of_params(state.params)
    divided = sum(not one.is_fully_replicated for one in jax.tree.leaves(layouts))
    return {
        **{f"grad{k}": np.asarray(g) for k, g in enumerate(jax.tree.leaves(grads))},
        "losses": losses,
        "dev": [dev_loss, *scores.values.values()],
        "shapes": len(shapes),
        "programs": [
            program.differentiate._cache_size(),
            program._update._cache_size(),
        ],
        "divided": divided,
    }


def main() -> None:
    """Write an npz file of each task."""
    given = json.loads(sys.argv[1])
    first = next(iter(given["tasks"]))
    config = TASKS[first].Config(**given["processes"])
    compile_cache.use()
    with processes.joined(config):
        for name, flags in given["tasks"].items():
            result = results(name, flags, given["steps"])
            if processes.leads():
                np.savez(
                    Path(given["folder"]) / f"{name}-{given['case']}.npz", **result
                )
            processes.wait()


if __name__ == "__main__":
    main()
