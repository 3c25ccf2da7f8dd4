"""A case on all libraries: equal first, then timed in turns."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.speed.cases import Case, Device, Kind
from benchmarks.speed.peers import OTHER_FORM, OURS, PEERS, Peer
from benchmarks.speed.table import Row, describe, versions
from benchmarks.speed.worker import Worker, WorkerError, one_arena

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


def tolerance(case: Case) -> float:
    """Return how far a peer may be from ours, by the largest entry of each array.

    Args:
        case: what is measured.
    """
    if case.dtype == "bfloat16":
        # A mantissa of 8 bits, rounded at other places by each library, at every step.
        return 5e-2
    # A GPU multiplies float32 as TF32, of 11 bits, unless one asks for more: jax in all
    # products, PyTorch in cuDNN. Each library is left as it is.
    return 1e-4 if case.device == "cpu" else 5e-3


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

    def __init__(
        self,
        names: list[str],
        cores: list[int],
        about: Row,
        device: Device = "cpu",
        cache: Path | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            names: of the peers that shall be measured, ours among them.
            cores: that each worker may use.
            about: columns of every row: cores, machine, our version.
            device: where the workers work.
            cache: folder of compiled programs, or None. With one the first calls are
                made all at once and tell nothing.
        """
        self.names, self.cores, self.about = names, cores, about
        self.device: Device = device
        self.cache = cache
        self._workers: dict[str, Worker] = {}

    def worker(self, name: str) -> Worker:
        """Return the worker of a peer, started if it is not.

        Args:
            name: of the peer.
        """
        if name not in self._workers:
            self._workers[name] = self._start(name)
        return self._workers[name]

    def _start(self, name: str) -> Worker:
        """Return a new worker of a peer."""
        return Worker(name, self.cores, device=self.device, cache=self.cache)

    def device_name(self) -> str:
        """Return ``"cpu"``, or the name of the GPU, as jax tells it."""
        return "cpu" if self.device == "cpu" else self.worker(OURS).ask("device")

    def stop(self, name: str | None = None) -> None:
        """End the worker of a peer, or all.

        Args:
            name: of the peer, or None.
        """
        for one in [name] if name else list(self._workers):
            if one in self._workers:
                self._workers.pop(one).stop()

    def peers(self, part: str, case: Case) -> list[Peer]:
        """Return the peers that have a cell, ours first.

        Args:
            part: of the benchmark; the linear cells are ours alone.
            case: what is measured.
        """
        names = [OURS] if part == "linear" else self.names
        found = [PEERS[name] for name in names if case.cell in PEERS[name].cells]
        found = [peer for peer in found if part in (peer.parts or (part,))]
        return [peer for peer in found if case.ragged or not peer.ragged_only]

    def warm(
        self, todo: list[tuple[str, Case]], kinds: list[Kind], seconds: float
    ) -> None:
        """Compile the programs of many cases, all at once, into the cache.

        Each peer has a process for each cell and stack, as many at a time as cores.

        Args:
            todo: parts and cases.
            kinds: forward, step.
            seconds: after which nothing more is begun.
        """
        end = time.monotonic() + seconds
        groups: dict[tuple[str, str, int], dict[Case, None]] = {}
        for part, case in todo:
            for own, names in self._stages(part, case):
                for name in names:
                    if "jax" in PEERS[name].packages:
                        group = (name, case.cell, case.layers)
                        groups.setdefault(group, {})[own] = None

        def work(group: tuple[str, str, int]) -> None:
            worker = self._start(group[0])
            try:
                for case in groups[group]:
                    if time.monotonic() < end:
                        worker.ask("warm", case, kinds)
            except WorkerError:
                pass  # it will fail again, and be noted, when it is measured
            finally:
                worker.stop()

        with ThreadPoolExecutor(len(self.cores)) as pool:
            list(pool.map(work, groups))

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
        for own, names in self._stages(part, case):
            found = self._firsts(names, own, kinds)
            for peer in self.peers(part, case):
                if (
                    peer.name not in found
                    or (case if peer.lengths else case.full) != own
                ):
                    continue
                try:
                    mine, expected = (
                        _known(found[name]) for name in (peer.name, _basis(peer, case))
                    )
                    errors[peer.name] = {
                        kind: error(mine[kind][1], expected[kind][1]) for kind in kinds
                    }
                    first[peer.name] = {kind: mine[kind][0] for kind in kinds}
                except WorkerError as failure:
                    notes[peer.name] = _failed(failure)
                    print(f"{peer.name}: {failure}", file=sys.stderr)
                    self.stop(peer.name)
                    continue
                worst = max(errors[peer.name].values())
                if not worst <= tolerance(case):
                    notes[peer.name] = f"differs from ours by {worst:.0e}"
                elif case.ragged and not peer.lengths:
                    notes[peer.name] = "runs over the padding"
        order = [peer.name for peer in self.peers(part, case)]
        ready = [name for name in order if name not in _unequal(notes)]
        for kind in kinds:
            seconds: dict[str, list[float]] = {name: [] for name in ready}
            for _ in range(timing.rounds):
                for name in ready:
                    found = self.worker(name).ask("time", kind, timing.seconds)
                    seconds[name].append(found)
            yield [
                self._row(part, case, kind, peer, seconds, first, errors, notes)
                for peer in self.peers(part, case)
            ]

    def _stages(self, part: str, case: Case) -> list[tuple[Case, list[str]]]:
        """Return who is compared on what, those over the padding first.

        They are compared with our layers on full rows. What our workers are left with
        is the case itself.
        """
        found: dict[Case, dict[str, None]] = {}
        for peer in sorted(self.peers(part, case), key=lambda p: p.lengths):
            own = case if peer.lengths else case.full
            names = found.setdefault(own, {})
            names |= {_basis(peer, case): None, peer.name: None}
        return [(own, list(names)) for own, names in found.items()]

    def _firsts(self, names: list[str], case: Case, kinds: list[Kind]):
        """Return the first results of some peers, or why there are none, by name."""

        def first(name: str) -> Results | WorkerError:
            try:
                return self._first(name, case, kinds)
            except WorkerError as failure:
                return failure

        # Their seconds are told, unless there is a cache: then one after the other.
        with ThreadPoolExecutor(len(names) if self.cache else 1) as pool:
            return dict(zip(names, pool.map(first, names), strict=True))

    def _first(self, name: str, case: Case, kinds: list[Kind]) -> Results:
        """Return seconds and results of the first call of each kind."""
        worker = self.worker(name)
        worker.ask("build", case)
        found: Results = {}
        for kind in kinds:
            seconds, arrays = worker.ask("first", kind)
            if kind == "forward" and case.ragged:
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
        if self.cache is None:
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
            repetitions: training steps after the first, which may compile.
        """
        rows = []
        for peer in self.peers(part, case):
            self.stop(peer.name)
            row = {"part": part, **describe(case), **self.about, "kind": "step"}
            row |= {"peer": peer.name, "versions": versions(peer)}
            try:
                with one_arena():
                    worker = self.worker(peer.name)
                base = worker.ask("build", case if peer.lengths else case.full)
                peak, step = worker.ask("memory", "step", repetitions)
                row |= {"base_mb": f"{base:.0f}", "peak_mb": f"{peak:.0f}"}
                if step is not None:
                    row["step_mb"] = f"{step:.1f}"
            except WorkerError as failure:
                row["note"] = _failed(failure)
            self.stop(peer.name)
            rows.append(row)
        return rows


def _basis(peer: Peer, case: Case) -> str:
    """Return which of our layers is the function that a peer computes."""
    return OTHER_FORM if case.cell in peer.other_form else OURS


def _known(found: Results | WorkerError) -> Results:
    """Return results, if there are any."""
    if isinstance(found, WorkerError):
        raise found
    return found


def _failed(failure: WorkerError) -> str:
    """Return the note of a peer that could not."""
    return "failed: " + str(failure).strip().splitlines()[-1]


def _unequal(notes: dict[str, str]) -> set[str]:
    """Return the peers that are not timed: what differs is no comparison."""
    return {name for name, note in notes.items() if note.startswith(("diff", "fail"))}
