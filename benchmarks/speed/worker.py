"""A process for each library, which computes only while it is asked for a job."""

import importlib
import multiprocessing
import os
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.speed.cases import Device

JOBS = "benchmarks.speed.jobs:Jobs"
JAX_PLATFORMS: dict[Device, str] = {"cpu": "cpu", "gpu": "cuda"}


class WorkerError(Exception):
    """A job failed; the message is that of the library."""


def environment_variables(device: Device, cache: Path | None) -> dict[str, str]:
    """Return the environment variables that a process needs before its imports.

    Args:
        device: where the library runs.
        cache: folder of compiled programs that processes share, or None.
    """
    variables = {"JAX_PLATFORMS": JAX_PLATFORMS[device]}
    variables["JAX_TRACEBACK_FILTERING"] = "off"
    if device == "gpu":
        # Otherwise the first process reserves three quarters of the memory.
        variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if cache is not None:
        variables |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return variables


def serve(
    pipe: Connection,
    jobs_class: str,
    argument: str,
    cores: list[int],
    variables: dict[str, str],
) -> None:
    """Answer requests until the pipe is closed.

    Args:
        pipe: receives ``(job, arguments)`` and sends ``(success, answer, CPU seconds
            since the last answer)``.
        jobs_class: ``"module:class"`` whose methods are the jobs.
        argument: of the class.
        cores: that this process may use.
        variables: of the environment.
    """
    # Before the import of the library, which starts a thread for each core.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(len(cores))
    os.environ |= variables
    jobs = None
    idle_since = time.process_time()
    while True:
        try:
            job, arguments = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        idle = time.process_time() - idle_since
        try:
            if jobs is None:
                module, _, name = jobs_class.partition(":")
                jobs = getattr(importlib.import_module(module), name)(argument)
            answer = True, getattr(jobs, job)(*arguments), idle
        except KeyboardInterrupt:
            return
        except Exception:
            answer = False, traceback.format_exc(), idle
        pipe.send(answer)
        idle_since = time.process_time()


class Worker:
    """A process with the jobs of one library.

    Attributes:
        idle_cpu: CPU seconds that the process used between jobs.
        idle_wall: seconds between jobs.
    """

    def __init__(
        self,
        name: str,
        cores: list[int],
        jobs_class: str = JOBS,
        device: Device = "cpu",
        cache: Path | None = None,
    ) -> None:
        """Start the process.

        Args:
            name: of the peer; the argument of the class.
            cores: that the process may use.
            jobs_class: ``"module:class"`` whose methods are the jobs.
            device: where the library runs.
            cache: folder of compiled programs that processes share, or None.
        """
        context = multiprocessing.get_context("spawn")
        variables = environment_variables(device, cache)
        self.name = name
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(
            target=serve,
            args=(other_end, jobs_class, name, cores, variables),
            daemon=True,
        )
        self._process.start()
        other_end.close()
        self.idle_cpu = self.idle_wall = 0.0
        self._answered: float | None = None

    def ask(self, job: str, *arguments: Any) -> Any:
        """Return the answer of a job, and wait for it.

        Args:
            job: name of a method of the class.
            *arguments: of the method.

        Raises:
            WorkerError: if the job failed or the process died.
        """
        asked = time.perf_counter()
        try:
            self._pipe.send((job, arguments))
            success, answer, idle = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise WorkerError(
                f"the process of {self.name} ended with {self._process.exitcode}"
            ) from error
        if self._answered is not None:
            self.idle_cpu += idle
            self.idle_wall += asked - self._answered
        self._answered = time.perf_counter()
        if not success:
            raise WorkerError(answer)
        return answer

    @property
    def idle_share(self) -> float:
        """The share of a core that the process used between jobs."""
        return self.idle_cpu / max(self.idle_wall, 1e-9)

    def stop(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()
