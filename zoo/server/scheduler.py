"""Threads that run the model, taking turns between all requests."""

import asyncio
import atexit
import threading
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
    generated token. A short answer therefore never waits for the end of a long one. Two
    threads overlap the Python code of one request with the compiled code of another,
    and keep answering while one of them compiles a program.
    """

    def __init__(self, max_jobs: int, num_threads: int = 2) -> None:
        """Start the threads.

        Args:
            max_jobs: the largest number of requests in progress.
            num_threads: number of threads.
        """
        self._max_jobs = max_jobs
        self._jobs: set[_Job] = set()
        self._ready: deque[_Job] = deque()
        self._spare: deque[Callable[[], object]] = deque()
        self._is_spare_running = False
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"zoo-{n}", daemon=True)
            for n in range(num_threads)
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
        """Call functions while no request waits, one at a time, ignoring their errors.

        Args:
            calls: the functions.
        """
        with self._changed:
            self._spare.extend(calls)
            self._changed.notify()

    def _submit(self, steps: Iterator[Any]) -> _Job:
        """Add the work of a request to those that take turns."""
        job = _Job(steps)
        with self._changed:
            if self._is_closed:
                raise Stopped
            if len(self._jobs) >= self._max_jobs:
                raise overloaded(
                    429, f"{self._max_jobs} requests are in progress: try again later"
                )
            self._jobs.add(job)
            self._ready.append(job)
            self._changed.notify()
        return job

    def _work(self) -> None:
        """Run slices until the scheduler is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ready or self._has_spare_work() or self._is_closed
                )
                if self._is_closed:
                    return
                job = self._ready.popleft() if self._ready else None
                self._is_spare_running |= job is None
            if job is None:
                with suppress(Exception):
                    self._spare.popleft()()
                self._is_spare_running = False
                continue
            end = job.advance()
            with self._changed:
                if end is not None:
                    self._jobs.discard(job)
                elif not self._is_closed:
                    self._ready.append(job)
                    if len(self._ready) > 1:  # this thread takes one itself
                        self._changed.notify()
            if end is not None:  # whose client may send its next request now
                job.put(end)

    def _has_spare_work(self) -> bool:
        return bool(self._spare) and not self._is_spare_running

    def close(self, timeout: float | None = 0.0) -> bool:
        """Stop the work: all requests in progress end with `Stopped`.

        Args:
            timeout: seconds to wait for each thread to end its current slice; None for
                any time.

        Returns:
            Whether all threads have ended.
        """
        with self._changed:
            self._is_closed = True
            for job in self._jobs:
                job.put(_End(Stopped()))
            self._jobs.clear()
            self._ready.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout)
        has_ended = not any(thread.is_alive() for thread in self._threads)
        if has_ended:
            atexit.unregister(self.close)
        return has_ended
