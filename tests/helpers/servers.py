"""Servers of untrained models, as `zoo serve` starts them."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zoo
from tests.helpers.pipelines import pipelines
from tests.helpers.training import command
from tests.helpers.typed import present
from zoo.pipelines import (
    LanguageModelPipeline,
    ReaderPipeline,
    Seq2SeqPipeline,
    TaggerPipeline,
)

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
    """Return an untrained pipeline of each kind, and a backward language model."""
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
    forward = models["language_model"]
    models["backward"] = LanguageModelPipeline(
        forward.options, forward.text, backward=True, seed=1
    )
    models["reader"] = ReaderPipeline(sizes, symbols=3)
    return models


class Server:
    """A running server.

    Attributes:
        process: of the server.
        url: of the page, without a slash at the end.
        port: of the URL.
        errors: the file of its standard error, which should stay empty.
    """

    def __init__(
        self, folder: Path, *args: str, env: Mapping[str, str], program: str = ""
    ) -> None:
        """Start the server and wait until it is ready.

        Args:
            folder: of the model; the network guard is written next to it.
            *args: more arguments of the command.
            env: environment variables, with `PYTHONPATH`.
            program: Python code to run instead of `zoo serve`.
        """
        guard = folder.parent / "sitecustomize.py"
        guard.write_text(NETWORK_GUARD)
        start = command("zoo", "serve", folder, *args)
        if program:
            start[1:4] = ["-c", program]
        path = os.pathsep.join([str(guard.parent), env["PYTHONPATH"]])
        number, name = tempfile.mkstemp(".txt", dir=folder.parent)
        self.errors = Path(name)
        self.process = subprocess.Popen(
            start,
            env={**env, **PROXY, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=number,
            text=True,
        )
        os.close(number)
        self.url = present(self.process.stdout).readline().split(" ")[0].strip()
        if not self.url:
            self.kill()
            raise AssertionError(self.errors.read_text())
        self.port = int(self.url.rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server by a signal; it must exit silently and with status 0.

        Args:
            number: the signal.
        """
        self.process.send_signal(number)
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the server, which has received a signal.

        It must exit silently and with status 0.
        """
        try:
            self.process.wait(timeout=60)
            out = present(self.process.stdout).read()
        finally:
            self.kill()
        ending = (self.process.returncode, out, self.errors.read_text())
        assert ending == (0, "\n", ""), ending

    def kill(self) -> None:
        """End the server if it runs, and close its pipe."""
        self.process.kill()
        self.process.wait()
        present(self.process.stdout).close()


def save(path: Path, model: Any) -> Path:
    """Save a model, and return its folder.

    Args:
        path: the folder.
        model: the pipeline.
    """
    zoo.save(path, model, about={"task": f"the {model.kind}"})
    return path
