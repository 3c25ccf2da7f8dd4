"""Time our recurrent layers side by side with those of other libraries.

Every library runs in a process of its own with as many threads. All compute the same
function of the same weights, which is checked to 1e-4, outputs and gradients; then they
are timed in turns. Rows go into the table as they are found; a case whose rows are
there already, of the same versions and machine, is left out.
"""

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from benchmarks.speed.cases import QUICK, SHAPES, Case, Kind
from benchmarks.speed.measure import Bench, Timing
from benchmarks.speed.page import PAGE, page
from benchmarks.speed.peers import OTHER_FORM, OURS, PEERS
from benchmarks.speed.table import (
    ROOT,
    TABLE,
    Row,
    Table,
    describe,
    machine,
    revision,
    versions,
)

Part = Literal["grid", "length", "width", "memory"]
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
WIDTHS = (32, 64, 128, 256, 512, 1024)
MEMORY = (32, 128, 256, 256)


@dataclass(frozen=True)
class Config:
    """Time recurrent layers of several libraries side by side."""

    parts: tuple[Part, ...] = ("grid", "length", "width", "memory")
    """The grid of cells and shapes; an LSTM against T, and against H; memory."""
    peers: tuple[str, ...] = tuple(PEERS)
    """Libraries, by their names in the tables; ours is always there."""
    cells: tuple[Literal["rnn", "lstm", "gru"], ...] = ("rnn", "lstm", "gru")
    """Cells of the grid."""
    shapes: tuple[tuple[int, int, int, int], ...] = SHAPES
    """B T D H of the grid, four numbers for each shape."""
    kinds: tuple[Kind, ...] = ("forward", "step")
    """Forward, and the training step."""
    stacks: tuple[Literal["one", "two"], ...] = ("one", "two")
    """One layer, and two layers in both directions, in the grid."""
    rows: tuple[Literal["full", "ragged"], ...] = ("full", "ragged")
    """Rows of one length, and of lengths from T/4 to T, in the grid."""
    rounds: int = 7
    """Times that each library has its turn."""
    seconds: float = 0.1
    """Seconds that a turn lasts at least."""
    threads: int | None = None
    """Cores that each library may use; by default all that this process may."""
    quick: bool = False
    """One tiny shape, two rounds: does it run? Into runs/speed-quick.csv."""
    again: bool = False
    """Measure also what is in the table already."""
    table: Path = TABLE
    """The table that rows go into."""
    page: bool = False
    """Measure nothing: write docs/speed.md, or the page beside --table, from it."""


def cases(config: Config) -> list[tuple[Part, Case]]:
    """Return what is to be measured, the grid first.

    Args:
        config: the flags.
    """
    found: list[tuple[Part, Case]] = []
    for part in config.parts:
        if part == "grid":
            found += [
                (part, Case(cell, *shape, *stack, ragged=rows == "ragged"))
                for name, stack in {"one": (1, False), "two": (2, True)}.items()
                for rows in config.rows
                for cell in config.cells
                for shape in config.shapes
                if name in config.stacks
            ]
        elif part == "length":
            lengths = (5, 9) if config.quick else LENGTHS
            found += [(part, Case("lstm", 16, T, 128, 128)) for T in lengths]
        elif part == "width":
            widths = (3, 5) if config.quick else WIDTHS
            found += [(part, Case("lstm", 32, 64, 128, H)) for H in widths]
        else:
            shape = QUICK[0] if config.quick else MEMORY
            found += [(part, Case("lstm", *shape, *stack)) for stack in STACKS]
    return found


STACKS = ((1, False), (2, True))


def installed(config: Config) -> list[str]:
    """Return the names of the peers to be measured, ours first; say which are not there.

    Args:
        config: the flags.

    Raises:
        SystemExit: if there is no such peer.
    """
    unknown = [name for name in config.peers if name not in PEERS]
    if unknown:
        raise SystemExit(f"--peers must be among {list(PEERS)}, got {unknown}")
    wanted = {OURS, *config.peers}
    if any(PEERS[name].other_form for name in wanted):
        wanted.add(OTHER_FORM)
    missing = [n for n in PEERS if n in wanted and PEERS[n].versions() is None]
    for name in missing:
        packages = " and ".join(PEERS[name].packages)
        print(f"{name} is left out: it needs {packages}", file=sys.stderr)
    return [name for name in PEERS if name in wanted and name not in missing]


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
        for p in bench.peers(case)
        for k in (("step",) if part == "memory" else kinds)
    )


def show(rows: list[Row]) -> None:
    """Print what was found.

    Args:
        rows: of one case and kind.
    """
    for row in rows:
        value = f"{row['peak_mb']} MB" if "peak_mb" in row else row.get("median_ms", "")
        ratio = f"x {row['ratio']}" if "ratio" in row else ""
        print(
            f"  {row['kind']:8} {row['peer']:22} {value:>10} {ratio:10} {row.get('note', '')}"
        )


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
        target.write_text(page(table.rows))
        return
    may_use = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    cores = sorted(may_use(0))
    if config.threads is not None and not 1 <= config.threads <= len(cores):
        raise SystemExit(f"--threads must be 1 to {len(cores)}, got {config.threads}")
    cores = cores[: config.threads]
    about = {"cores": str(len(cores)), "machine": machine(), "zoo": revision()}
    bench = Bench(installed(config), cores, about)
    timing = Timing(config.rounds, config.seconds)
    todo = [
        (part, case)
        for part, case in cases(config)
        if config.again or not is_there(table, bench, part, case, config.kinds)
    ]
    begun = time.monotonic()
    try:
        for k, (part, case) in enumerate(todo):
            minutes = (time.monotonic() - begun) / 60
            print(f"{k + 1}/{len(todo)} {part}: {case} ({minutes:.0f} min)", flush=True)
            if part == "memory":
                found = [bench.memory(part, case)]
            else:
                found = bench.measure(part, case, list(config.kinds), timing)
            for rows in found:
                table.put(rows)
                show(rows)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {table.path} is whole; run again to go on")
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
