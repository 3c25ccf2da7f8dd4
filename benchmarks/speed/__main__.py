"""Time our recurrent layers side by side with those of other libraries.

Every library runs in a process of its own with as many threads, on a CPU or a GPU. All
compute the same function of the same weights, which is checked, outputs and gradients;
then they are timed in turns. Rows go into the table as they are found; a case whose
rows are there already, of the same versions and machine, is left out.
"""

import math
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import tyro

from benchmarks.speed.cases import QUICK, Case
from benchmarks.speed.measure import Bench, Timing
from benchmarks.speed.peers import OTHER_FORM, OURS, PEERS
from benchmarks.speed.plan import Config, Part, cases
from benchmarks.speed.speed_page import PAGE, page
from benchmarks.speed.table import (
    ROOT,
    TABLE,
    Row,
    Table,
    describe,
    machine,
    programs,
    revision,
    versions,
)


def installed(config: Config) -> list[str]:
    """Return the names of the peers to be measured, ours first.

    Those that are not installed are named.

    Args:
        config: the flags.

    Raises:
        SystemExit: if there is no such peer.
    """
    unknown = [name for name in config.peers if name not in PEERS]
    if unknown:
        raise SystemExit(f"--peers must be among {list(PEERS)}, got {unknown}")
    wanted = {n for n in (OURS, *config.peers) if config.device in PEERS[n].devices}
    for name in sorted(n for n in wanted if not PEERS[n].computes(config.dtype)):
        wanted.remove(name)
        print(f"{name} is left out: it has no {config.dtype}", file=sys.stderr)
    missing = [n for n in PEERS if n in wanted and PEERS[n].versions() is None]
    for name in missing:
        packages = " and ".join(PEERS[name].packages)
        print(f"{name} is left out: it needs {packages}", file=sys.stderr)
    found = wanted.difference(missing, [OTHER_FORM])
    if any(PEERS[name].other_form for name in found):
        found.add(OTHER_FORM)
    return [name for name in PEERS if name in found]


def is_there(table: Table, bench: Bench, part: Part, case: Case, kinds) -> bool:
    """Return whether the table has all rows of a case, of these versions.

    Args:
        table: to be looked into.
        bench: knows the peers.
        part: of the benchmark.
        case: what is measured.
        kinds: forward, step.
    """
    about = {"part": part, **describe(case), **bench.about}
    return all(
        table.has(about | {"kind": k, "peer": p.name, "versions": versions(p)})
        for p in bench.peers(part, case)
        for k in (("step",) if part == "memory" else kinds)
    )


def show(rows: list[Row]) -> None:
    """Print what was found.

    Args:
        rows: of one case and kind.
    """
    for row in rows:
        value = row.get("median_ms", "")
        if "peak_mb" in row:
            value = f"{row['peak_mb']} MB ({row.get('step_mb', '')})"
        ratio = f"x {row['ratio']}" if "ratio" in row else ""
        told = f"  {row['kind']:8} {row['peer']:22} {value:>14} {ratio:10}"
        print(told, row.get("note", ""))


def measure(config: Config, table: Table, bench: Bench) -> None:
    """Measure what the table has not.

    Args:
        config: the flags.
        table: takes the rows.
        bench: does the work.
    """
    begun = time.monotonic()
    limit = math.inf if config.minutes is None else config.minutes
    bench.about["device"] = bench.device_name()
    timing, kinds = Timing(config.rounds, config.seconds), list(config.kinds)
    todo = [
        (part, case)
        for part, case in cases(config)
        if config.again or not is_there(table, bench, part, case, config.kinds)
    ]
    if bench.cache:
        # What is not compiled by then is when it is measured.
        bench.warm(todo, kinds, 60 * limit / 2)
        print(f"compiled in {time.monotonic() - begun:.0f} s", flush=True)
    for k, (part, case) in enumerate(todo):
        minutes = (time.monotonic() - begun) / 60
        if minutes >= limit:
            print(f"{len(todo) - k} cases are left; run again to go on")
            return
        print(f"{k + 1}/{len(todo)} {part}: {case} ({minutes:.0f} min)", flush=True)
        if part == "memory":
            found = [bench.memory(part, case)]
        else:
            found = bench.measure(part, case, kinds, timing)
        for rows in found:
            table.put(rows)
            show(rows)


def main() -> None:
    """Read the command line and measure, or write the page."""
    config = tyro.cli(Config, description=__doc__)
    if config.quick:
        config = replace(config, shapes=QUICK, rounds=2, seconds=0.01)
        if config.table == TABLE:
            config = replace(config, table=ROOT / "runs" / "speed-quick.csv")
    table = Table(config.table)
    if config.page:
        target = PAGE if config.table == TABLE else config.table.with_suffix(".md")
        target.write_text(page(table.rows, programs().rows))
        return
    may_use = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    cores = sorted(may_use(0))
    if config.threads is not None and not 1 <= config.threads <= len(cores):
        raise SystemExit(f"--threads must be 1 to {len(cores)}, got {config.threads}")
    cores = cores[: config.threads]
    with ExitStack() as stack:
        cache = None
        if config.device == "gpu":
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        about = {"cores": str(len(cores)), "machine": machine(), "zoo": revision()}
        bench = Bench(installed(config), cores, about, config.device, cache)
        stack.callback(bench.stop)
        try:
            measure(config, table, bench)
        except KeyboardInterrupt:
            print(f"\ninterrupted: {table.path} is whole; run again to go on")
            raise SystemExit(130) from None


if __name__ == "__main__":
    main()
