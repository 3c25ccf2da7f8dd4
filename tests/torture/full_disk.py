"""``train.py`` meets a full disk in every kind of write, and is resumed afterwards."""

import itertools
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.torture.interrupted import BALLAST, WRITES, Interruption
from tests.torture.training import FINISHED, TASKS, Failure, Training, compare, remove
from tests.torture.trial import Trial

KINDS = [kind for kind in WRITES if kind != "cache"]
UNDISTURBED = Interruption("")
STOPPED = 1
SIZE = "40m"


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield runs of all tasks on a disk that becomes full, in all kinds of writes.

    Args:
        seed: of the moments.
        folder: an empty folder.
    """
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        yield Trial(
            "mount", "failed", f"no permission to mount: {mounted.stderr.strip()}"
        )
        return
    try:
        yield from _trials(seed, Training(folder), disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _trials(seed: int, training: Training, disk: Path) -> Iterator[Trial]:
    for number in itertools.count():
        rng = random.Random(f"{seed} {number}")
        task, kind = TASKS[number % len(TASKS)], KINDS[number % len(KINDS)]
        name = f"{task}, disk full in {kind}"
        try:
            outcome = _trial(training, task, kind, disk, rng)
            yield Trial(name, f"{outcome} ({kind})")
        except Failure as failure:
            yield Trial(name, "failed", str(failure))
        for path in disk.iterdir():
            path.unlink() if path.name == BALLAST else remove(path)


def _trial(
    training: Training, task: str, kind: str, disk: Path, rng: random.Random
) -> str:
    """Fill the disk in a write, free it, resume the run to its end, and compare it.

    Args:
        training: the runs.
        task: name of the task.
        kind: of the write in which the disk becomes full.
        disk: an empty one.
        rng: chooses the write and the room that remains.

    Returns:
        What the run did about the full disk.
    """
    reference, out = training.reference(task), disk / "run"
    kind = kind if reference.writes[kind] else "metrics"
    plan = Interruption(
        str(disk),
        kind,
        number=rng.randrange(reference.writes[kind]),
        delay=rng.choice([0.0, rng.uniform(0, 0.05)]),
        disk=str(disk),
        room=rng.choice([0, 4096, rng.randrange(200_000)]),
    )
    status, message = training.run(task, plan, out, ends=(FINISHED, STOPPED))
    path = re.escape(str(out))
    place = rf"No space left on device: {path}(/\S+)? \(0\.\d MB free there\)"
    if status == STOPPED:
        expected = rf"error: {place}; free some space and continue with --resume\n"
    else:
        expected = rf"(note: {path}/report.html could .*{place}; .*\n)?"
    if not re.fullmatch(expected, message):
        raise Failure(f"exit status {status}, messages: {message[-2000:]}")
    (disk / BALLAST).unlink(missing_ok=True)
    _, rest = training.run(task, UNDISTURBED, out)
    if rest:
        raise Failure(f"the resumed run says: {rest}")
    compare(reference.out, out)
    outcomes = {STOPPED: "stopped", FINISHED: "noted" if message else "enough room"}
    return outcomes[status]
