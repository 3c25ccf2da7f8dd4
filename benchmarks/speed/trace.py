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
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import tyro

from benchmarks.speed.cases import Case, DType, Kind
from benchmarks.speed.peers import OURS, PEERS
from benchmarks.speed.peers.base import OnJax
from benchmarks.speed.plan import STACKS

Event = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """Time one call on a GPU, and the kernels that it is made of."""

    cell: str = "lstm"
    """As the tables of docs/speed.md call it, or any that `zoo.make` knows."""
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
    calls: int = 5
    """Calls that are traced."""
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
    named = {
        (e["name"], e["pid"], e.get("tid")): e["args"]["name"]
        for e in events
        if e.get("name") in ("process_name", "thread_name")
    }

    def on_gpu(event: Event) -> bool:
        process = named.get(("process_name", event.get("pid"), None), "")
        thread = named.get(("thread_name", event.get("pid"), event.get("tid")), "")
        return event.get("ph") == "X" and "GPU" in process and "Stream" in thread

    found: dict[str, tuple[float, int]] = {}
    for event in filter(on_gpu, events):
        operation = event.get("args", {}).get("hlo_op", "")
        name = re.sub(r"\s+", " ", event["name"])[:60] + f" [{operation}]"
        seconds, launches = found.get(name, (0.0, 0))
        found[name] = seconds + event["dur"] / 1e6, launches + 1
    some = [Kernel(n, s / calls, k / calls) for n, (s, k) in found.items()]
    return sorted(some, key=lambda kernel: -kernel.seconds)


def traced(run: Callable[[], Any], calls: int) -> list[Kernel]:
    """Return the kernels of a call.

    Args:
        run: calls, and waits.
        calls: how many to trace.
    """
    import jax

    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(calls):
                run()
        (path,) = Path(folder).rglob("*.trace.json.gz")
        trace = json.loads(gzip.decompress(path.read_bytes()))
        return kernels(trace["traceEvents"], calls)


def timed(runner: OnJax, kind: Kind, rounds: int = 9) -> tuple[float, float]:
    """Return the seconds of a call that is waited for, and of one that is not.

    Args:
        runner: with a case built.
        kind: what is called.
        rounds: of which the medians are returned; each has ten calls of both kinds.
    """
    calls, waited, queued = 10, [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(calls):
            runner.wait(runner.launch(kind))
        waited.append((time.perf_counter() - begun) / calls)
        begun = time.perf_counter()
        for _ in range(calls):
            last = runner.launch(kind)
        runner.wait(last)
        queued.append((time.perf_counter() - begun) / calls)
    return median(waited), median(queued)


def main() -> None:
    """Read the command line, and print what is found."""
    config = tyro.cli(Config, description=__doc__)
    if config.peer not in PEERS or "jax" not in PEERS[config.peer].packages:
        on_jax = [name for name, peer in PEERS.items() if "jax" in peer.packages]
        raise SystemExit(f"--peer must be among {on_jax}, got {config.peer!r}")
    import jax

    if jax.default_backend() != "gpu":
        raise SystemExit(f"jax has no GPU here, but {jax.devices()}")
    case = Case(config.cell, *config.shape, *STACKS[config.stack])
    case = replace(case, ragged=config.ragged, dtype=config.dtype, device="gpu")
    peer = PEERS[config.peer]
    runner = peer.load()
    assert isinstance(runner, OnJax)
    try:
        runner.build(case)
    except (KeyError, ValueError) as error:
        raise SystemExit(f"--cell {config.cell}: {error}") from None

    def run() -> None:
        runner.wait(runner.launch(config.kind))

    run()
    waited, queued = timed(runner, config.kind)
    found = traced(run, config.calls)
    total = sum(kernel.seconds for kernel in found)
    print(f"{config.peer}, {config.kind}: {case} on {jax.devices()[0].device_kind}")
    print(f"  {1e3 * waited:8.3f} ms  a call that is waited for")
    print(f"  {1e3 * queued:8.3f} ms  a call that follows another")
    print(f"  {1e3 * total:8.3f} ms  its kernels, of which the longest:")
    for kernel in found[: config.most]:
        print(f"  {1e3 * kernel.seconds:8.3f} ms x{kernel.launches:<4g} {kernel.name}")


if __name__ == "__main__":
    main()
