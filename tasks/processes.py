"""Training in several processes: to join, to agree, and to end together.

Every process runs the whole training on its own devices: XLA divides each step among
all of them, and the steps wait for each other. What only one of them can do, such as
to write the run folder, process 0 does, the leader.

What a process decides by its own clock, its signals or its files, all must agree on:
a process that saves a checkpoint while another trains waits for ever.
"""

import atexit
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from zoo.tasks import native_log
from zoo.tasks.configs.base import Devices
from zoo.tasks.run.errors import RunError, note

SECONDS_TO_JOIN = 300
SECONDS_BEFORE_NOTE = 3.0  # of the others that are awaited
SECONDS_BETWEEN_VOTES = 1.0
MAX_INTERVAL = 1000  # steps between votes
# In the errors of operations that wait for other processes.
_LOST = ("Gloo", "NCCL", "coordination service", "coordination_service")


class LostProcessError(RunError):
    """Another process of the training has ended, or does not answer."""


@contextmanager
def joined(config: Devices) -> Iterator[None]:
    """Join the other processes of the training, if the flags name any.

    JAX must not have used a device before. After an error, the process ends without
    waiting for the others, which then end too.

    Args:
        config: the flags.

    Raises:
        ValueError: if flags are missing or contradict each other.
        RunError: if the processes do not find each other.
        LostProcessError: if one of them fails later.
    """
    options = _options(config)
    if options is None:
        yield
        return
    # This would catch SIGTERM; `Votes` makes all processes save at one step.
    jax.config.update("jax_enable_preemption_service", False)
    native_log.translate()
    try:
        _join(config, options)
        if not leads():
            sys.stdout = open(os.devnull, "w")
        yield
    except SystemExit:
        raise
    except BaseException as error:
        number = error.args[0] if error.args else signal.SIGINT
        interrupted = isinstance(error, KeyboardInterrupt)
        # Runs before the handlers of JAX, which would wait for the others.
        atexit.register(_exit, 128 + number if interrupted else 1)
        if isinstance(error, Exception) and any(s in str(error) for s in _LOST):
            native_log.announce()
            raise LostProcessError(
                "another process of the training has ended or does not answer; its "
                "own output tells why, and --resume continues from the last checkpoint"
            ) from error
        raise


def _join(config: Devices, options: dict[str, Any]) -> None:
    """Wait for the other processes, in a thread, so that Ctrl-C ends the wait."""
    errors: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                heartbeat_timeout_seconds=config.heartbeat_seconds,
                initialization_timeout=SECONDS_TO_JOIN,
                **options,
            )
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=initialize, daemon=True)
    thread.start()
    thread.join(SECONDS_BEFORE_NOTE)
    if thread.is_alive():
        awaited = "process 0" if config.process else "the other processes"
        note(f"waiting for {awaited}, up to {SECONDS_TO_JOIN} seconds")
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise RunError(_not_joined(config, errors[0])) from errors[0]
    native_log.joined()
    if not leads():
        note(f"process {index()} of {count()}; process 0 prints the progress")


def _options(config: Devices) -> dict[str, Any] | None:
    """Return the arguments of `jax.distributed.initialize`, None for one process."""
    given = {
        "--coordinator": config.coordinator,
        "--processes": config.processes,
        "--process": config.process,
    }
    missing = [flag for flag, value in given.items() if value is None]
    if config.distributed:
        if len(missing) < len(given):
            named = ", ".join(flag for flag in given if flag not in missing)
            raise ValueError(f"--distributed finds the processes itself: omit {named}")
        return {}
    if len(missing) == len(given):
        return None
    if missing:
        raise ValueError(f"{', '.join(given)} go together: {missing[0]} is missing")
    assert config.coordinator is not None
    assert config.processes is not None and config.process is not None
    host, _, port = config.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(
            "--coordinator must be HOST:PORT of process 0, such as node1:12345, got "
            f"{config.coordinator!r}"
        )
    if config.process >= config.processes:
        raise ValueError(
            f"--process must be less than --processes {config.processes}, got "
            f"{config.process}"
        )
    return {
        "coordinator_address": config.coordinator,
        "num_processes": config.processes,
        "process_id": config.process,
        "cluster_detection_method": "deactivate",
    }


