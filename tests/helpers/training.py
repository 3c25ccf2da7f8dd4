"""Small runs of the training program, shared by the tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import safetensors.numpy

from tests.helpers import processes

ROOT = Path(__file__).parents[2]
TASKS = ("classification", "pos", "ner", "charlm", "seq2seq", "memory")
SMALL = ["--hidden-size", "8", "--epochs", "2", "--dropout", "0.2"]
SMALL += ["--learning-rate", "0.01"]
TASK_FLAGS = {
    "classification": [
        *("--limit-train", "96", "--max-length", "16", "--learning-rate", "0.02"),
    ],
    "pos": [
        *("--limit-train", "48", "--max-length", "16", "--char-size", "8"),
        *("--dtype", "bfloat16", "--batch-tokens", "96", "--lazy-embedding"),
    ],
    "ner": [
        *("--limit-train", "48", "--max-length", "16", "--char-size", "8"),
        *("--batch-tokens", "96"),
    ],
    "charlm": ["--max-length", "20"],
    "memory": ["--problem", "copy", "--length", "3", "--limit-train", "80"],
    "seq2seq": ["--ema", "0.9", "--sampling", "0.3", "--attention", "additive"],
}


def flags(task: str, folder: Path) -> list[str]:
    """Return the flags of a run that takes a few seconds.

    Args:
        task: name of the task.
        folder: where the data files of the run are written.
    """
    arguments = [*SMALL, "--num-layers", "1", "--batch-size", "8", *TASK_FLAGS[task]]
    if task != "memory":
        arguments += ["--embedding-dim", "8"]
    if task == "charlm":
        text = folder / "text.txt"
        if not text.exists():
            text.write_text('To be, or <b>not</b> to be: "that" is it.\n' * 120)
        arguments += ["--data", str(text)]
    if task == "seq2seq":
        pairs = folder / "pairs.tsv"
        words = [f"{a}{b}{c}" for a in "xyzw" for b in "abcd" for c in "mnop"]
        pairs.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
        arguments += ["--data", str(pairs)]
    return arguments


def environment(
    tmp_path_factory: pytest.TempPathFactory, **variables: str
) -> dict[str, str]:
    """Return environment variables with one data cache for all tests.

    Args:
        tmp_path_factory: of pytest.
        **variables: to set as well.
    """
    return environment_of(shared_folder(tmp_path_factory), **variables)


def environment_of(base: Path, **variables: str) -> dict[str, str]:
    """Return environment variables with the caches of a folder.

    Programs are compiled into it, unless `tests.conftest` has set another cache.

    Args:
        base: the folder.
        **variables: to set as well.
    """
    return {
        "ZOO_COMPILE_CACHE": str(base / "compiled"),
        **os.environ,
        "HF_DATASETS_CACHE": str(base / "datasets"),
        "PYTHONPATH": str(ROOT),
        **variables,
    }


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of all processes of a run of the tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the runs of `finished`."""
    return shared_folder(tmp_path_factory) / "finished"


def command(module: str, *args: Any) -> list[str]:
    """Return a command line that runs a script, or a module by ``-m``."""
    start = [str(ROOT / module)] if module.endswith(".py") else ["-m", module]
    return [sys.executable, *start, *map(str, args)]


def run(
    module: str, *args: Any, env: dict[str, str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in a new interpreter, and return its output and exit status."""
    return subprocess.run(
        command(module, *args),
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def train(*args: Any, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``train.py`` in a process, and return its output and exit status."""
    process = processes.start("train.py", *args, env=env)
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(args, process.wait(), stdout, stderr)


def finished(task: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of a finished run of a task, and its console output.

    All test processes share one run per task: no test may change it permanently.

    Args:
        task: name of the task.
        tmp_path_factory: of pytest.
    """
    env = environment(tmp_path_factory)
    base = finished_runs(tmp_path_factory)
    base.mkdir(exist_ok=True)
    out, output = base / task, base / f"{task}.txt"
    with filelock.FileLock(base / f"{task}.lock"):
        if not output.exists():
            args = [*flags(task, base), "--out", out, "--overwrite"]
            process = run("train.py", task, *args, env=env)
            assert process.returncode == 0, process.stderr
            assert "could not be written" not in process.stderr
            output.write_text(process.stdout)
    return out, output.read_text()


def kill_and_resume(
    task: str, *args: Any, out: Path, checkpoints: Iterable[int], env: dict[str, str]
) -> None:
    """Train with a checkpoint after every batch, killing the process after some.

    Args:
        task: name of the task.
        *args: its flags.
        out: the run folder.
        checkpoints: after which a process is killed.
        env: environment variables.
    """
    args = (task, *args, "--out", out, "--resume", "--checkpoint-seconds", "0")
    for checkpoint in checkpoints:
        process = processes.start("train.py", *args, env=env)
        while process.poll() is None and newest(out) < checkpoint:
            time.sleep(0.02)
        process.kill()
        process.communicate()
        assert newest(out) >= checkpoint
    resumed = train(*args, env=env)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming in epoch" in resumed.stdout


def losses(out: Path) -> list[tuple[int, float, float]]:
    """Return the step, the train loss and the dev loss of each epoch of a run."""
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return [(line["step"], line["train_loss"], line["dev_loss"]) for line in lines]


def weights(out: Path) -> dict[str, np.ndarray]:
    """Return the weights of the best model of a run."""
    return safetensors.numpy.load_file(out / "model" / "weights.safetensors")


def newest(out: Path) -> int:
    """Return the number of the latest complete checkpoint, or -1."""
    folder = out / "checkpoints"
    names = [p.name for p in folder.iterdir()] if folder.exists() else []
    return max((int(name) for name in names if name.isdecimal()), default=-1)
