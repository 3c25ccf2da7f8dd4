"""Time our recurrent layers side by side with those of other libraries.

Every library runs in its own process with the same number of threads, on a CPU or a
GPU. All compute the same function of the same weights: outputs and gradients are
compared first. Then the libraries are timed in turns. Rows are merged into the table
after each case; a case whose rows are there, of the same versions and machine, is
skipped.
"""

import math
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import tyro

from benchmarks.csv_table import Row, Table
from benchmarks.environment import machine, revision, usable_cores
from benchmarks.paths import ROOT
from benchmarks.speed.bench import Bench
from benchmarks.speed.cases import QUICK_SHAPES, Case, Kind
from benchmarks.speed.measure import Timing, measure, measure_memory
from benchmarks.speed.peers import OURS, PEERS, VARIANT
from benchmarks.speed.plan import Config, Part, cases
from benchmarks.speed.speed_page import PAGE, page
from benchmarks.speed.table import (
    TABLE,
    describe_case,
    layers_table,
    programs_table,
    versions_column,
)


def select_peers(config: Config) -> list[str]:
    """Return the names of the peers to measure, ours first; report the others.

    Args:
        config: the flags.

    Raises:
        SystemExit: if a name is unknown.
    """
    unknown = [name for name in config.peers if name not in PEERS]
    if unknown:
        raise SystemExit(f"--peers must be among {list(PEERS)}, got {unknown}")
    selected = set()
    for name, peer in PEERS.items():
        if name not in (OURS, *config.peers) or config.device not in peer.devices:
            continue
        if not peer.supports(config.dtype):
            print(f"{name} is left out: it has no {config.dtype}", file=sys.stderr)
        elif peer.versions() is None:
            packages = " and ".join(peer.packages)
            print(f"{name} is left out: it needs {packages}", file=sys.stderr)
        else:
            selected.add(name)
    # Our variant is measured exactly if another library is compared with it.
    selected.discard(VARIANT)
    if any(PEERS[name].variant_cells for name in selected):
        selected.add(VARIANT)
    return [name for name in PEERS if name in selected]


def is_measured(
    table: Table, bench: Bench, part: Part, case: Case, kinds: Sequence[Kind]
) -> bool:
    """Return whether the table has all rows of a case, of these versions.

    Args:
        table: of the layers.
        bench: the peers.
        part: of the benchmark.
        case: the network and the batch.
        kinds: forward, step.
    """
    columns = {"part": part, **describe_case(case), **bench.columns}
    return all(
        table.contains(
            columns
            | {"kind": kind, "peer": peer.name, "versions": versions_column(peer)}
        )
        for peer in bench.peers(part, case)
        for kind in (("step",) if part == "memory" else kinds)
    )


def print_rows(rows: list[Row]) -> None:
    """Print the results of a case.

    Args:
        rows: of one case and kind.
    """
    for row in rows:
        value = row.get("median_ms", "")
        if "peak_mb" in row:
            value = f"{row['peak_mb']} MB ({row.get('step_mb', '')})"
        ratio = f"x {row['ratio']}" if "ratio" in row else ""
        columns = f"  {row['kind']:8} {row['peer']:22} {value:>14} {ratio:10}"
        print(columns, row.get("note", ""))


def measure_missing(config: Config, table: Table, bench: Bench) -> None:
    """Measure the cases that the table lacks.

    Args:
        config: the flags.
        table: that rows are merged into.
        bench: the workers.
    """
    start = time.monotonic()
    limit = math.inf if config.minutes is None else config.minutes
    bench.columns["device"] = bench.device_name()
    timing, kinds = Timing(config.rounds, config.seconds), list(config.kinds)
    missing = [
        (part, case)
        for part, case in cases(config)
        if config.remeasure or not is_measured(table, bench, part, case, kinds)
    ]
    if bench.cache:
        # What is not compiled by then compiles when it is measured.
        bench.precompile(list(missing), kinds, 60 * limit / 2)
        print(f"compiled in {time.monotonic() - start:.0f} s", flush=True)
    for k, (part, case) in enumerate(missing):
        minutes = (time.monotonic() - start) / 60
        if minutes >= limit:
            print(f"{len(missing) - k} cases are left; run again to continue")
            return
        progress = f"{k + 1}/{len(missing)}"
        print(f"{progress} {part}: {case} ({minutes:.0f} min)", flush=True)
        if part == "memory":
            results = iter([measure_memory(bench, part, case)])
        else:
            results = measure(bench, part, case, kinds, timing)
        for rows in results:
            table.merge(rows)
            print_rows(rows)


def main() -> None:
    """Read the command line and measure, or write the page."""
    config = tyro.cli(Config, description=__doc__)
    if config.quick:
        config = replace(config, shapes=QUICK_SHAPES, rounds=2, seconds=0.01)
        if config.table == TABLE:
            config = replace(config, table=ROOT / "runs" / "speed-quick.csv")
    table = layers_table(config.table)
    if config.page:
        path = PAGE if config.table == TABLE else config.table.with_suffix(".md")
        path.write_text(page(table.rows, programs_table().rows))
        return
    cores = usable_cores()
    if config.threads is not None and not 1 <= config.threads <= len(cores):
        raise SystemExit(f"--threads must be 1 to {len(cores)}, got {config.threads}")
    cores = cores[: config.threads]
    with ExitStack() as stack:
        cache = None
        if config.device == "gpu":
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        columns = {"cores": str(len(cores)), "machine": machine(), "zoo": revision()}
        bench = Bench(select_peers(config), cores, columns, config.device, cache)
        stack.callback(bench.stop)
        try:
            measure_missing(config, table, bench)
        except KeyboardInterrupt:
            print(f"\ninterrupted: {table.path} is complete; run again to continue")
            raise SystemExit(130) from None


if __name__ == "__main__":
    main()
