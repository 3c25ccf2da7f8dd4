"""Several devices, and several processes, compute what one device computes."""

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.helpers import processes
from tests.helpers.tolerances import assert_close
from tests.helpers.training import TASKS, environment, flags

STEPS = 20
TOLERANCE, OF_GRADIENTS = 1e-6, 3e-6


class Case(NamedTuple):
    """Devices and flags of a training.

    Attributes:
        num_processes: that train together.
        num_devices: of each process.
        flags: of the tasks.
        tasks: those that are tested without ``--thorough``.
        equals: the case with the same results.
    """

    num_processes: int = 1
    num_devices: int = 1
    flags: tuple[str, ...] = ()
    tasks: tuple[str, ...] = TASKS
    equals: str = "one"


# A state that is carried from batch to batch, and a lazy embedding.
BOTH = ("charlm", "ner")
# The draws of dropout differ in the parts of an accumulated gradient.
WITHOUT_DROPOUT = ("--dropout", "0", "--word-dropout", "0")
PARTS = (*WITHOUT_DROPOUT, "--accumulate", "4")
MODEL_AXIS = ("--mesh", "data=2,model=2")
CASES = {
    "one": Case(1, 1, (), BOTH),
    "four devices": Case(1, 4, (), ()),
    "two processes": Case(2, 1, (), ()),
    "two of two": Case(2, 2, (), ("ner",)),
    # The rows of a batch of 8 are filled up to 9.
    "three devices": Case(1, 3, (), ("charlm",)),
    "model axis": Case(1, 4, MODEL_AXIS, ()),
    "model axis of processes": Case(2, 2, (*MODEL_AXIS, "--shard-optimizer"), ("ner",)),
    "one without dropout": Case(
        1, 1, WITHOUT_DROPOUT, ("charlm",), "one without dropout"
    ),
    "parts": Case(1, 1, PARTS, (), "one without dropout"),
    "parts on devices": Case(1, 2, PARTS, ("charlm",), "one without dropout"),
}
NO_WORD_DROPOUT = ("charlm", "seq2seq", "memory")


ALL = [f"{task}, {devices}" for devices in CASES for task in TASKS]
OF_EACH_KIND = {
    f"{task}, {devices}" for devices, case in CASES.items() for task in case.tasks
}


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def task_flags(task: str, folder: Path, case: Case) -> list[str]:
    """Return the flags of a task in single precision, for a batch of 8 rows."""
    words = [*flags(task, folder), *case.flags]
    if task in ("pos", "ner"):  # a table that is large enough to be divided
        words += ["--embedding-dim", "128"]
    if "bfloat16" in words:
        words[words.index("bfloat16")] = "float32"
    if "--word-dropout" in words and task in NO_WORD_DROPOUT:
        start = words.index("--word-dropout")
        del words[start : start + 2]
    if task == "seq2seq" and "--word-dropout" in case.flags:
        words[words.index("--sampling") + 1] = "0"
    return words


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Return a folder with the results of all cases that are tested."""
    folder = tmp_path_factory.mktemp("devices")
    for name, case in CASES.items():
        thorough = request.config.getoption("thorough")
        if tasks := TASKS if thorough else case.tasks:
            compute(name, case, tasks, folder, environment(tmp_path_factory))
    return folder


def compute(
    name: str, case: Case, tasks: Sequence[str], folder: Path, env: dict[str, str]
) -> None:
    """Run the steps of tasks in the processes of a case."""
    env["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={case.num_devices}"
    given = {
        "folder": str(folder),
        "case": name,
        "steps": STEPS,
        "tasks": {task: task_flags(task, folder, case) for task in tasks},
    }
    address = f"localhost:{free_port()}"
    running = []
    for process in range(case.num_processes):
        member = {
            "coordinator": address,
            "processes": case.num_processes,
            "process": process,
        }
        given["processes"] = member if case.num_processes > 1 else {}
        argument = json.dumps(given)
        running.append(processes.start("tests.helpers.steps", argument, env=env))
    errors = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), errors


def load(folder: Path, task: str, case: str) -> dict[str, np.ndarray]:
    """Return what a case has computed of a task."""
    with np.load(folder / f"{task}-{case}.npz") as file:
        return dict(file)


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", ALL)
def test_losses_gradients_and_scores_are_those_of_one_device(
    folder: Path, case: str
) -> None:
    task, devices = case.split(", ")
    one = load(folder, task, CASES[devices].equals)
    many = load(folder, task, devices)
    assert one["losses"].shape == (STEPS,)
    assert len(set(one["losses"].tolist())) > STEPS // 2
    for name in ("losses", "dev", *(name for name in one if name.startswith("grad"))):
        scale = max(1e-3, float(np.abs(one[name]).max()))
        # The rows of a lazy embedding, of words in ascending order, end with padding.
        size = min(len(one[name]), len(many[name]))
        actual, expected = many[name][:size], one[name][:size]
        tolerance = OF_GRADIENTS if name.startswith("grad") else TOLERANCE
        assert_close(actual / scale, expected / scale, tolerance, name)


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", ALL)
def test_each_program_is_compiled_once(folder: Path, case: str) -> None:
    task, devices = case.split(", ")
    counts = load(folder, task, devices)
    num_gradients, num_updates = counts["programs"]
    assert num_gradients == counts["shapes"]
    # Of a lazy embedding, one for each power of two that holds the tokens of a batch.
    assert 1 <= num_updates <= (2 if task in ("pos", "ner") else 1)


def test_the_embedding_is_divided_over_the_model_axis(folder: Path) -> None:
    assert load(folder, "ner", "one")["divided"] == 0
    assert load(folder, "ner", "model axis of processes")["divided"] == 1
