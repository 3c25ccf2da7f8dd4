"""Many clients at a time of a classifier's and of a language model's server.

Each trial is a request; `NUM_CLIENTS` threads send a batch of them. Every answer must
be the one that was computed in advance, and the servers must not grow.
"""

import dataclasses
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

import zoo
from tests.helpers.pipelines import pipelines
from tests.helpers.servers import Server
from tests.helpers.training import ROOT
from tests.torture.http_attempts import Attempt, Known, bad, good
from tests.torture.trial import Trial

NUM_CLIENTS = 64
REQUESTS_OF_A_CLIENT = 4  # in a batch
WARM_BATCHES = 16  # after which the memory of a server is taken as its normal size
MAX_GROWTH = 64 * 2**20  # bytes
SETTLE_SECONDS = 30.0  # to close the connections of clients that have gone
NUM_ANSWERS = 60


def trials(seed: int, folder: Path) -> Iterator[Trial]:
    """Yield requests.

    Args:
        seed: of the requests.
        folder: for the models and the output of the servers.
    """
    models = {pipeline.kind: pipeline for pipeline in pipelines()}
    servers: list[Server] = []
    try:
        known = []
        for kind, path, answers in (
            ("classifier", "/predict", _predictions),
            ("language_model", "/generate", _generations),
        ):
            zoo.save(folder / kind, models[kind])
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            servers.append(Server(folder / kind, env=environment))
            rng = random.Random(f"{kind} {seed}")
            known.append(Known(servers[-1].port, path, answers(models[kind], rng)))
        checks = [_Resources(server) for server in servers]
        with ThreadPoolExecutor(NUM_CLIENTS) as threads:
            batch = 0
            while True:
                attempts = _attempts(known, random.Random(f"{seed} {batch}"))
                yield from threads.map(_run, attempts)
                for check in checks:
                    yield check(batch)
                batch += 1
    finally:
        for server in servers:
            server.kill()


def _attempts(known: list[Known], rng: random.Random) -> list[Attempt]:
    """Return the requests of a batch."""
    makers: list[Callable[[Known, random.Random], Attempt]] = [good, bad]
    return [
        rng.choice(makers)(rng.choice(known), rng)
        for _ in range(NUM_CLIENTS * REQUESTS_OF_A_CLIENT)
    ]


def _run(attempt: Attempt) -> Trial:
    """Send a request."""
    try:
        failure = attempt.run()
    except Exception as error:  # such as a timeout, or an answer that is not JSON
        failure = f"{type(error).__name__}: {error}"
    return Trial(attempt.name, attempt.name if failure is None else "failed", failure)


def _predictions(model: Any, rng: random.Random) -> list[tuple[dict[str, Any], Any]]:
    """Return bodies and answers of a classifier."""
    words = ["the", "cat", "sat", "a", "dog", "ran", "é", "\U0001f600", "<b>", "\0"]
    texts = [
        " ".join(rng.choices(words, k=rng.randrange(25))) for _ in range(NUM_ANSWERS)
    ]
    results = [model.predict([text], batch_size=1)[0] for text in texts]
    records = [
        {"text": text, **dataclasses.asdict(result)}
        for text, result in zip(texts, results, strict=True)
    ]
    pairs: list[tuple[dict[str, Any], Any]] = [
        ({"text": record["text"]}, record) for record in records
    ]
    for start in range(0, NUM_ANSWERS, 5):
        several = records[start : start + 5]
        body = {"texts": [record["text"] for record in several]}
        pairs.append((body, {"results": several}))
    return pairs


def _generations(model: Any, rng: random.Random) -> list[tuple[dict[str, Any], Any]]:
    """Return bodies and events of a language model."""
    options: list[dict[str, Any]] = [
        {"temperature": 0.0},
        {"temperature": 1.0},
        {"temperature": 1.5, "top_k": 3},
        {"temperature": 0.5, "top_p": 0.9},
    ]
    pairs = []
    for _ in range(NUM_ANSWERS):
        body = {
            "prompt": "".join(rng.choices("hel \n", k=rng.randrange(20))),
            "length": rng.choice([1, 3, 30, 120]),
            "seed": rng.randrange(2**32),
            **rng.choice(options),
        }
        expected = [("token", {"text": text}) for text in model.generate(**body)]
        end = {"reason": "length", "tokens": body["length"], "seed": body["seed"]}
        pairs.append((body, [*expected, ("end", end)]))
    return pairs


class _Resources:
    """What a server uses; it must not grow from batch to batch."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._process = psutil.Process(server.process.pid)
        self._files = self._process.num_fds()
        self._threads = self._memory = 0

    def __call__(self, batch: int) -> Trial:
        """Compare with the start, and with the end of the first batches."""
        name = f"resources after batch {batch}"
        if self._server.process.poll() is not None:
            return Trial(name, "failed", f"exit {self._server.process.returncode}")
        failure = self._failure(batch)
        return Trial(name, "failed" if failure else "no growth", failure)

    def _failure(self, batch: int) -> str | None:
        """Return what has grown."""
        if errors := self._server.errors.read_text():
            return f"standard error: {errors[:300]!r}"
        files = self._settled_files()
        if files > self._files:
            return f"{files} open files, {self._files} at the start"
        threads = self._process.num_threads()
        memory = self._process.memory_info().rss
        if batch <= WARM_BATCHES:
            self._threads = max(self._threads, threads)
            self._memory = memory
        if threads > self._threads:
            return f"{threads} threads, {self._threads} before"
        if memory > self._memory + MAX_GROWTH:
            return f"{memory // 2**20} MB, {self._memory // 2**20} MB before"
        return None

    def _settled_files(self) -> int:
        """Return the number of open files, once the clients' connections are closed."""
        step = 0.02
        for _ in range(int(SETTLE_SECONDS / step)):
            if (files := self._process.num_fds()) <= self._files:
                return files
            time.sleep(step)
        return self._process.num_fds()
