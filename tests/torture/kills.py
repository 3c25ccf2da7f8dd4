"""``train.py`` is killed in every kind of write, resumed, and must end the same."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from tests.torture.interrupted import WRITES, Interruption
from tests.torture.training import (
    FINISHED,
    KILLED,
    TASKS,
    Failure,
    Reference,
    Training,
    compare,
    end,
    remove,
)
from tests.torture.trial import Trial

# "time" is a random moment.
KINDS = ("checkpoint", *sorted(WRITES.keys() - {"checkpoint"}), "time")
UNDISTURBED = Interruption("")
REFUSED = 1


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield kills of runs of all tasks, in all kinds of writes in turn.

    Args:
        seed: of the moments.
        folder: an empty folder.
    """
    training = Training(folder)
    for number in itertools.count():
        rng = random.Random(f"{seed} {number}")
        task, kind = TASKS[number % len(TASKS)], KINDS[number % len(KINDS)]
        where = folder / f"trial-{number}"
        other = rng.choice(["", "", "beside", "in the same folder"])
        other = "beside" if kind == "cache" and number % 2 else other
        name = f"{task}, killed in {kind}" + (f", another run {other}" if other else "")
        try:
            outcome = _trial(training, task, kind, other, where, rng)
            remove(where)
            yield Trial(name, outcome)
        except Failure as failure:
            yield Trial(name, "failed", str(failure))


def _trial(
    training: Training,
    task: str,
    kind: str,
    other: str,
    where: Path,
    rng: random.Random,
) -> str:
    """Kill a run, perhaps twice, resume it to its end, and compare it.

    Args:
        training: the runs.
        task: name of the task.
        kind: of the write in which it is killed.
        other: where another process runs at the same time: ``"beside"`` in a folder of
            its own, with the same data cache; ``"in the same folder"``; or "".
        where: the folder of the trial.
        rng: chooses the moments.

    Returns:
        How the first process ended.
    """
    reference = training.reference(task)
    # Processes that share an empty cache write it at the same time.
    data_cache = where / "cache" if kind == "cache" or other == "beside" else None
    out, second = where / "run", None
    first = training.start(task, _plan(where, kind, reference, rng), out, data_cache)
    if other:
        there = out if other == "in the same folder" else where / "other"
        second = training.start(task, UNDISTURBED, there, data_cache)
    status, message = end(first, (KILLED, FINISHED, REFUSED))
    if second is not None:
        other_status, other_message = end(second, (FINISHED, REFUSED))
        if other == "beside":
            compare(reference.out, where / "other")
        ends = ((status, message), (other_status, other_message))
        refused = [text for number, text in ends if number == REFUSED]
        if len(refused) > (other == "in the same folder"):
            raise Failure(f"refused: {refused}")
        if refused and "is in use by" not in refused[0]:
            raise Failure(f"refused without a reason: {refused[0]}")
    elif status == REFUSED:
        raise Failure(message)
    if rng.random() < 0.3:
        again = _plan(where, "any", reference, rng)
        training.run(task, again, out, data_cache, ends=(KILLED, FINISHED))
    _, message = training.run(task, UNDISTURBED, out, data_cache)
    if message:
        raise Failure(f"the resumed run says: {message}")
    compare(reference.out, out)
    outcomes = {KILLED: "killed", FINISHED: "ended before the kill", REFUSED: "refused"}
    return f"{outcomes[status]} ({kind})"


def _plan(
    where: Path, kind: str, reference: Reference, rng: random.Random
) -> Interruption:
    """Return the kill in a random write of a kind, or soon after it."""
    if kind == "time":
        return Interruption(str(where), "any", 0, rng.uniform(0, reference.seconds))
    writes = reference.writes
    kind = kind if writes[kind] else "any"
    # The cache that a run shares with its reference is no longer written.
    count = writes[kind] - (writes["cache"] if kind == "any" else 0)
    delay = rng.choice([0.0, rng.uniform(0, 0.05)])
    return Interruption(str(where), kind, rng.randrange(count), delay)
