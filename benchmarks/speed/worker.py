"""A process for each library, which works when it is asked to and waits otherwise."""

import ctypes
import gc
import importlib
import multiprocessing
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed.cases import Case, Device, Kind
from benchmarks.speed.peers import PEERS

JOBS = "benchmarks.speed.worker:Jobs"
PLATFORMS: dict[Device, str] = {"cpu": "cpu", "gpu": "cuda"}  # as jax calls them


class WorkerError(Exception):
    """What a library could not do; the message is its own."""


def environment(device: Device, cache: Path | None) -> dict[str, str]:
    """Return the variables that a process is given before it imports its library.

    Args:
        device: where it works.
        cache: folder of compiled programs that processes share, or None.
    """
    found = {"JAX_PLATFORMS": PLATFORMS[device], "JAX_TRACEBACK_FILTERING": "off"}
    if device == "gpu":
        # Else the first process takes three quarters of the memory from all others.
        found["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if cache is not None:
        found |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return found


def peak_memory() -> float:
    """Return the most memory that this process has held, in MB.

    On Linux that is since `forget_peak`, if it was called.
    """
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: that begins with what the parent process held.
        lines = status.read_text().splitlines()
        found = next(line for line in lines if line.startswith("VmHWM:"))
        return int(found.split()[1]) / 1024
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> bool:
    """Let the peak be what is held now, and return whether the system can do that.

    What was freed is given back to the system before, where it can be.
    """
    gc.collect()
    with suppress(AttributeError):  # another library than glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


@contextmanager
def one_arena() -> Iterator[None]:
    """Have the processes that are started meanwhile take all memory from one place.

    Else glibc gives threads places of their own, the last part of which `forget_peak`
    cannot give back. It reads the variable when a process begins.
    """
    name = "MALLOC_ARENA_MAX"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


class Jobs:
    """What the worker of a library can be asked for; each is named by its method."""

    def __init__(self, name: str) -> None:
        """Import the library.

        Args:
            name: of the peer.
        """
        self.runner = PEERS[name].load()
        self.last: dict[str, float] = {}  # seconds of one repetition, by kind

    def device(self) -> str:
        """Return the name of the device that jax works on."""
        import jax

        return jax.devices()[0].device_kind

    def warm(self, case: Case, kinds: list[Kind]) -> None:
        """Do everything once, so that the compiled programs get into the cache.

        Args:
            case: what will be measured.
            kinds: forward, step.
        """
        self.runner.build(case)
        for kind in kinds:
            getattr(self.runner, kind)()

    def build(self, case: Case) -> float:
        """Make the network of a case; return the memory held at most so far, in MB.

        Args:
            case: what is measured.
        """
        self.runner.build(case)
        self.last = {}
        return peak_memory()

    def first(self, kind: Kind) -> tuple[float, dict[str, Any]]:
        """Return the seconds of the first call, which may compile; and its results.

        Args:
            kind: what is called.
        """
        begun = time.perf_counter()
        found = getattr(self.runner, kind)()
        seconds = time.perf_counter() - begun
        read = self.runner.outputs if kind == "forward" else self.runner.gradients
        return seconds, read(found)

    def time(self, kind: Kind, enough: float) -> float:
        """Return the seconds of one repetition, the mean of as many as are needed.

        Args:
            kind: what is called.
            enough: seconds that all repetitions last at least.
        """
        run = getattr(self.runner, kind)
        # Once for the caches and to wake the threads, unless the measurement is so long
        # that this is nothing.
        if self.last.get(kind, 0.0) < enough:
            run()
        count, begun = 0, time.perf_counter()
        while (seconds := time.perf_counter() - begun) < enough or not count:
            run()
            count += 1
        self.last[kind] = seconds / count
        return self.last[kind]

    def memory(self, kind: Kind, repetitions: int) -> tuple[float, float | None]:
        """Return the memory that a first call and some repetitions take, in MB.

        Args:
            kind: what is called.
            repetitions: how often after the first call, which may compile.

        Returns:
            What the process has held at most, and what it held at most in a repetition
            beyond what it held before it, the median: None where the system cannot
            tell that.
        """
        run = getattr(self.runner, kind)
        run()
        most, taken = peak_memory(), []
        for _ in range(repetitions):
            held = peak_memory() if forget_peak() else None
            run()  # the results are let go before the next
            most = max(most, peak_memory())
            if held is not None:
                taken.append(peak_memory() - held)
        return most, median(taken) if taken else None


def serve(
    pipe: Connection, home: str, name: str, cores: list[int], variables: dict[str, str]
) -> None:
    """Answer requests until the pipe is closed.

    Args:
        pipe: brings ``(job, arguments)``, takes ``(ok, answer, CPU seconds since the
            last answer)``.
        home: module and class of what does the jobs.
        name: what it is made with.
        cores: that this process may use.
        variables: of the environment.
    """
    # Before the library is imported: it makes as many threads as there are cores.
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
                module, _, made = home.partition(":")
                jobs = getattr(importlib.import_module(module), made)(name)
            answer = True, getattr(jobs, job)(*arguments), idle
        except KeyboardInterrupt:
            return
        except Exception:
            answer = False, traceback.format_exc(), idle
        pipe.send(answer)
        idle_since = time.process_time()


class Worker:
    """The other end: a process, and what it is asked.

    Attributes:
        idle_cpu: CPU seconds that it used while it was asked nothing.
        idle_wall: seconds that it was asked nothing.
    """

    def __init__(
        self,
        name: str,
        cores: list[int],
        home: str = JOBS,
        device: Device = "cpu",
        cache: Path | None = None,
    ) -> None:
        """Start the process.

        Args:
            name: of the peer, or what else `home` is made with.
            cores: that it may use.
            home: module and class of what does the jobs.
            device: where it works.
            cache: folder of compiled programs that processes share, or None.
        """
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._pipe, other = context.Pipe()
        self._process = context.Process(
            target=serve,
            args=(other, home, name, cores, environment(device, cache)),
            daemon=True,
        )
        self._process.start()
        other.close()
        self.idle_cpu = self.idle_wall = 0.0
        self._answered: float | None = None

    def ask(self, job: str, *arguments: Any) -> Any:
        """Have something done and wait for it.

        Args:
            job: a method of what does the jobs.
            *arguments: of the method.

        Raises:
            WorkerError: if it failed, or the process died.
        """
        asked = time.perf_counter()
        try:
            self._pipe.send((job, arguments))
            ok, answer, idle = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            raise WorkerError(
                f"the process of {self.name} ended with {self._process.exitcode}"
            ) from error
        if self._answered is not None:
            self.idle_cpu += idle
            self.idle_wall += asked - self._answered
        self._answered = time.perf_counter()
        if not ok:
            raise WorkerError(answer)
        return answer

    def stop(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()
