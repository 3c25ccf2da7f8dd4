"""A case on all libraries: equal first, then timed in turns."""

import sys
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.speed.cases import Case, Kind
from benchmarks.speed.peers import OTHER_FORM, OURS, PEERS, Peer
from benchmarks.speed.table import Row, describe, versions
from benchmarks.speed.worker import Worker, WorkerError

TOLERANCE = 1e-4
Results = dict[Kind, tuple[float, dict[str, Any]]]  # seconds and arrays


@dataclass
class Timing:
    """How long and how often.

    Attributes:
        rounds: times that each library has its turn.
        seconds: that a turn lasts at least.
    """

    rounds: int
    seconds: float


def error(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """Return the largest error, relative to the largest entry of each array.

    Args:
        found: arrays by name, as many as the peer has.
        expected: arrays by name.

    Raises:
        WorkerError: if there is another name, or a shape differs.
    """
    worst = 0.0
    for name, value in found.items():
        if name not in expected or np.shape(value) != np.shape(expected[name]):
            raise WorkerError(f"it gives {name} {np.shape(value)}, which ours does not")
        scale = float(np.abs(expected[name]).max()) or 1.0
        difference = float(np.abs(value - expected[name]).max()) / scale
        # NaN compares false with everything: it must not pass for zero.
        worst = max(worst, difference if difference == difference else np.inf)
    return worst


class Bench:
    """The workers, one for each library, and what they are asked."""

    def __init__(self, names: list[str], cores: list[int], about: Row) -> None:
        """Start nothing yet.

        Args:
            names: of the peers that shall be measured, ours among them.
            cores: that each worker may use.
            about: columns of every row: cores, machine, our version.
        """
        self.names, self.cores, self.about = names, cores, about
        self._workers: dict[str, Worker] = {}

    def worker(self, name: str) -> Worker:
        """Return the worker of a peer, started if it is not.

        Args:
            name: of the peer.
        """
        if name not in self._workers:
            self._workers[name] = Worker(name, self.cores)
        return self._workers[name]

    def stop(self, name: str | None = None) -> None:
        """End the worker of a peer, or all.

        Args:
            name: of the peer, or None.
        """
        for one in [name] if name else list(self._workers):
            if one in self._workers:
                self._workers.pop(one).stop()

    def peers(self, case: Case) -> list[Peer]:
        """Return the peers that have a cell, ours first.

        Args:
            case: what is measured.
        """
        found = [PEERS[name] for name in self.names if case.cell in PEERS[name].cells]
        return [peer for peer in found if case.ragged or not peer.ragged_only]

    def measure(self, part: str, case: Case, kinds: list[Kind], timing: Timing):
        """Yield the rows of a case for one kind of work after the other.

        Args:
            part: of the benchmark; goes into the rows.
            case: what is measured.
            kinds: forward, step.
            timing: how long.
        """
        first: dict[str, dict[str, float]] = {}
        errors: dict[str, dict[str, float]] = {}
        notes: dict[str, str] = {}
        known: dict[tuple[str, Case], Results] = {}
        # Those that run over the padding are compared with our layers on full rows, and
        # come first: what our workers are left with is the case itself.
        for peer in sorted(self.peers(case), key=lambda p: p.lengths):
            own, basis = case if peer.lengths else case.full, _basis(peer, case)
            try:
                found = self._first(peer, own, kinds)
                if peer.name == basis:
                    known[basis, own] = found
                elif (basis, own) not in known:
                    known[basis, own] = self._first(PEERS[basis], own, kinds)
                expected = known[basis, own]
                first[peer.name] = {kind: found[kind][0] for kind in kinds}
                errors[peer.name] = {
                    kind: error(found[kind][1], expected[kind][1]) for kind in kinds
                }
            except WorkerError as failure:
                notes[peer.name] = "failed: " + str(failure).strip().splitlines()[-1]
                print(f"{peer.name}: {failure}", file=sys.stderr)
                self.stop(peer.name)
                continue
            worst = max(errors[peer.name].values())
            if not worst <= TOLERANCE:
                notes[peer.name] = f"differs from ours by {worst:.0e}"
            elif case.ragged and not peer.lengths:
                notes[peer.name] = "runs over the padding"
        order = [peer.name for peer in self.peers(case)]  # ours first again
        ready = [name for name in order if name not in _unequal(notes)]
        for kind in kinds:
            seconds: dict[str, list[float]] = {name: [] for name in ready}
            for _ in range(timing.rounds):
                for name in ready:
                    found = self.worker(name).ask("time", kind, timing.seconds)
                    seconds[name].append(found)
            yield [
                self._row(part, case, kind, peer, seconds, first, errors, notes)
                for peer in self.peers(case)
            ]

    def _first(self, peer: Peer, case: Case, kinds: list[Kind]) -> Results:
        """Return seconds and results of the first call of each kind."""
        worker = self.worker(peer.name)
        worker.ask("build", case)
        found: Results = {}
        for kind in kinds:
            seconds, arrays = worker.ask("first", kind)
            if kind == "forward":
                arrays = {"y": np.where(case.mask()[..., None], arrays["y"], 0.0)}
            found[kind] = seconds, arrays
        return found

    def _row(self, part, case, kind, peer, seconds, first, errors, notes) -> Row:
        """Return the row of a peer."""
        name = peer.name
        row = {"part": part, **describe(case), **self.about}
        row |= {"kind": kind, "peer": name, "versions": versions(peer)}
        row["note"] = notes.get(name, "")
        if name in errors:
            row["error"] = f"{errors[name][kind]:.1e}"
        if not seconds.get(name):
            return row
        times = seconds[name]
        worker = self.worker(name)
        row["rounds"] = str(len(times))
        row["median_ms"] = f"{1e3 * median(times):.4g}"
        row["minimum_ms"] = f"{1e3 * min(times):.4g}"
        row["first_seconds"] = f"{first[name][kind]:.3g}"
        row["idle"] = f"{worker.idle_cpu / max(worker.idle_wall, 1e-9):.4f}"
        ours = seconds.get(_basis(peer, case), [])
        if ours:
            # Of neighbours in time: what else the machine did concerns both.
            ratios = [a / b for a, b in zip(times, ours, strict=True)]
            row["ratio"] = f"{median(ratios):.4g}"
        return row

    def memory(self, part: str, case: Case, repetitions: int = 3) -> list[Row]:
        """Return rows with the memory that a training step needs, in new processes.

        Args:
            part: of the benchmark; goes into the rows.
            case: what is measured.
            repetitions: training steps.
        """
        rows = []
        for peer in self.peers(case):
            self.stop(peer.name)
            row = {"part": part, **describe(case), **self.about, "kind": "step"}
            row |= {"peer": peer.name, "versions": versions(peer)}
            try:
                worker = self.worker(peer.name)
                base = worker.ask("build", case if peer.lengths else case.full)
                peak = worker.ask("memory", "step", repetitions)
                row |= {"base_mb": f"{base:.0f}", "peak_mb": f"{peak:.0f}"}
            except WorkerError as failure:
                row["note"] = "failed: " + str(failure).strip().splitlines()[-1]
            self.stop(peer.name)
            rows.append(row)
        return rows


def _basis(peer: Peer, case: Case) -> str:
    """Return which of our layers is the function that a peer computes."""
    return OTHER_FORM if case.cell in peer.other_form else OURS


def _unequal(notes: dict[str, str]) -> set[str]:
    """Return the peers that are not timed: what differs is no comparison."""
    return {name for name, note in notes.items() if note.startswith(("diff", "fail"))}
