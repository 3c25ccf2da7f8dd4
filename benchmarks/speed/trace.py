"""Measure one call on a GPU: its time, and the kernels that it runs.

A call that is waited for takes longer than its kernels: it includes the launch and the
synchronisation. For comparison, the time of a call in a sequence without waiting, as in
training, is printed too.
"""

import gzip
import json
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple, cast

import tyro

from benchmarks.speed.cases import Case, DType, Kind
from benchmarks.speed.peers import OURS, PEERS
from benchmarks.speed.peers.base import JaxRunner
from benchmarks.speed.plan import STACKS

Event = dict[str, Any]
TRACED_CALLS, TIMED_CALLS = 5, 10


@dataclass(frozen=True)
class Config:
    """Time one call on a GPU, and the kernels that it runs."""

    cell: str = "lstm"
    """Name of a cell in docs/generated/speed.md, or in `zoo.make`."""
    shape: tuple[int, int, int, int] = (32, 64, 100, 128)
    """B T D H."""
    kind: Kind = "step"
    """Forward pass, or training step."""
    stack: Literal["one", "two"] = "one"
    """One layer, or two bidirectional layers."""
    ragged: bool = False
    """Rows of lengths from T/4 to T."""
    dtype: DType = "float32"
    """Of inputs and matrix products."""
    peer: str = OURS
    """A library on JAX."""
    most: int = 16
    """Number of kernels to print, the longest first."""


class Kernel(NamedTuple):
    """One kernel in a call.

    Attributes:
        name: of the kernel, and of the XLA operation.
        seconds: of all launches in a call.
        launches: in a call.
    """

    name: str
    seconds: float
    launches: float


def kernels(events: list[Event], calls: int) -> list[Kernel]:
    """Return the kernels of a call, the longest first.

    Args:
        events: of a trace in Chrome's format, with microseconds.
        calls: number of traced calls.
    """
    processes, threads = {}, {}
    for event in events:
        if event.get("name") == "process_name":
            processes[event["pid"]] = event["args"]["name"]
        elif event.get("name") == "thread_name":
            threads[event["pid"], event["tid"]] = event["args"]["name"]

    def is_kernel(event: Event) -> bool:
        if event.get("ph") != "X":
            return False
        thread = threads.get((event["pid"], event["tid"]), "")
        return "GPU" in processes.get(event["pid"], "") and "Stream" in thread

    totals: dict[str, tuple[float, int]] = {}
    for event in filter(is_kernel, events):
        operation = event.get("args", {}).get("hlo_op", "")
        name = re.sub(r"\s+", " ", event["name"])[:60] + f" [{operation}]"
        seconds, launches = totals.get(name, (0.0, 0))
        totals[name] = seconds + event["dur"] / 1e6, launches + 1
    per_call = [
        Kernel(name, seconds / calls, launches / calls)
        for name, (seconds, launches) in totals.items()
    ]
    return sorted(per_call, key=lambda kernel: -kernel.seconds)


def trace_kernels(call: Callable[[], Any]) -> list[Kernel]:
    """Return the kernels of a call.

    Args:
        call: runs and waits.
    """
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(TRACED_CALLS):
                call()
        (path,) = Path(folder).rglob("*.trace.json.gz")
        trace = json.loads(gzip.decompress(path.read_bytes()))
        return kernels(trace["traceEvents"], TRACED_CALLS)


def time_calls(runner: JaxRunner, kind: Kind, rounds: int = 9) -> tuple[float, float]:
    """Return the seconds of a call that is waited for, and of one in a sequence.

    Args:
        runner: with a case built.
        kind: what to call.
        rounds: of which the medians are returned.
    """

    def wait_for_each() -> None:
        for _ in range(TIMED_CALLS):
            runner.wait(runner.launch(kind))

    def wait_for_last() -> None:
        runner.wait([runner.launch(kind) for _ in range(TIMED_CALLS)][-1])

    each: list[float] = []
    last: list[float] = []
    for _ in range(rounds):
        for run, seconds in ((wait_for_each, each), (wait_for_last, last)):
            start = time.perf_counter()
            run()
            seconds.append((time.perf_counter() - start) / TIMED_CALLS)
    return median(each), median(last)


def main() -> None:
    """Read the command line, measure, and print the results."""
    config = tyro.cli(Config, description=__doc__)
    jax_peers = [name for name, peer in PEERS.items() if peer.uses_jax]
    if config.peer not in jax_peers:
        raise SystemExit(f"--peer must be among {jax_peers}, got {config.peer!r}")
    peer = PEERS[config.peer]
    if peer.versions() is None:
        raise SystemExit(f"{peer.name} needs {' and '.join(peer.packages)}")
    if config.cell not in peer.cells and peer.name != OURS:
        raise SystemExit(f"--cell must be among {peer.cells}, got {config.cell!r}")
    import jax

    if jax.default_backend() != "gpu":
        raise SystemExit(f"jax has no GPU here, but {jax.devices()}")
    sizes = config.cell, *config.shape, *STACKS[config.stack]
    case = Case(*sizes, config.ragged, config.dtype, "gpu")
    runner = cast(JaxRunner, peer.load())
    try:
        runner.build(case)
    except ValueError as error:
        raise SystemExit(f"{case}: {error}") from None
    runner.run(config.kind)  # compiles
    waited, queued = time_calls(runner, config.kind)
    longest = trace_kernels(lambda: runner.run(config.kind))
    total = sum(kernel.seconds for kernel in longest)
    print(f"{config.peer}, {config.kind}: {case} on {jax.devices()[0].device_kind}")
    print(f"  {1e3 * waited:8.3f} ms  a call that is waited for")
    print(f"  {1e3 * queued:8.3f} ms  a call in a sequence")
    print(f"  {1e3 * total:8.3f} ms  its kernels, the longest first:")
    for kernel in longest[: config.most]:
        print(f"  {1e3 * kernel.seconds:8.3f} ms x{kernel.launches:<4g} {kernel.name}")


if __name__ == "__main__":
    main()
