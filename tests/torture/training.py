"""Runs of ``train.py`` that are interrupted, and what must be the same at their end."""

import json
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.helpers.training import ROOT, environment_of, flags
from tests.torture.interrupted import Interruption

TASKS = ("classification", "pos", "ner", "charlm", "seq2seq")
LIMIT = 300.0  # seconds after which a process counts as hanging
DIFFERENT = {
    "command",
    "compilations",
    "minutes",
    "out",
    "peak_memory_mb",
    "resumed",
    "seconds",
    "tokens_per_second",
}
FINISHED, KILLED = 0, -9


class Failure(Exception):
    """A trial went wrong; the message says what."""


@dataclass(frozen=True)
class Reference:
    """An undisturbed run.

    Attributes:
        out: its folder.
        writes: how many writes of each kind it made, with an empty data cache.
        seconds: its time.
    """

    out: Path
    writes: Counter[str]
    seconds: float


class Training:
    """Runs of the tasks with small flags, which share a compilation cache."""

    def __init__(self, folder: Path) -> None:
        """Prepare a folder.

        Args:
            folder: an empty folder.
        """
        self.folder = folder
        self._env = environment_of(folder)
        self.reference = cache(self._reference)

    def _reference(self, task: str) -> Reference:
        """Return an undisturbed run of a task: the same one for all trials."""
        folder = self.folder / task
        counts = folder / "counts.json"
        plan = Interruption(str(folder), counts=str(counts))
        start = time.monotonic()
        self.run(task, plan, folder / "run", folder / "cache")
        writes = Counter(json.loads(counts.read_text()))
        return Reference(folder / "run", writes, time.monotonic() - start)

    def start(
        self, task: str, plan: Interruption, out: Path, data_cache: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start ``train.py --resume``, with a checkpoint after each batch.

        Args:
            task: its name.
            plan: what interrupts it.
            out: the run folder.
            data_cache: the cache of `datasets`; by default that of the reference.
        """
        out.parent.mkdir(parents=True, exist_ok=True)
        (data := self.folder / task / "data").mkdir(parents=True, exist_ok=True)
        data_cache = data_cache or self.folder / task / "cache"
        arguments = [task, *flags(task, data), "--checkpoint-seconds", "0"]
        arguments += ["--out", str(out), "--resume"]
        file = self.folder / f"{out.parent.name}-{out.name}.json"
        return subprocess.Popen(
            plan.command(file, ROOT / "train.py", *arguments),
            env={**self._env, "HF_DATASETS_CACHE": str(data_cache)},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: Any, ends: tuple[int, ...] = (FINISHED,)) -> tuple[int, str]:
        """Run ``train.py`` to its end, and return its exit status and its messages.

        Args:
            *args: as for `start`.
            ends: the exit statuses that are right.

        Raises:
            Failure: if it ends with another status, or not.
        """
        return end(self.start(*args), ends)


def end(process: subprocess.Popen[str], ends: tuple[int, ...]) -> tuple[int, str]:
    """Wait for the end of a process, and return its exit status and its messages.

    Args:
        process: from `Training.start`.
        ends: the exit statuses that are right.

    Raises:
        Failure: if it ends with another status, or not within `LIMIT`.
    """
    try:
        _, messages = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failure(f"no end after {LIMIT} s") from None
    if process.returncode not in ends or "Traceback" in messages:
        raise Failure(f"exit status {process.returncode}: {messages[-2000:]}")
    if "is damaged" in messages:
        raise Failure(f"an interruption damaged a checkpoint: {messages}")
    return process.returncode, messages


def compare(expected: Path, actual: Path) -> None:
    """Check that two run folders hold the same, apart from times.

    Args:
        expected: of an undisturbed run.
        actual: of an interrupted run that has been resumed to its end.

    Raises:
        Failure: if they differ; the message names the file.
    """
    contents = [_content(folder) for folder in (expected, actual)]
    for name in sorted(contents[0].keys() | contents[1].keys()):
        if contents[0].get(name) != contents[1].get(name):
            raise Failure(f"{name} is not that of an undisturbed run")


def _content(folder: Path) -> dict[str, Any]:
    """Return what must be the same in all runs of a task, by name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    content: dict[str, Any] = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        if re.fullmatch(r"(model/.*|\w+\.png)", name):
            content[name] = path.read_bytes()
        elif name.endswith((".json", ".jsonl")) and "/" not in name:
            lines = path.read_text().splitlines()
            lines = lines if name == "log.jsonl" else ["".join(lines)]
            content[name] = [_comparable(json.loads(line)) for line in lines]
        elif name.startswith("tensorboard/"):
            content["tensorboard"] = True  # a file for each part of the run
        else:
            # Files of orbax have other names in each run.
            name = re.sub(r"(checkpoints/\d+)/.*", r"\1", name)
            content[name] = "written"
    return content


def _comparable(value: Any) -> Any:
    """Return JSON without what differs between two runs with equal results."""
    if not isinstance(value, dict):
        return value
    return {
        key: _comparable(inner) for key, inner in value.items() if key not in DIFFERENT
    }


def remove(folder: Path) -> None:
    """Delete the folder of a trial that succeeded.

    Args:
        folder: of the trial.
    """
    shutil.rmtree(folder, ignore_errors=True)
