"""Programs that are compiled in threads, before they are called."""

import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

MAX_THREADS = 4  # each compilation uses several cores at times


class CompileAhead:
    """Compiles jitted functions for batches of given shapes, side by side.

    XLA compiles without Python's lock, so that the main thread can train meanwhile.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        self._pool = ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS))
        self._futures: dict[Any, Future[Any]] = {}

    def start(self, function: Any, batch: Mapping[str, Any], *args: Any) -> None:
        """Start to compile a function, unless it has been for batches of this shape.

        Args:
            function: a jitted function. Its next call with arguments of these shapes
                and shardings finds the program.
            batch: identifies the program by the shapes of its arrays; empty for a
                function that takes none.
            *args: all arguments, or structures with their shapes.
        """
        key = _key(function, batch)
        if key not in self._futures:
            self._futures[key] = self._pool.submit(
                lambda: function.lower(*args).compile()
            )

    def wait(self, function: Any, batch: Mapping[str, Any]) -> None:
        """Wait until a function is compiled, if that was started.

        Args:
            function: the jitted function.
            batch: as for `start`.

        Raises:
            Exception: that of the compilation.
        """
        if future := self._futures.get(_key(function, batch)):
            future.result()

    def close(self) -> None:
        """Start no further compilation."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _key(function: Any, batch: Mapping[str, Any]) -> Any:
    shapes = tuple((name, np.shape(array)) for name, array in sorted(batch.items()))
    return function, shapes
