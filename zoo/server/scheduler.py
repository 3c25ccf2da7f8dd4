"""Threads that run the model, taking turns between all requests."""

import asyncio
import atexit
import math
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from zoo.server.errors import overloaded

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818
    """The server stops before the work is done."""


class _Job:
    """The work of one request.

    Attributes:
        results: what the steps returned; at the end an `_End`.
        is_cancelled: whether nobody waits for the results any more.
    """

    def __init__(self, steps: Iterator[Any]) -> None:
        self.results: asyncio.Queue[Any] = asyncio.Queue()
        self.is_cancelled = False
        self._steps = steps
        self._loop = asyncio.get_running_loop()

    def advance(self) -> "_End | None":
        """Run a slice of the work; return the end if there is nothing more to do."""
        if self.is_cancelled:
            return _End()
        try:
            self.put(next(self._steps))
        except StopIteration:
            return _End()
        except Exception as error:
            return _End(error)
        except BaseException as error:  # of an extension: the thread must live on
            return _End(RuntimeError(repr(error)))
        return None

    def put(self, result: Any) -> None:
        """Pass a result on to the event loop, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self.results.put_nowait, result)
        except RuntimeError:  # the event loop is closed
            self.is_cancelled = True


class _End:
    """The end of a job, with the error that ended it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


class Scheduler:
    """Runs the work of requests outside the event loop, one slice each in turn.

    The work of a request is an iterator, and a slice is one ``next``: one text, or one
    generated token. A short answer therefore waits for a slice of a long one, not for
    its end. One thread runs all slices, which is faster than several threads that
    compete for Python's lock. A second thread replaces it during a long slice, such as
    one that compiles a program. A third one does the spare work.
    """

    def __init__(self, max_jobs: int, *, patience: float = 0.02) -> None:
        """Start the threads.

        Args:
            max_jobs: the largest number of requests in progress.
            patience: seconds after which a slice is long.
        """
        self._max_jobs, self._patience = max_jobs, patience
        self._jobs: set[_Job] = set()
        self._ready: deque[_Job] = deque()
        self._spare: deque[Callable[[], object]] = deque()
        self._slice_start = math.inf  # of the first thread
        self._is_closed = False
        lock = threading.Lock()
        self._for_worker = threading.Condition(lock)
        self._for_substitute = threading.Condition(lock)
        self._for_spare = threading.Condition(lock)
        self._threads = [
            threading.Thread(target=target, name="zoo-model", daemon=True)
            for target in (self._work, self._substitute, self._do_spare_work)
        ]
        for thread in self._threads:
            thread.start()
        # JAX aborts the process if it computes while the interpreter is finalised.
        atexit.register(self.close, None)

    def __len__(self) -> int:
        """Return the number of requests that wait or are being answered."""
        return len(self._jobs)

    async def run(self, steps: Iterator[T]) -> AsyncGenerator[list[T], None]:
        """Yield what an iterator yields, computed by the threads.

        Leaving the loop, or cancelling the task, ends the work after its current slice.

        Args:
            steps: the work; each ``next`` should take milliseconds.

        Yields:
            The results since the last list, at least one.

        Raises:
            HTTPException: 429 if too many requests are in progress.
            Stopped: if the scheduler is closed.
        """
        job = self._submit(steps)
        try:
            end: _End | None = None
            while end is None:
                results = [await job.results.get()]
                while not job.results.empty():
                    results.append(job.results.get_nowait())
                end = next((r for r in results if isinstance(r, _End)), None)
                if values := [r for r in results if not isinstance(r, _End)]:
                    yield values
            if end.error is not None:
                raise end.error
        finally:
            job.is_cancelled = True

    def run_when_idle(self, calls: Iterable[Callable[[], object]]) -> None:
        """Call functions while there is no request, ignoring their errors.

        Args:
            calls: the functions.
        """
        with self._for_spare:
            self._spare.extend(calls)
            self._for_spare.notify()

    def _submit(self, steps: Iterator[Any]) -> _Job:
        """Add the work of a request to those that take turns."""
        job = _Job(steps)
        with self._for_worker:
            if self._is_closed:
                raise Stopped
            if len(self._jobs) >= self._max_jobs:
                raise overloaded(
                    429, f"{self._max_jobs} requests are in progress: try again later"
                )
            self._jobs.add(job)
            self._ready.append(job)
            self._for_worker.notify()
            self._for_substitute.notify()
        return job

    def _work(self) -> None:
        """Run slices until the scheduler is closed."""
        while True:
            with self._for_worker:
                self._for_worker.wait_for(lambda: self._ready or self._is_closed)
                if self._is_closed:
                    return
                job = self._ready.popleft()
                self._slice_start = time.monotonic()
            self._advance(job)
            self._slice_start = math.inf

    def _substitute(self) -> None:
        """Run slices while the first thread is in a long one."""
        while True:
            with self._for_substitute:
                while not (self._is_closed or self._is_late()):
                    # After this time a slice may have become long.
                    self._for_substitute.wait(self._patience if self._ready else None)
                if self._is_closed:
                    return
                job = self._ready.popleft()
            self._advance(job)

    def _do_spare_work(self) -> None:
        """Do the spare work while there is no request."""
        while True:
            with self._for_spare:
                self._for_spare.wait_for(lambda: self._is_idle() or self._is_closed)
                if self._is_closed:
                    return
                call = self._spare.popleft()
            with suppress(BaseException):
                call()

    def _is_late(self) -> bool:
        """Return whether requests wait during a long slice of the first thread."""
        late = time.monotonic() - self._slice_start > self._patience
        return late and bool(self._ready)

    def _is_idle(self) -> bool:
        """Return whether there is spare work and no request."""
        return bool(self._spare) and not self._jobs

    def _advance(self, job: _Job) -> None:
        """Run a slice of a request, which then waits for its next turn or ends."""
        end = job.advance()
        with self._for_worker:
            if end is not None:
                self._jobs.discard(job)
                self._for_spare.notify()
            elif not self._is_closed:
                self._ready.append(job)
                self._for_worker.notify()
        if end is not None:  # whose client may send its next request now
            job.put(end)

    def close(self, timeout: float | None = 0.0) -> bool:
        """Stop the work: all requests in progress end with `Stopped`.

        Args:
            timeout: seconds to wait for the threads to end their current slices; None
                for any time.

        Returns:
            Whether all threads have ended.
        """
        with self._for_worker:
            self._is_closed = True
            for job in self._jobs:
                job.put(_End(Stopped()))
            self._jobs.clear()
            self._ready.clear()
            for condition in (self._for_worker, self._for_substitute, self._for_spare):
                condition.notify()
        end = math.inf if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            left = max(0.0, end - time.monotonic())
            thread.join(left if left < math.inf else None)
        has_ended = not any(thread.is_alive() for thread in self._threads)
        if has_ended:
            atexit.unregister(self.close)
        return has_ended
