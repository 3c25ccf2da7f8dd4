"""Long training runs, whose memory, open files, threads and programs must not grow.

Each trial is an epoch of `STEPS`, or a few more, of a language model's or of a tagger's
run in turn.
"""

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.helpers.training import ROOT, command, environment_of, flags
from tests.torture.trial import Trial

STEPS = {"charlm": 1_000, "pos": 100}  # of an epoch; those of a tagger take longer
WARM_EPOCHS = 10  # after which the sizes of a run are taken as its normal ones
# The last three while a checkpoint is being written, and an old one removed.
MAX_GROWTH = {"MB": 32, "open files": 32, "threads": 16, "files in its folder": 60}
LIMIT = 300.0  # seconds for an epoch


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield epochs.

    Args:
        seed: of the data and of the runs.
        folder: for the data and the runs.
    """
    rng = random.Random(seed)
    runs: list[_Run] = []
    try:
        for task, write in (("charlm", _text), ("pos", _tagged)):
            (where := folder / task).mkdir()
            data = where / "data"
            write(data, rng)
            runs.append(_Run(task, data, where / "run", seed))
        while True:
            for run in runs:
                yield run.epoch()
    finally:
        for run in runs:
            run.process.kill()
            run.process.wait()


def _text(path: Path, rng: random.Random) -> None:
    """Write text for batches of 8 windows of 20 characters, and dev."""
    words = ["to", "be", "or", "not", "that", "is", "the", "question"]
    size, text = STEPS["charlm"] * 8 * 20 * 10 // 8, ""
    while len(text) < size:
        text += " ".join(rng.choices(words, k=8)) + "\n"
    path.write_text(text)


def _tagged(path: Path, rng: random.Random) -> None:
    """Write tagged sentences for batches of 8 rows, dev and test."""
    words = {"the": "DET", "cat": "NOUN", "dog": "NOUN", "ran": "VERB", "old": "ADJ"}
    sentences = []
    for _ in range(STEPS["pos"] * 8 * 10 // 7):
        chosen = rng.choices(list(words), k=rng.randrange(1, 17))
        sentences.append("".join(f"{word}\t{words[word]}\n" for word in chosen))
    path.write_text("\n".join(sentences))


class _Run:
    """A run of ``train.py`` without end."""

    def __init__(self, task: str, data: Path, out: Path, seed: int) -> None:
        """Start it.

        Args:
            task: its name.
            data: its data file.
            out: its folder.
            seed: of the run.
        """
        self._task, self._out, self._errors = task, out, out.parent / "stderr.txt"
        self._num_epochs = 0
        self._normal: dict[str, int] = {}
        arguments = [task, *flags(task, out.parent), "--data", data, "--out", out]
        arguments += ["--seed", seed, "--epochs", 10**6]
        if task == "pos":
            arguments += ["--limit-train", STEPS["pos"] * 8]
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                command("train.py", *arguments),
                # JAX reports each program that it compiles.
                env={**environment_of(out.parent), "JAX_LOG_COMPILES": "1"},
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def epoch(self) -> Trial:
        """Wait for the next epoch, and compare what the run uses with before."""
        self._num_epochs += 1
        step = self._step()
        if step is None:
            return Trial(self._task, "failed", self._end())
        sizes = self._sizes()
        if self._num_epochs <= WARM_EPOCHS:
            for name, size in sizes.items():
                self._normal[name] = max(size, self._normal.get(name, 0))
        grown = [
            f"{size} {name}, {self._normal[name]} before"
            for name, size in sizes.items()
            if size > self._normal[name] + MAX_GROWTH.get(name, 0)
        ]
        failure = f"after step {step}: {'; '.join(grown)}" if grown else None
        return Trial(self._task, "failed" if grown else "no growth", failure)

    def _step(self) -> int | None:
        """Wait for the end of the epoch; return its last step, None without it."""
        log, end = self._out / "log.jsonl", time.monotonic() + LIMIT
        while time.monotonic() < end and self.process.poll() is None:
            lines = log.read_text().splitlines() if log.exists() else []
            if len(lines) >= self._num_epochs:
                return json.loads(lines[self._num_epochs - 1])["step"]
            time.sleep(0.05)
        return None

    def _end(self) -> str:
        """Return why there is no further epoch."""
        status = self.process.poll()
        if status is None:
            return f"epoch {self._num_epochs} has no end after {LIMIT} s"
        return f"exit status {status}: {self._errors.read_text()[-2000:]}"

    def _sizes(self) -> dict[str, int]:
        """Return what the run uses."""
        process = psutil.Process(self.process.pid)
        return {
            "MB": process.memory_info().rss // 2**20,
            "open files": process.num_fds(),
            "threads": process.num_threads(),
            # Path.rglob fails if a folder is removed meanwhile.
            "files in its folder": sum(len(f) for _, _, f in os.walk(self._out)),
            "programs": self._errors.read_text().count("Finished XLA compilation of"),
        }
