"""Train two tasks with this library and with PyTorch, in turns of some seconds.

Both read the same batches, prepared during the turn, and start from the same weights:
the losses of a batch are compared first.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

from benchmarks.csv_table import Row
from benchmarks.environment import (
    format_versions,
    installed_versions,
    machine,
    revision,
    usable_cores,
)
from benchmarks.speed.cases import DType
from benchmarks.speed.table import PROGRAMS_TABLE, programs_table
from benchmarks.speed.worker import Worker

PROGRAMS = {
    "zoo": "benchmarks.speed.programs.ours:Ours",
    "torch": "benchmarks.speed.programs.torch:Torch",
}
PACKAGES = {
    "zoo": ("jax", "flax", "optax", "rnn-zoo-native"),  # the last is optional
    "torch": ("torch",),
}
TOLERANCE: dict[DType, float] = {"float32": 1e-4, "bfloat16": 1e-2}


@dataclass(frozen=True)
class Config:
    """Train a tagger and a character model here and in PyTorch, in turns."""

    pos: str | None = "$ZOO_DATA/pos/en_ewt"
    """Data of the tagger, as for train.py; None skips it."""
    charlm: str | None = "$ZOO_DATA/charlm/tiny_shakespeare"
    """Text of the character model; None skips it."""
    dtype: DType = "float32"
    """Of the layers' matrix products; PyTorch runs under autocast."""
    rounds: int = 7
    """Turns of each library."""
    seconds: float = 20.0
    """Training time of a turn; the evaluation takes a quarter of it."""
    threads: int | None = None
    """Cores that each library may use; by default all that this process may use."""
    table: Path = PROGRAMS_TABLE
    """The table that rows are merged into."""


def measure(task: str, data: str, config: Config, cores: list[int]) -> list[Row]:
    """Return a row for each library.

    Args:
        task: its name.
        data: as for train.py.
        config: the flags.
        cores: that each library may use.

    Raises:
        SystemExit: if there are no data, or the two models differ.
    """
    path = os.path.expandvars(data)
    if "$" in path:
        raise SystemExit(f"--{task} is {data}: set ZOO_DATA, or give another path")
    workers = {name: Worker(task, cores, program) for name, program in PROGRAMS.items()}
    try:
        parameters = {
            name: worker.ask("start", path, config.dtype)
            for name, worker in workers.items()
        }
        loss = {name: worker.ask("loss") for name, worker in workers.items()}
        print(f"{task}: parameters {parameters}, loss of a batch {loss}", flush=True)
        difference = abs(loss["torch"] - loss["zoo"])
        equal = difference <= TOLERANCE[config.dtype] * loss["zoo"]
        if parameters["zoo"] != parameters["torch"] or not equal:
            raise SystemExit(f"{task}: the models differ: {parameters}, loss {loss}")
        first_batch = {n: worker.ask("first_batch") for n, worker in workers.items()}
        all_shapes = {n: worker.ask("all_shapes") for n, worker in workers.items()}
        rates: dict[tuple[str, str], list[float]] = {}
        for k in range(config.rounds):
            for job, share in (("train", 1.0), ("evaluate", 0.25)):
                for name, worker in workers.items():
                    tokens, seconds = worker.ask(job, share * config.seconds)
                    rates.setdefault((name, job), []).append(tokens / seconds)
                    print(f"  {k + 1} {job:8} {name:6} {tokens / seconds:9,.0f}/s")
    finally:
        for worker in workers.values():
            worker.stop()
    rows = []
    for name in workers:
        versions = {"python": platform.python_version()}
        row = {
            "task": task,
            "data": data,
            "dtype": config.dtype,
            "library": name,
            "cores": str(len(cores)),
            "machine": machine(),
            "rounds": str(config.rounds),
            "seconds": str(config.seconds),
            "parameters": str(parameters[name]),
            "first_batch_seconds": f"{first_batch[name]:.2f}",
            "all_shapes_seconds": f"{all_shapes[name]:.1f}",
            "versions": format_versions(versions | installed_versions(PACKAGES[name])),
            "zoo": revision(),
        }
        for job in ("train", "evaluate"):
            row[f"{job}_tokens_per_second"] = f"{median(rates[name, job]):.0f}"
            # The ratio of the times, as in the other table: above 1 ours is faster.
            pairs = zip(rates[name, job], rates["zoo", job], strict=True)
            row[f"{job}_ratio"] = f"{median(ours / rate for rate, ours in pairs):.3f}"
        rows.append(row)
    return rows


def main() -> None:
    """Read the command line and measure."""
    config = tyro.cli(Config, description=__doc__)
    cores = usable_cores()[: config.threads]
    if not installed_versions(["torch"]):
        raise SystemExit("this needs PyTorch: pip install -e '.[parity]'")
    table = programs_table(config.table)
    for task, data in (("pos", config.pos), ("charlm", config.charlm)):
        if data is not None:
            table.merge(measure(task, data, config, cores))


if __name__ == "__main__":
    main()
