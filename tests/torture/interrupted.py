"""Run a script that is killed, or meets a full disk, at a chosen write.

``python -m tests.torture.interrupted PLAN.json train.py pos --out run ...``, where the
plan is an `Interruption` as JSON. Python reports each file that is opened for writing,
each folder that is made, and each renaming and removal before it happens; what a
library in C++ writes after such an event is interrupted by the delay.
"""

import json
import os
import re
import runpy
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WRITES = {
    "config": r"^/[^/]+/\.config\.json",
    "checkpoint": r"^/[^/]+/checkpoints(/|$)",
    "artifact": r"^/[^/]+/\.?model(-|/|$)",
    "log": r"^/[^/]+/\.?log\.jsonl",
    "tensorboard": r"^/[^/]+/tensorboard(/|$)",
    "curves": r"^/[^/]+/\.curves\.png",
    "metrics": r"^/[^/]+/\.metrics\.json",
    "confusion": r"^/[^/]+/\.confusion\.png",
    "report": r"^/[^/]+/\.report\.html",
    "cache": r"^/cache/",
}
EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}


@dataclass(frozen=True)
class Interruption:
    """What happens at which write of a process.

    Attributes:
        folder: holds the run folders, and the data cache in ``cache``.
        kind: a key of `WRITES`, or ``"any"``.
        number: of the write among those of its kind, from 0; -1 for none.
        delay: seconds from the write to what happens.
        disk: a folder whose disk is filled; "" to kill the process.
        room: bytes that remain free on that disk.
        counts: a file for the numbers of all writes by kind, at the end; "" for none.
    """

    folder: str
    kind: str = "any"
    number: int = -1
    delay: float = 0.0
    disk: str = ""
    room: int = 0
    counts: str = ""

    def command(self, plan: Path, *script: Any) -> list[str]:
        """Return the command of a script with this interruption.

        Args:
            plan: the file to write the plan to.
            *script: the script and its arguments.
        """
        plan.write_text(json.dumps(asdict(self)))
        module = [sys.executable, "-m", "tests.torture.interrupted", str(plan)]
        return [*module, *map(str, script)]

    def install(self) -> Counter[str]:
        """Wait for the write, and return a count of all writes by kind."""
        counts: Counter[str] = Counter()

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event not in EVENTS:
                return
            kinds = set(_kinds(self.folder, event, arguments))
            if self.kind in kinds and counts[self.kind] == self.number:
                if self.delay:
                    threading.Timer(self.delay, self.happen).start()
                else:
                    self.happen()
            counts.update(kinds)

        sys.addaudithook(hook)
        return counts

    def happen(self) -> None:
        """Kill this process, or fill the disk."""
        if not self.disk:
            os.kill(os.getpid(), signal.SIGKILL)
        fill(Path(self.disk), self.room)


def fill(disk: Path, room: int) -> None:
    """Fill a disk with one file.

    Args:
        disk: its root.
        room: bytes that remain free.
    """
    with (disk / BALLAST).open("wb") as file:
        # In small steps: if other threads write at the same time and the disk becomes
        # full in a step, the whole step is undone.
        for step in (1 << 20, 1 << 12):
            while shutil.disk_usage(disk).free - room >= step:
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)


BALLAST = "ballast"


def _kinds(folder: str, event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """Yield the kinds of a write, and "any"; nothing for other events."""
    if event == "open":
        flags = arguments[2]
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR):
            return
    for path in arguments[:2] if event == "os.rename" else arguments[:1]:
        if not isinstance(path, str | os.PathLike):
            continue
        text = os.path.abspath(os.fspath(path))
        if isinstance(text, str) and text.startswith(folder + os.sep):
            if not text.endswith(BALLAST):
                yield "any"
            inside = text[len(folder) :]
            yield from (
                k for k, pattern in WRITES.items() if re.search(pattern, inside)
            )


def main() -> None:
    """Read the plan, and run the script."""
    plan = Interruption(**json.loads(Path(sys.argv[1]).read_text()))
    counts = plan.install()
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        if plan.counts:
            # Some time for what libraries write in threads.
            time.sleep(0.1)
            Path(plan.counts).write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
