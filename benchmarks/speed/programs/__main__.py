"""Train two whole programs here and in PyTorch, in turns of some seconds.

Both read the same batches, made as the turn goes on, and begin with the same weights:
the loss of a batch is compared first.
"""

import contextlib
import importlib.metadata
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

from benchmarks.speed.cases import DType
from benchmarks.speed.table import PROGRAMS, Row, machine, programs, revision
from benchmarks.speed.worker import Worker

HOMES = {
    "zoo": "benchmarks.speed.programs.ours:Ours",
    "torch": "benchmarks.speed.programs.torch:Torch",
}
PACKAGES = {
    "zoo": ("jax", "flax", "optax", "rnn-zoo-native"),  # the last if it is installed
    "torch": ("torch",),
}
TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-2}


@dataclass(frozen=True)
class Config:
    """Train a tagger and a character model here and in PyTorch, in turns."""

    pos: str | None = "$ZOO_DATA/pos/en_ewt"
    """Data of the tagger, as for train.py; None leaves it out."""
    charlm: str | None = "$ZOO_DATA/charlm/tiny_shakespeare"
    """Text of the character model; None leaves it out."""
    dtype: DType = "float32"
    """What the layers multiply; PyTorch multiplies so wherever its autocast does."""
    rounds: int = 7
    """Turns of each library."""
    seconds: float = 20.0
    """Of training in a turn; of evaluation it is a quarter."""
    threads: int | None = None
    """Cores that each library may use; by default all that this process may."""
    table: Path = PROGRAMS
    """The table that rows go into."""


def compare(task: str, data: str, config: Config, cores: list[int]) -> list[Row]:
    """Return a row for each library.

    Args:
        task: its name.
        data: as for train.py.
        config: the flags.
        cores: that each library may use.

    Raises:
        SystemExit: if there are no data, or the two models are not the same.
    """
    path = os.path.expandvars(data)
    if "$" in path:
        raise SystemExit(f"--{task} is {data}: set ZOO_DATA, or give another path")
    workers = {name: Worker(task, cores, home) for name, home in HOMES.items()}
    try:
        size = {name: w.ask("start", path, config.dtype) for name, w in workers.items()}
        loss = {name: w.ask("loss") for name, w in workers.items()}
        print(f"{task}: parameters {size}, loss of a batch {loss}", flush=True)
        gap = abs(loss["torch"] - loss["zoo"])
        near = gap <= TOLERANCE[config.dtype] * loss["zoo"]
        if size["zoo"] != size["torch"] or not near:
            raise SystemExit(f"{task}: the models differ: {size}, loss {loss}")
        first = {name: w.ask("first") for name, w in workers.items()}
        warm = {name: w.ask("warm") for name, w in workers.items()}
        rates: dict[tuple[str, str], list[float]] = {}
        for k in range(config.rounds):
            for job, share in (("train", 1.0), ("evaluate", 0.25)):
                for name, worker in workers.items():
                    tokens, seconds = worker.ask(job, share * config.seconds)
                    rates.setdefault((name, job), []).append(tokens / seconds)
                    print(f"  {k + 1} {job:8} {name:6} {tokens / seconds:9,.0f}/s")
        rows = []
        for name in workers:
            told = {"python": platform.python_version()}
            for package in PACKAGES[name]:
                with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                    told[package] = importlib.metadata.version(package)
            row = {"task": task, "data": data, "dtype": config.dtype, "library": name}
            row |= {"rounds": str(config.rounds), "seconds": str(config.seconds)}
            row |= {"parameters": str(size[name]), "cores": str(len(cores))}
            row |= {"machine": machine(), "zoo": revision()}
            row["versions"] = ", ".join(f"{n} {v}" for n, v in told.items())
            row["first_batch_seconds"] = f"{first[name]:.2f}"
            row["all_shapes_seconds"] = f"{warm[name]:.1f}"
            for job in ("train", "evaluate"):
                mine, ours = rates[name, job], rates["zoo", job]
                row[f"{job}_tokens_per_second"] = f"{median(mine):.0f}"
                # Times, not rates, as in the other table: above 1 ours is faster.
                ratios = [b / a for a, b in zip(mine, ours, strict=True)]
                row[f"{job}_ratio"] = f"{median(ratios):.3f}"
            rows.append(row)
        return rows
    finally:
        for worker in workers.values():
            worker.stop()


def main() -> None:
    """Read the command line and measure."""
    config = tyro.cli(Config, description=__doc__)
    may_use = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    cores = sorted(may_use(0))[: config.threads]
    try:
        importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit("this needs PyTorch: pip install -e '.[parity]'") from None
    table = programs(config.table)
    for task, data in (("pos", config.pos), ("charlm", config.charlm)):
        if data is not None:
            table.put(compare(task, data, config, cores))


if __name__ == "__main__":
    main()
