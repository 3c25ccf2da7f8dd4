"""The workers of all libraries, and which of them run a case."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.csv_table import Row
from benchmarks.speed.cases import Case, Device, Kind
from benchmarks.speed.peers import OURS, PEERS, Peer, reference_name
from benchmarks.speed.worker import Worker, WorkerError


class Bench:
    """A worker for each library, started when it is needed.

    Attributes:
        names: of the peers to measure.
        cores: that each worker may use.
        columns: of every row: cores, machine, revision, device.
        device: where the libraries run.
        cache: folder of compiled programs, or None.
    """

    def __init__(
        self,
        names: list[str],
        cores: list[int],
        columns: Row,
        device: Device = "cpu",
        cache: Path | None = None,
    ) -> None:
        """Start no worker yet.

        Args:
            names: of the peers to measure, ours among them.
            cores: that each worker may use.
            columns: of every row.
            device: where the libraries run.
            cache: folder of compiled programs, or None. With a cache, the first calls
                of all libraries run in parallel, and their times mean nothing.
        """
        self.names, self.cores, self.columns = names, cores, columns
        self.device: Device = device
        self.cache = cache
        self._workers: dict[str, Worker] = {}

    def worker(self, name: str) -> Worker:
        """Return the worker of a peer; start it if necessary.

        Args:
            name: of the peer.
        """
        if name not in self._workers:
            self._workers[name] = self.start(name)
        return self._workers[name]

    def start(self, name: str) -> Worker:
        """Return a new worker of a peer.

        Args:
            name: of the peer.
        """
        return Worker(name, self.cores, device=self.device, cache=self.cache)

    def stop(self, name: str | None = None) -> None:
        """End the worker of a peer, or all workers.

        Args:
            name: of the peer, or None.
        """
        for key in [name] if name else list(self._workers):
            if key in self._workers:
                self._workers.pop(key).stop()

    def device_name(self) -> str:
        """Return ``"cpu"``, or JAX's name of the GPU."""
        return "cpu" if self.device == "cpu" else self.worker(OURS).ask("device")

    def peers(self, part: str, case: Case) -> list[Peer]:
        """Return the peers that run a case, ours first.

        Args:
            part: of the benchmark; no other library is in the linear part.
            case: the network and the batch.
        """
        names = [OURS] if part == "linear" else self.names
        return [
            peer
            for peer in map(PEERS.__getitem__, names)
            if case.cell in peer.cells
            and (peer.parts is None or part in peer.parts)
            and (case.ragged or not peer.ragged_only)
        ]

    def stages(self, part: str, case: Case) -> list[tuple[Case, list[str]]]:
        """Return which peers are compared on which case.

        Peers that compute the padding are compared with our layers on full rows, and
        come first: after the last stage our workers hold the case itself.

        Args:
            part: of the benchmark.
            case: the network and the batch.
        """
        stages: dict[Case, dict[str, None]] = {}  # ordered sets of names
        for peer in sorted(self.peers(part, case), key=lambda p: p.uses_lengths):
            names = stages.setdefault(compared_case(peer, case), {})
            names |= {reference_name(peer, case.cell): None, peer.name: None}
        return [(stage_case, list(names)) for stage_case, names in stages.items()]

    def precompile(
        self, cases: list[tuple[str, Case]], kinds: list[Kind], seconds: float
    ) -> None:
        """Compile the programs of many cases, in parallel, into the cache.

        Each peer has a process for each cell and number of layers; as many processes
        run at a time as there are cores.

        Args:
            cases: with the part of each.
            kinds: forward, step.
            seconds: after which no compilation starts.
        """
        end = time.monotonic() + seconds
        groups: dict[tuple[str, str, int], dict[Case, None]] = {}
        for part, case in cases:
            for stage_case, names in self.stages(part, case):
                for name in names:
                    if PEERS[name].uses_jax:
                        group = (name, case.cell, case.layers)
                        groups.setdefault(group, {})[stage_case] = None

        def compile_group(group: tuple[str, str, int]) -> None:
            worker = self.start(group[0])
            try:
                for case in groups[group]:
                    if time.monotonic() < end:
                        worker.ask("precompile", case, kinds)
            except WorkerError:
                pass  # the measurement will fail again, and note it
            finally:
                worker.stop()

        with ThreadPoolExecutor(len(self.cores)) as pool:
            list(pool.map(compile_group, groups))


def compared_case(peer: Peer, case: Case) -> Case:
    """Return the case on which a peer is compared with ours.

    Args:
        peer: any peer.
        case: the network and the batch.
    """
    return case if peer.uses_lengths else case.with_full_rows