def _not_joined(config: Devices, error: Exception) -> str:
    """Return the message for a process that cannot join."""
    if config.distributed:
        return (
            f"--distributed: JAX finds no cluster that has started this process "
            f"({error}); give --coordinator, --processes and --process instead"
        )
    reason = str(error).splitlines()[0]
    if config.process == 0:
        return f"--coordinator {config.coordinator}: process 0 cannot listen: {reason}"
    return f"process 0 cannot be reached at {config.coordinator}: {reason}"


def _exit(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def index() -> int:
    """Return the number of this process, from 0."""
    return jax.process_index()


def count() -> int:
    """Return the number of processes."""
    return jax.process_count()


def leads() -> bool:
    """Return whether this process writes the run folder and prints the progress."""
    return index() == 0


def gather(value: Any) -> list[Any]:
    """Return a value of every process, after all of them have called this function.

    Args:
        value: of types that JSON has.
    """
    if count() == 1:
        return [value]
    content = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.array(len(content)))
    # A power of two, because each size is a compiled program.
    padded = np.zeros(1 << int(sizes.max()).bit_length(), np.uint8)
    padded[: len(content)] = content
    rows = multihost_utils.process_allgather(padded)
    return [
        json.loads(row[:size].tobytes())
        for row, size in zip(rows, sizes.tolist(), strict=True)
    ]


def of_leader(value: Any) -> Any:
    """Return the value of process 0.

    Args:
        value: of types that JSON has.
    """
    return gather(value)[0]


def wait() -> None:
    """Wait until all processes have called this function."""
    gather(None)


def whole(arrays: Any) -> Any:
    """Return arrays that every process holds completely.

    Args:
        arrays: a pytree of arrays on the devices of all processes.
    """
    if count() == 1:
        return arrays
    return multihost_utils.process_allgather(arrays, tiled=True)


def check_same(values: Mapping[str, Any]) -> None:
    """Check that all processes have the same flags, data and versions.

    Args:
        values: of types that JSON has, by what the user calls them.

    Raises:
        RunError: in all processes, if a value differs from that of process 0.
    """
    leader, *others = gather(dict(values))
    for number, other in enumerate(others, 1):
        for name in (*leader, *other):
            if leader.get(name) != other.get(name):
                raise RunError(
                    f"process {number} differs from process 0 in {name}: all processes "
                    "need the same flags, data and versions"
                )


class Votes:
    """Decisions on what all processes must do at the same step.

    One process decides at each step. Several vote about once a second, because a vote
    waits for the devices.
    """

    def __init__(self, checkpoint_seconds: float = math.inf) -> None:
        """Make the first vote due at the first step.

        Args:
            checkpoint_seconds: between checkpoints; votes are not less frequent.
        """
        self._seconds = min(SECONDS_BETWEEN_VOTES, checkpoint_seconds)
        self._next = 0

    def due(self, step: int) -> bool:
        """Return whether to vote after a step.

        Args:
            step: the same in all processes.
        """
        return step >= self._next

    def cast(
        self, step: int, save: bool, signal: int, seconds: float
    ) -> tuple[bool, int]:
        """Return whether to save a checkpoint, and the signal to stop, 0 for none.

        Args:
            step: the same in all processes.
            save: whether this process wants to save.
            signal: the number of the signal that it has received, or 0.
            seconds: that a step takes, 0 if that is not known yet.
        """
        if count() == 1:
            return save, signal
        interval = min(self._seconds / seconds, MAX_INTERVAL) if seconds else 1
        ballot = np.array([save, signal, interval], np.int32)
        saves, number, steps = multihost_utils.process_allgather(ballot).max(axis=0)
        self._next = step + max(int(steps), 1)
        return bool(saves), int(number)
