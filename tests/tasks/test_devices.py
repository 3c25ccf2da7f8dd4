"""Gradients and losses on four devices equal those on one."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tolerances import assert_close
from tests.helpers.training import environment, flags, run

# A lazy embedding, a state that is carried from batch to batch, and a decoder.
TASKS = ("ner", "charlm", "seq2seq")
STEPS = 8
PROGRAM = """
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import tyro

from zoo.tasks.registry import TASKS
from zoo.tasks.program import Program

folder = Path(sys.argv[1])
for name in {tasks!r}:
    task_class = TASKS[name]
    args = sys.argv[2].split("|")[{tasks!r}.index(name)].split()
    config = tyro.cli(task_class.Config, args=args)
    task = task_class(config)
    tx = optax.sgd(optax.constant_schedule(1.0))  # with a state: the step count
    program = Program(task, tx)
    losses, grads, shapes = [], None, set()
    state = program.init_state(task.pipeline.params, 0)
    step = 0
    while step < {steps}:
        for batch in task.batches("train", step):
            batch = program.place(batch)
            shapes.add(str(jax.tree.map(np.shape, batch)))
            if grads is None:
                params, carry, key = state.params, state.carry, state.key
                grads, *_ = program.differentiate(params, batch, carry, key, 0)
            state, (total, count, _) = program.train_step(state, batch, step)
            losses.append(float(total) / float(count))
            step += 1
            if step == {steps}:
                break
    leaves = {{f"grad{{k}}": g for k, g in enumerate(jax.tree.leaves(grads))}}
    programs = program.differentiate._cache_size(), program._update._cache_size()
    leaves |= dict(losses=losses, shapes=len(shapes), programs=programs)
    np.savez(folder / f"{{name}}-{{jax.device_count()}}.npz", **leaves)
""".format(tasks=list(TASKS), steps=STEPS)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of some steps on one device and on four."""
    folder = tmp_path_factory.mktemp("devices")
    (folder / "program.py").write_text(PROGRAM)
    task_flags = "|".join(" ".join(flags(task, folder)) for task in TASKS)
    for count in (1, 4):
        flag = f"--xla_force_host_platform_device_count={count}"
        env = environment(tmp_path_factory)
        env["XLA_FLAGS"] += f" {flag}"
        process = run(str(folder / "program.py"), folder, task_flags, env=env)
        assert process.returncode == 0, process.stderr
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_four_devices_compute_the_same_as_one(results: Path, task: str) -> None:
    one, four = (np.load(results / f"{task}-{count}.npz") for count in (1, 4))
    assert one["losses"].shape == (STEPS,)
    for name in ["losses", *(name for name in one.files if name.startswith("grad"))]:
        scale = float(np.abs(one[name]).max())
        assert scale > 0
        assert_close(four[name] / scale, one[name] / scale, 1e-5, name)
    assert len(set(one["losses"].tolist())) > STEPS // 2


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("task", TASKS)
def test_each_program_is_compiled_once(results: Path, task: str, count: int) -> None:
    counts = np.load(results / f"{task}-{count}.npz")
    num_gradients, num_updates = counts["programs"]
    assert num_gradients == counts["shapes"]
    # Of a lazy embedding, one for each power of two that holds the tokens of a batch.
    assert 1 <= num_updates <= (2 if task == "ner" else 1)
