"""Programs that are compiled in threads, before they are called."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from zoo.engine.platform import compile_threads


class CompileAhead:
    """Compiles functions for arguments of given shapes, in parallel.

    XLA compiles without Python's lock, so that the main thread can train meanwhile.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        self._pool = ThreadPoolExecutor(compile_threads())
        self._futures: dict[Any, Future[Any]] = {}
        self._lock = threading.Lock()

    def start(self, function: Any, shaped: Any, job: Callable[[], Any]) -> None:
        """Start to compile a function, unless it has been for these shapes.

        Args:
            function: a jitted function.
            shaped: arrays whose shapes and dtypes identify the program among those of
                the function.
            job: compiles it, so that its next call finds the program.
        """
        key = program_key(function, shaped)
        with self._lock:  # jobs start others
            if key not in self._futures:
                self._futures[key] = self._pool.submit(job)

    def wait(self, function: Any, shaped: Any) -> None:
        """Wait until a function is compiled, if that was started.

        Args:
            function: as for `start`.
            shaped: as for `start`.

        Raises:
            Exception: that of the compilation.
        """
        if future := self._futures.get(program_key(function, shaped)):
            future.result()

    def is_done(self, function: Any, shaped: Any) -> bool:
        """Return whether a function is compiled, if that was started.

        Args:
            function: as for `start`.
            shaped: as for `start`.
        """
        future = self._futures.get(program_key(function, shaped))
        return future is not None and future.done()

    def close(self) -> None:
        """Start no further compilation."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def program_key(function: Any, shaped: Any) -> Any:
    """Return what identifies the program of a function for arrays of given shapes."""
    leaves, structure = jax.tree.flatten(shaped)
    return function, structure, tuple((np.shape(a), a.dtype) for a in leaves)
