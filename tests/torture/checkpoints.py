"""Damaged checkpoints: the one before is restored, or the error says so."""

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tests.torture.trial import Trial
from zoo.tasks.run import contents
from zoo.tasks.run.checkpoints import Checkpoints
from zoo.tasks.run.errors import RunError
from zoo.tasks.run.position import Length, Position

NUM_CHECKPOINTS = 3


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield checkpoints of which some files are damaged.

    Args:
        seed: of the damage.
        folder: an empty folder.
    """
    for number in itertools.count():
        rng = random.Random(f"{seed} {number}")
        checkpoints = Checkpoints(folder / str(number))
        for k in range(NUM_CHECKPOINTS):
            position = Position(
                epoch=k, step=k, best_epoch=k - 1, best=0.5 if k else None
            )
            checkpoints.save(k, _state(k), dataclasses.asdict(position))
        damage = {}
        for k in rng.sample(range(NUM_CHECKPOINTS), rng.choice([1, 1, 2, 3])):
            damage[k] = _damage(checkpoints.path(k), rng)
        name = ", ".join(f"{how} in {k}" for k, how in sorted(damage.items()))
        intact = [k for k in range(NUM_CHECKPOINTS) if k not in damage]
        yield _trial(name, checkpoints, max(intact, default=None))
        checkpoints.close()
        contents.remove(folder / str(number))


def _state(k: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(k)
    return {name: rng.normal(size=(9, k + 1)).astype("f4") for name in ("W", "U")} | {
        "count": np.array([k])
    }


def _trial(name: str, checkpoints: Checkpoints, expected: int | None) -> Trial:
    """Restore the latest checkpoint that is not damaged."""
    like, stderr = _state(expected or 0), StringIO()
    read = partial(Position.from_json, Length(NUM_CHECKPOINTS, 1))
    try:
        with redirect_stderr(stderr):
            latest = checkpoints.restore_latest(like, read)
    except RunError as error:
        outcome, failure = "refused", None
        if expected is not None or "\n" in str(error):
            failure = f"refused, expected {expected}: {error}"
        return Trial(name, outcome, failure)
    except Exception as error:
        return Trial(name, type(error).__name__, f"{type(error).__name__}: {error}")
    if latest is None or expected is None or latest[1].epoch != expected:
        return Trial(name, "restored", f"restored {latest}, expected {expected}")
    for key, value in jax.device_get(latest[0]).items():
        if value.tobytes() != like[key].tobytes():
            return Trial(name, "restored", f"{key} of {expected} has other values")
    notes = stderr.getvalue().splitlines()
    if len(notes) != NUM_CHECKPOINTS - 1 - expected:
        return Trial(name, "restored", f"notes {notes}, expected {expected}")
    return Trial(name, f"restored, {len(notes)} damaged")


def _damage(checkpoint: Path, rng: random.Random) -> str:
    """Damage a file of a checkpoint, and return how."""
    files = [path for path in sorted(checkpoint.rglob("*")) if path.is_file()]
    path = rng.choice([path for path in files if path.stat().st_size])
    content = path.read_bytes()
    how = rng.choice(list(DAMAGE))
    changed = DAMAGE[how](content, rng)
    if changed == content:
        how, changed = "one byte less", content[:-1]
    path.write_bytes(changed)
    return f"{how} of {path.relative_to(checkpoint).parts[-1]}"


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 7])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _zeros(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    stop = min(len(content), start + rng.choice([1, 64, 4096]))
    return content[:start] + bytes(stop - start) + content[stop:]


DAMAGE: dict[str, Callable[[bytes, random.Random], Any]] = {
    "flipped bits": _flip,
    "zeros": _zeros,
    "a truncation": lambda content, rng: content[: rng.randrange(len(content))],
    "more bytes": lambda content, rng: content + rng.randbytes(rng.choice([1, 4096])),
    "other bytes": lambda content, rng: rng.randbytes(len(content)),
}
