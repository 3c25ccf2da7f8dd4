"""Measure the server: ``docs/generated/serve.md``.

``python benchmarks/serve.py`` measures; ``--page`` only writes the page. The models are
untrained, with the sizes that a run has by default.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import zoo  # noqa: E402
from benchmarks.csv_table import Row, Table  # noqa: E402
from benchmarks.environment import describe_machines, machine_columns  # noqa: E402
from benchmarks.pages import markdown_table, read_template  # noqa: E402
from benchmarks.paths import PAGES, RESULTS, ROOT  # noqa: E402
from zoo.pipelines import ClassifierPipeline, LanguageModelPipeline  # noqa: E402
from zoo.text import Text, Vocabulary  # noqa: E402

TABLE = RESULTS / "serve.csv"
PAGE = PAGES / "serve.md"
KEY = ("case", "clients")
COLUMNS = [*KEY, "requests", "per_second", "p50_ms", "p99_ms"]
COLUMNS += ["cores", "machine", "versions"]
CLIENTS = (1, 8, 64)
SECONDS = 5.0  # of requests for each number of clients
STARTS = 5
SENTENCE = "a good film with a bad end and no story at all"
PREDICT: tuple[str, Any] = ("/predict", {"text": SENTENCE})
SHORT: tuple[str, Any] = ("/generate", {"prompt": "a", "length": 3})
MEDIUM: tuple[str, Any] = ("/generate", {"prompt": "a", "length": 50})
LONG: tuple[str, Any] = ("/generate", {"prompt": "a", "length": 2000})


def save_models(folder: Path) -> None:
    """Write the models into a folder.

    Args:
        folder: the parent of their folders.
    """
    words, chars = Text.build([SENTENCE]), Text.build([SENTENCE], "chars")
    classifier = {"vocab_size": len(words.vocabulary), "num_labels": 2}
    labels = Vocabulary(["no", "yes"])
    zoo.save(folder / "classifier", ClassifierPipeline(classifier, words, labels))
    options = {"vocab_size": len(chars.vocabulary)}
    zoo.save(folder / "language_model", LanguageModelPipeline(options, chars))


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve a model, and yield the port.

    Args:
        folder: of the model.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo", "serve", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().split()[0].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        process.stdout.close()


def ask(connection: HTTPConnection, request: tuple[str, Any]) -> float:
    """Send a request, read its answer, and return the seconds between them.

    Args:
        connection: to the server.
        request: path and body.
    """
    path, body = request
    start = time.perf_counter()
    headers = {"Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body).encode(), headers)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content
    return time.perf_counter() - start


def load(
    port: int, request: tuple[str, Any], clients: int
) -> tuple[list[float], float]:
    """Let clients send a request again and again.

    Args:
        port: of the server.
        request: path and body.
        clients: number of clients, each with a connection.

    Returns:
        The seconds of each request, and those of all.
    """
    ready = threading.Barrier(clients)

    def client(_: int) -> list[float]:
        connection = HTTPConnection("127.0.0.1", port)
        ask(connection, request)
        ready.wait()
        end, times = time.perf_counter() + SECONDS, []
        while time.perf_counter() < end:
            times.append(ask(connection, request))
        connection.close()
        return times

    with ThreadPoolExecutor(clients) as threads:
        times = [
            time for times in threads.map(client, range(clients)) for time in times
        ]
    return times, SECONDS


@contextmanager
def stream(port: int) -> Iterator[None]:
    """Generate long texts in another client, one after the other.

    Args:
        port: of the server.
    """
    stopped, started = threading.Event(), threading.Event()

    def client() -> None:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        while not stopped.is_set():
            connection = HTTPConnection("127.0.0.1", port)
            connection.request("POST", LONG[0], json.dumps(LONG[1]).encode(), headers)
            while not stopped.is_set() and connection.sock.recv(1 << 16):
                started.set()
            connection.close()

    thread = threading.Thread(target=client)
    thread.start()
    started.wait()
    yield
    stopped.set()
    thread.join()


def row(case: str, clients: int, times: list[float], seconds: float) -> Row:
    """Return the row of a measurement.

    Args:
        case: what was measured.
        clients: number of clients.
        times: seconds of each request.
        seconds: of all.
    """
    times = sorted(times)
    return {
        "case": case,
        "clients": str(clients),
        "requests": str(len(times)),
        "per_second": f"{len(times) / seconds:.1f}",
        "p50_ms": f"{1e3 * statistics.median(times):.2f}",
        "p99_ms": f"{1e3 * times[int(0.99 * (len(times) - 1))]:.2f}",
        **machine_columns(["jax", "starlette", "uvicorn"]),
    }


def start_time(folder: Path) -> float:
    """Return the seconds from the command to the first answer.

    Args:
        folder: of the classifier.
    """
    start = time.perf_counter()
    with served(folder) as port:
        ask(HTTPConnection("127.0.0.1", port), PREDICT)
        return time.perf_counter() - start


def measure(folder: Path) -> Iterator[Row]:
    """Yield a row for each measurement.

    Args:
        folder: of the models.
    """
    starts = [start_time(folder / "classifier") for _ in range(STARTS)]
    yield row("from the command to the first answer", 1, starts, sum(starts))
    with served(folder / "classifier") as port:
        for clients in CLIENTS:
            case = f"predict, {len(SENTENCE.split())} words"
            yield row(case, clients, *load(port, PREDICT, clients))
    with served(folder / "language_model") as port:
        for clients in CLIENTS:
            yield row("generate, 50 tokens", clients, *load(port, MEDIUM, clients))
        yield row("generate, 3 tokens", 1, *load(port, SHORT, 1))
        with stream(port):
            case = "generate, 3 tokens, while another client generates 2,000"
            yield row(case, 1, *load(port, SHORT, 1))


def page(rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    header = ["case", "clients", "requests", "requests/s", "p50 ms", "p99 ms"]
    lines = [[row[name] for name in COLUMNS[: len(header)]] for row in rows]
    text = read_template("serve.md").format(
        starts=STARTS,
        table=markdown_table(header, lines),
        machines=describe_machines(rows),
    )
    return text + "\n"


def main() -> None:
    """Measure unless ``--page`` is set, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    table = Table(TABLE, KEY, COLUMNS)
    if not arguments.page:
        with tempfile.TemporaryDirectory() as name:
            save_models(Path(name))
            for one in measure(Path(name)):
                print(", ".join(one.values()), flush=True)
                table.merge([one])
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
