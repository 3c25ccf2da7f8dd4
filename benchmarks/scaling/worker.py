"""Times the steps of a task: one process of a measurement.

``python -m benchmarks.scaling.worker JSON`` prints a JSON object, in process 0.
"""

import json
import sys
import time
from statistics import median
from typing import Any

import jax
import numpy as np
import optax

from zoo.tasks import optimizers, processes
from zoo.tasks.layout import Layout
from zoo.tasks.program import Program
from zoo.tasks.registry import TASKS

WARM_UP, STEPS = 3, 20
TABLE_WIDTH = 64


def measure_table(mesh: str, shard_optimizer: bool) -> dict[str, Any]:
    """Return the bytes of a table of 1,000,000 rows, and of Adam's state, on a device.

    Args:
        mesh: ``--mesh``.
        shard_optimizer: ``--shard-optimizer``.
    """
    layout, tx = Layout(mesh, shard_optimizer=shard_optimizer), optax.adam(1e-3)
    table = np.zeros((1_000_000, TABLE_WIDTH), np.float32)
    params = {"embedding": {"table": table}}
    of_state = layout.of_opt_state(tx, params)
    params = layout.place(params, layout.of_params(params))
    state = [params, jax.jit(tx.init, out_shardings=of_state)(params)]
    first = jax.devices()[0]
    held = [
        shard.data.nbytes
        for leaf in jax.tree.leaves(state)
        for shard in leaf.addressable_shards
        if shard.device == first
    ]
    return {"device_bytes": str(sum(held))}


def measure(task_name: str, config: Any) -> dict[str, Any]:
    """Return the time of a step of the first batch shape, and the bytes of gradients.

    Args:
        task_name: a key of `TASKS`.
        config: the flags.
    """
    task = TASKS[task_name](config)
    program = Program(task, optimizers.make(config, 1000), 1000)
    state = program.init_state(task.pipeline.params, config.seed)
    example = next(task.examples("train", program.train_rows))
    batch, seconds = program.place(example), []
    for step in range(WARM_UP + STEPS):
        started = time.perf_counter()
        state, metrics = program.train_step(state, batch, step)
        float(metrics.total)
        seconds.append(time.perf_counter() - started)
    return {
        "ms": f"{1000 * median(seconds[WARM_UP:]):.1f}",
        "tokens": str(int(metrics.tokens)),
        "gradient_bytes": str(sum(p.nbytes for p in jax.tree.leaves(state.params))),
    }


def main() -> None:
    """Measure the task that the JSON argument describes, or a large table."""
    given = json.loads(sys.argv[1])
    if given["task"] == "table":
        print(json.dumps(measure_table(**given["flags"])), flush=True)
        return
    config = TASKS[given["task"]].Config(**given["flags"])
    with processes.joined(config):
        result = measure(given["task"], config)
        if processes.leads():
            print(json.dumps(result), flush=True)
        processes.wait()


if __name__ == "__main__":
    main()
