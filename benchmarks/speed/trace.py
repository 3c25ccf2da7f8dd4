"""What a call takes on a GPU: the whole of it, and the kernels that it is made of.

A call that is waited for takes longer than its kernels: it has to be launched before,
and its end to be told. Beside it stands what a call takes that follows another without
a wait, as in training.
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
from typing import Any, Literal, NamedTuple

import tyro

from benchmarks.speed.cases import Case, DType, Kind
from benchmarks.speed.peers import OURS, PEERS
from benchmarks.speed.peers.base import OnJax
from benchmarks.speed.plan import STACKS

Event = dict[str, Any]
TRACED, TIMED = 5, 10  # calls


@dataclass(frozen=True)
class Config:
    """Time one call on a GPU, and the kernels that it runs."""

    cell: str = "lstm"
    """A name of the tables of docs/generated/speed.md, or of `zoo.make`."""
    shape: tuple[int, int, int, int] = (32, 64, 100, 128)
    """B T D H."""
    kind: Kind = "step"
    """Forward, or the training step."""
    stack: Literal["one", "two"] = "one"
    """One layer, or two layers in both directions."""
    ragged: bool = False
    """Rows of lengths from T/4 to T."""
    dtype: DType = "float32"
    """Of inputs and products."""
    peer: str = OURS
    """A library on JAX."""
    most: int = 16
    """Kernels that are shown, the longest."""


class Kernel(NamedTuple):
    """What one kernel takes in a call.

    Attributes:
        name: its own, and that of the operation of XLA.
        seconds: of all its launches.
        launches: how many.
    """

    name: str
    seconds: float
    launches: float


def kernels(events: list[Event], calls: int) -> list[Kernel]:
    """Return the kernels of a call, the longest first.

    Args:
        events: of a trace, as Chrome reads them, with microseconds.
        calls: how many were traced.
    """
    processes, threads = {}, {}
    for event in events:
        if event.get("name") == "process_name":
            processes[event["pid"]] = event["args"]["name"]
        elif event.get("name") == "thread_name":
            threads[event["pid"], event["tid"]] = event["args"]["name"]

    def on_gpu(event: Event) -> bool:
        if event.get("ph") != "X":
            return False
        line = threads.get((event["pid"], event["tid"]), "")
        return "GPU" in processes.get(event["pid"], "") and "Stream" in line

    found: dict[str, tuple[float, int]] = {}
    for event in filter(on_gpu, events):
        operation = event.get("args", {}).get("hlo_op", "")
        name = re.sub(r"\s+", " ", event["name"])[:60] + f" [{operation}]"
        seconds, launches = found.get(name, (0.0, 0))
        found[name] = seconds + event["dur"] / 1e6, launches + 1
    some = [Kernel(n, s / calls, k / calls) for n, (s, k) in found.items()]
    return sorted(some, key=lambda kernel: -kernel.seconds)


def traced(run: Callable[[], Any]) -> list[Kernel]:
    """Return the kernels of a call.

    Args:
        run: makes a call, and waits for it.
    """
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(TRACED):
                run()
        (path,) = Path(folder).rglob("*.trace.json.gz")
        trace = json.loads(gzip.decompress(path.read_bytes()))
        return kernels(trace["traceEvents"], TRACED)


def timed(runner: OnJax, kind: Kind, rounds: int = 9) -> tuple[float, float]:
    """Return the seconds of a call that is waited for, and of one that is not.

    Args:
        runner: with a case built.
        kind: what is called.
        rounds: of which the medians are returned.
    """

    def each() -> None:
        for _ in range(TIMED):
            runner.wait(runner.launch(kind))

    def last() -> None:
        runner.wait([runner.launch(kind) for _ in range(TIMED)][-1])

    found: dict[Callable[[], None], list[float]] = {each: [], last: []}
    for _ in range(rounds):
        for run, seconds in found.items():
            begun = time.perf_counter()
            run()
            seconds.append((time.perf_counter() - begun) / TIMED)
    return median(found[each]), median(found[last])


def main() -> None:
    """Read the command line, and print what is found."""
    config = tyro.cli(Config, description=__doc__)
    on_jax = [name for name, peer in PEERS.items() if "jax" in peer.packages]
    if config.peer not in on_jax:
        raise SystemExit(f"--peer must be among {on_jax}, got {config.peer!r}")
    peer = PEERS[config.peer]
    if peer.versions() is None:
        raise SystemExit(f"{peer.name} needs {' and '.join(peer.packages)}")
    if config.cell not in peer.cells and peer.name != OURS:
        raise SystemExit(f"--cell must be among {peer.cells}, got {config.cell!r}")
    import jax

    if jax.default_backend() != "gpu":
        raise SystemExit(f"jax has no GPU here, but {jax.devices()}")
    layers = config.cell, *config.shape, *STACKS[config.stack]
    case = Case(*layers, config.ragged, config.dtype, "gpu")
    runner = peer.load()
    try:
        runner.build(case)
    except ValueError as error:
        raise SystemExit(f"{case}: {error}") from None
    run = getattr(runner, config.kind)
    run()  # which compiles
    waited, queued = timed(runner, config.kind)
    found = traced(run)
    total = sum(kernel.seconds for kernel in found)
    print(f"{config.peer}, {config.kind}: {case} on {jax.devices()[0].device_kind}")
    print(f"  {1e3 * waited:8.3f} ms  a call that is waited for")
    print(f"  {1e3 * queued:8.3f} ms  a call that follows another")
    print(f"  {1e3 * total:8.3f} ms  its kernels, of which the longest:")
    for kernel in found[: config.most]:
        print(f"  {1e3 * kernel.seconds:8.3f} ms x{kernel.launches:<4g} {kernel.name}")


if __name__ == "__main__":
    main()
