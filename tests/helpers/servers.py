"""Servers of untrained models, as `python -m zoo serve` starts them."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zoo
from tests.helpers.pipelines import pipelines
from tests.helpers.training import command
from tests.helpers.typed import present
from zoo.pipelines import ReaderPipeline, Seq2SeqPipeline, TaggerPipeline

# Runs first in the server: it reports connections to other machines on stderr.
NETWORK_GUARD = """
import signal
import sys

# A shell that starts the tests in the background makes them ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPBACK = ("127.0.0.1", "localhost", "::1")

def hook(event, args):
    if event == "socket.connect" and args[1][0] not in LOOPBACK:
        sys.stderr.write(f"connected to {args[1]}\\n")
    if event == "socket.getaddrinfo" and args[0] not in LOOPBACK:
        sys.stderr.write(f"resolved {args[0]}\\n")

sys.addaudithook(hook)
"""
# A user may have a proxy set: the server must not use it.
PROXY = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")


def models() -> dict[str, Any]:
    """Return an untrained pipeline of each kind."""
    models = {pipeline.kind: pipeline for pipeline in pipelines()}
    tagger, seq2seq = models["tagger"], models["seq2seq"]
    # With these seeds some words have the tag O and some not, and the output of the
    # seq2seq model is not empty.
    models["tagger"] = TaggerPipeline(
        tagger.options, tagger.words, tagger.labels, seed=0
    )
    models["seq2seq"] = Seq2SeqPipeline(
        seq2seq.options, seq2seq.source, seq2seq.target, seq2seq.max_length, seed=2
    )
    sizes = {"input_size": 3, "output_size": 4, "hidden_size": 2, "each": True}
    models["reader"] = ReaderPipeline(sizes, symbols=3)
    return models


class Server:
    """A running server.

    Attributes:
        process: of the server.
        url: of the page, without a slash at the end.
        port: of the URL.
    """

    def __init__(
        self, folder: Path, *args: str, env: Mapping[str, str], program: str = ""
    ) -> None:
        """Start the server and wait until it is ready.

        Args:
            folder: of the model; the network guard is written next to it.
            *args: more arguments of the command.
            env: environment variables, with `PYTHONPATH`.
            program: Python code to run instead of `python -m zoo serve`.
        """
        guard = folder.parent / "sitecustomize.py"
        guard.write_text(NETWORK_GUARD)
        start = command("zoo", "serve", folder, *args)
        if program:
            start[1:4] = ["-c", program]
        path = os.pathsep.join([str(guard.parent), env["PYTHONPATH"]])
        self.process = subprocess.Popen(
            start,
            env={**env, **PROXY, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = present(self.process.stdout).readline().split(" ")[0].strip()
        if not self.url:
            _, errors = self.process.communicate()
            raise AssertionError(errors)
        self.port = int(self.url.rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server by a signal; it must exit silently and with status 0.

        The same signal may have been sent before.

        Args:
            number: the signal.
        """
        self.process.send_signal(number)
        try:
            out, errors = self.process.communicate(timeout=60)
        finally:
            self.kill()
        ending = (self.process.returncode, out, errors)
        assert ending == (0, "\n", ""), ending

    def kill(self) -> None:
        """End the server if it runs, and close its pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            present(pipe).close()


def save(folder: Path, model: Any) -> Path:
    """Save a model under its kind, and return its folder.

    Args:
        folder: the parent of the new folder.
        model: the pipeline.
    """
    path = folder / model.kind
    zoo.save(path, model, about={"task": f"the {model.kind}"})
    return path
