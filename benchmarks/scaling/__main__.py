"""Measure how training scales: ``docs/generated/scaling.md``.

``python -m benchmarks.scaling`` measures each case in turn, and again until each has
``--rounds`` results; ``--page`` only writes the page. The devices are simulated on the
CPU: the times tell what dividing a step costs, not how fast many devices are.
"""

import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import tyro

from benchmarks.csv_table import Row, Table
from benchmarks.environment import describe_machines, machine_columns
from benchmarks.pages import markdown_table, read_template
from benchmarks.paths import PAGES, RESULTS, ROOT

TABLE = RESULTS / "scaling.csv"
PAGE = PAGES / "scaling.md"
KEY = ("case", "task", "round")
VALUES = ["ms", "tokens", "gradient_bytes", "device_bytes"]
COLUMNS = [*KEY, *VALUES, "cores", "machine", "versions"]
PACKAGES = ("jax", "flax", "rnn-zoo-native")
TASKS = ("classification", "pos", "ner", "charlm", "seq2seq", "memory")
DEVICES = (8, 64, 256, 1000)


@dataclass(frozen=True)
class Options:
    """Measure how training scales."""

    rounds: int = 5
    """Results of each case."""
    only: str = ""
    """Measure only the tasks whose names contain this text."""
    page: bool = False
    """Only write the page."""


@dataclass(frozen=True)
class Case:
    """Simulated devices.

    Attributes:
        name: what is divided.
        num_devices: of each process.
        num_processes: that train together.
        flags: of the task.
    """

    name: str
    num_devices: int = 1
    num_processes: int = 1
    flags: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Network:
    """How devices are connected.

    Attributes:
        name: for the page.
        bandwidth: bytes per second that a device sends and receives.
        latency: seconds of a message.
    """

    name: str
    bandwidth: float
    latency: float


CASES = (
    Case("1 device"),
    Case("2 devices", 2),
    Case("4 devices", 4),
    Case("2 processes", 1, 2),
)
TABLES = tuple(
    Case(name, 8, flags=(("mesh", mesh), ("shard_optimizer", is_sharded)))
    for name, mesh, is_sharded in (
        ("`--mesh data=8`", "data=8", False),
        ("`--mesh data=4,model=2`", "data=4,model=2", False),
        ("`--mesh data=4,model=2 --shard-optimizer`", "data=4,model=2", True),
        ("`--mesh data=1,model=8`", "data=1,model=8", False),
    )
)
# Nominal values of the hardware, of one direction.
NETWORKS = (
    Network("NVLink 4 (450 GB/s, 5 µs)", 450e9, 5e-6),
    Network("InfiniBand NDR (50 GB/s, 10 µs)", 50e9, 10e-6),
    Network("Ethernet of 10 Gbit/s (1.25 GB/s, 50 µs)", 1.25e9, 50e-6),
)
STEP_SECONDS = (0.005, 0.02, 0.1)


def all_reduce_seconds(size: float, num_devices: int, network: Network) -> float:
    """Return the time to add gradients in a ring: 2 (N - 1) (bytes / N / b + latency).

    Args:
        size: of the gradients, in bytes.
        num_devices: N.
        network: that connects the devices.
    """
    each = size / num_devices / network.bandwidth + network.latency
    return 2 * (num_devices - 1) * each


def largest_number(size: float, step: float, network: Network) -> int:
    """Return the largest power of two of devices with half of the ideal speed.

    Each device has the same number of rows, however many there are, and no
    communication is hidden behind the computation.

    Args:
        size: of the gradients, in bytes.
        step: seconds of a step on one device.
        network: that connects the devices.
    """
    number = 1
    while number < 2**20 and all_reduce_seconds(size, 2 * number, network) <= step:
        number *= 2
    return number


def measure(task: str, case: Case) -> Row:
    """Run the processes of a case, and return what process 0 prints.

    Args:
        task: its name.
        case: the devices.

    Raises:
        SystemExit: if a process fails.
    """
    flag = f"--xla_force_host_platform_device_count={case.num_devices}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} {flag}"
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        address = f"localhost:{listener.getsockname()[1]}"
    running = []
    for number in range(case.num_processes):
        flags = dict(case.flags)
        if case.num_processes > 1:
            flags |= {"coordinator": address, "process": number}
            flags["processes"] = case.num_processes
        given = json.dumps({"task": task, "flags": flags})
        command = [sys.executable, "-m", "benchmarks.scaling.worker", given]
        running.append(
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE)
        )
    outputs = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"{task} with {case.name} failed")
    return json.loads(outputs[0].decode().splitlines()[-1])


def page(rows: list[Row]) -> str:
    """Return the page: medians of all rounds.

    Args:
        rows: of the table.
    """

    def value(case: str, task: str, column: str) -> float:
        of_case = [r for r in rows if (r["case"], r["task"]) == (case, task)]
        return median(float(row[column]) for row in of_case) if of_case else math.nan

    first = CASES[0].name
    measured = [
        [
            task,
            f"{value(first, task, 'gradient_bytes') / 1e6:.1f}",
            *(f"{value(case.name, task, 'ms'):.0f}" for case in CASES),
        ]
        for task in TASKS
    ]
    return (
        read_template("scaling.md").format(
            measured=markdown_table(
                ["task", "MB of gradients", *(f"{case.name}, ms" for case in CASES)],
                measured,
            ),
            limits="\n\n".join(
                _limits(network, lambda task: value(first, task, "gradient_bytes"))
                for network in NETWORKS
            ),
            tables=markdown_table(
                ["flags", "MB on each device"],
                [
                    [
                        case.name,
                        f"{value(case.name, 'table', 'device_bytes') / 1e6:.0f}",
                    ]
                    for case in TABLES
                ],
            ),
            machines=describe_machines(rows),
        )
        + "\n"
    )


def _limits(network: Network, gradient_bytes: Any) -> str:
    """Return the times of communication on a network, and where scaling stops."""
    lines = []
    for task in TASKS:
        size = gradient_bytes(task)
        times = (1000 * all_reduce_seconds(size, n, network) for n in DEVICES)
        numbers = (largest_number(size, step, network) for step in STEP_SECONDS)
        lines.append(
            [
                task,
                *(f"{time:.2f}" for time in times),
                *(f"{number:,}" for number in numbers),
            ]
        )
    header = ["task", *(f"{n:,} devices, ms" for n in DEVICES)]
    header += [f"limit at {1000 * step:.0f} ms" for step in STEP_SECONDS]
    return f"### {network.name}\n\n{markdown_table(header, lines)}"


def cases(options: Options) -> Iterator[tuple[str, Case]]:
    """Yield the tasks with the cases to measure.

    Args:
        options: what to measure.
    """
    for task in (*TASKS, "table"):
        if options.only in task:
            for case in TABLES if task == "table" else CASES:
                yield task, case


def main() -> None:
    """Measure unless ``--page`` is set, and write the page."""
    options = tyro.cli(Options, description=__doc__)
    table = Table(TABLE, KEY, COLUMNS)
    for number in range(0 if options.page else options.rounds):
        for task, case in cases(options):
            row = {"case": case.name, "task": task, "round": str(number + 1)}
            row |= measure(task, case) | machine_columns(PACKAGES)
            print(", ".join(row.get(name, "") for name in COLUMNS[:7]), flush=True)
            table.merge([row])
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
