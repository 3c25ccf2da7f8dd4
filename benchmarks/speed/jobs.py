"""The jobs of a worker: build a case, run it, time it, measure its memory."""

import time
from statistics import median
from typing import Any

from benchmarks.speed.cases import Case, Kind
from benchmarks.speed.memory import peak_memory, reset_peak
from benchmarks.speed.peers import PEERS


class Jobs:
    """What a worker can be asked for; a job has the name of its method."""

    def __init__(self, name: str) -> None:
        """Import the library.

        Args:
            name: of the peer.
        """
        self.runner = PEERS[name].load()
        self.seconds_per_call: dict[Kind, float] = {}

    def device(self) -> str:
        """Return the name of JAX's device."""
        import jax

        return jax.devices()[0].device_kind

    def precompile(self, case: Case, kinds: list[Kind]) -> None:
        """Call everything once, so that the compiled programs are cached.

        Args:
            case: what will be measured.
            kinds: forward, step.
        """
        self.runner.build(case)
        for kind in kinds:
            self.runner.run(kind)

    def build(self, case: Case) -> float:
        """Build the network of a case; return the peak memory so far in MB.

        Args:
            case: the network and the batch.
        """
        self.runner.build(case)
        self.seconds_per_call = {}
        return peak_memory()

    def first_call(self, kind: Kind) -> tuple[float, dict[str, Any]]:
        """Return the seconds of the first call, which may compile, and its results.

        Args:
            kind: what to call.
        """
        start = time.perf_counter()
        result = self.runner.run(kind)
        seconds = time.perf_counter() - start
        if kind == "forward":
            return seconds, self.runner.outputs(result)
        return seconds, self.runner.gradients(result)

    def time(self, kind: Kind, min_seconds: float) -> float:
        """Return the mean seconds of a call, over as many calls as are needed.

        Args:
            kind: what to call.
            min_seconds: duration of all calls.
        """
        # One untimed call warms the caches and the threads, unless a call is so long
        # that this does not matter.
        if self.seconds_per_call.get(kind, 0.0) < min_seconds:
            self.runner.run(kind)
        count, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < min_seconds or not count:
            self.runner.run(kind)
            count += 1
        self.seconds_per_call[kind] = seconds / count
        return self.seconds_per_call[kind]

    def memory(self, kind: Kind, repetitions: int) -> tuple[float, float | None]:
        """Return the peak memory of the process, and that of one repetition, in MB.

        Args:
            kind: what to call.
            repetitions: calls after the first, which may compile.

        Returns:
            The peak of the process, and the median over the repetitions of the peak
            above the memory before the call; None if the system cannot measure it.
        """
        self.runner.run(kind)
        peak, increases = peak_memory(), []
        for _ in range(repetitions):
            before = peak_memory() if reset_peak() else None
            self.runner.run(kind)  # the result is freed before the next call
            peak = max(peak, peak_memory())
            if before is not None:
                increases.append(peak_memory() - before)
        return peak, median(increases) if increases else None
