"""Measure a case with all libraries: first compare the results, then take turns."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.csv_table import Row
from benchmarks.speed.agreement import Arrays, relative_error, tolerance
from benchmarks.speed.bench import Bench, compared_case
from benchmarks.speed.cases import Case, Kind
from benchmarks.speed.memory import single_arena
from benchmarks.speed.peers import Peer, reference_name
from benchmarks.speed.table import describe_case, versions_column
from benchmarks.speed.worker import WorkerError


class Timing(NamedTuple):
    """The duration of a measurement.

    Attributes:
        rounds: turns of each library.
        seconds: minimum duration of a turn.
    """

    rounds: int
    seconds: float


class FirstCall(NamedTuple):
    """The first call of one kind.

    Attributes:
        seconds: with compilation.
        arrays: the results by name.
    """

    seconds: float
    arrays: Arrays


FirstCalls = dict[Kind, FirstCall]


@dataclass
class Checked:
    """A peer after the comparison of its results with ours.

    Attributes:
        peer: the library.
        note: why it is not timed, or what differs in its work.
        equal: whether it computes the same function.
        errors: the largest errors, by kind.
        seconds: of the first calls, by kind.
    """

    peer: Peer
    note: str = ""
    equal: bool = True
    errors: dict[Kind, float] = field(default_factory=dict)
    seconds: dict[Kind, float] = field(default_factory=dict)


def measure(
    bench: Bench, part: str, case: Case, kinds: list[Kind], timing: Timing
) -> Iterator[list[Row]]:
    """Yield the rows of a case, one kind after the other.

    Args:
        bench: the workers.
        part: of the benchmark.
        case: the network and the batch.
        kinds: forward, step.
        timing: number and duration of the turns.
    """
    checked = check(bench, part, case, kinds)
    for kind in kinds:
        seconds: dict[str, list[float]] = {
            name: [] for name, result in checked.items() if result.equal
        }
        for _ in range(timing.rounds):
            for name in seconds:
                turn = bench.worker(name).ask("time", kind, timing.seconds)
                seconds[name].append(turn)
        yield [
            _row(bench, part, case, kind, result, seconds)
            for result in checked.values()
        ]


def check(bench: Bench, part: str, case: Case, kinds: list[Kind]) -> dict[str, Checked]:
    """Build the case with all peers and compare their results with ours.

    Args:
        bench: the workers.
        part: of the benchmark.
        case: the network and the batch.
        kinds: forward, step.

    Returns:
        The peers by name, in the order of the registry.
    """
    checked = {peer.name: Checked(peer) for peer in bench.peers(part, case)}
    for stage_case, names in bench.stages(part, case):
        calls = _first_calls_of_all(bench, names, stage_case, kinds)
        for result in checked.values():
            peer = result.peer
            if peer.name not in calls or compared_case(peer, case) != stage_case:
                continue
            try:
                actual = _successful(calls[peer.name])
                expected = _successful(calls[reference_name(peer, case.cell)])
                result.errors = {
                    kind: relative_error(actual[kind].arrays, expected[kind].arrays)
                    for kind in kinds
                }
            except WorkerError as failure:
                result.note, result.equal = _failure_note(failure), False
                print(f"{peer.name}: {failure}", file=sys.stderr)
                bench.stop(peer.name)
                continue
            result.seconds = {kind: actual[kind].seconds for kind in kinds}
            worst = max(result.errors.values())
            if not worst <= tolerance(case):
                result.note, result.equal = f"differs from ours by {worst:.0e}", False
            elif case.ragged and not peer.uses_lengths:
                result.note = "runs over the padding"
    return checked


def _first_calls_of_all(
    bench: Bench, names: list[str], case: Case, kinds: list[Kind]
) -> dict[str, FirstCalls | WorkerError]:
    """Return the first calls of some peers, or their failures, by name."""

    def first_calls(name: str) -> FirstCalls | WorkerError:
        try:
            return _first_calls(bench, name, case, kinds)
        except WorkerError as failure:
            return failure

    # Without a cache their times are reported: one peer after the other.
    with ThreadPoolExecutor(len(names) if bench.cache else 1) as pool:
        return dict(zip(names, pool.map(first_calls, names), strict=True))


def _first_calls(bench: Bench, name: str, case: Case, kinds: list[Kind]) -> FirstCalls:
    """Build a case with one peer, and return its first call of each kind."""
    worker = bench.worker(name)
    worker.ask("build", case)
    calls: FirstCalls = {}
    for kind in kinds:
        seconds, arrays = worker.ask("first_call", kind)
        if kind == "forward" and case.ragged:
            arrays = {"y": np.where(case.mask()[..., None], arrays["y"], 0.0)}
        calls[kind] = FirstCall(seconds, arrays)
    return calls


def _row(
    bench: Bench,
    part: str,
    case: Case,
    kind: Kind,
    result: Checked,
    seconds: dict[str, list[float]],
) -> Row:
    """Return the row of a peer; `seconds` holds the turns of all peers."""
    peer = result.peer
    row = _peer_columns(bench, part, case, kind, peer)
    row["note"] = result.note
    if kind in result.errors:
        row["error"] = f"{result.errors[kind]:.1e}"
    turns = seconds.get(peer.name)
    if not turns:
        return row
    row["rounds"] = str(len(turns))
    row["median_ms"] = f"{1e3 * median(turns):.4g}"
    row["minimum_ms"] = f"{1e3 * min(turns):.4g}"
    if bench.cache is None:
        row["first_seconds"] = f"{result.seconds[kind]:.3g}"
    row["idle"] = f"{bench.worker(peer.name).idle_share:.4f}"
    reference = seconds.get(reference_name(peer, case.cell))
    if reference:
        # The ratio of neighbouring turns: other load slows both down.
        ratios = [a / b for a, b in zip(turns, reference, strict=True)]
        row["ratio"] = f"{median(ratios):.4g}"
    return row


def measure_memory(
    bench: Bench, part: str, case: Case, repetitions: int = 3
) -> list[Row]:
    """Return rows with the memory of a training step, measured in new processes.

    Args:
        bench: the workers.
        part: of the benchmark.
        case: the network and the batch.
        repetitions: training steps after the first, which may compile.
    """
    rows = []
    for peer in bench.peers(part, case):
        bench.stop(peer.name)
        row = _peer_columns(bench, part, case, "step", peer)
        try:
            with single_arena():
                worker = bench.worker(peer.name)
            base = worker.ask("build", compared_case(peer, case))
            peak, step = worker.ask("memory", "step", repetitions)
            row |= {"base_mb": f"{base:.0f}", "peak_mb": f"{peak:.0f}"}
            if step is not None:
                row["step_mb"] = f"{step:.1f}"
        except WorkerError as failure:
            row["note"] = _failure_note(failure)
        bench.stop(peer.name)
        rows.append(row)
    return rows


def _peer_columns(bench: Bench, part: str, case: Case, kind: Kind, peer: Peer) -> Row:
    """Return the columns that identify a measurement."""
    row = {"part": part, **describe_case(case), **bench.columns}
    return row | {"kind": kind, "peer": peer.name, "versions": versions_column(peer)}


def _successful(calls: FirstCalls | WorkerError) -> FirstCalls:
    """Return first calls; raise if they failed."""
    if isinstance(calls, WorkerError):
        raise calls
    return calls


def _failure_note(failure: WorkerError) -> str:
    """Return the note of a peer that failed."""
    return "failed: " + str(failure).strip().splitlines()[-1]
