"""A process that loads model folders, for the target ``artifacts``.

It reads a request per line, a JSON object with the ``path`` of a folder, the name of
its ``original`` and whether its checksums are ``forged``; and answers with a line each:
``[outcome, failure]``. The first request for an original is for the folder itself, and
its predictions are those that all later ones must have.
"""

import contextlib
import importlib
import itertools
import json
import os
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import jax

import zoo
from tests.helpers.pipelines import answers
from zoo.artifact import ArtifactError, about

with contextlib.suppress(ImportError):  # no trial loads the kernels
    importlib.import_module("zoo_native")

ZOO = str(Path(zoo.__file__).parent)
MAX_SECONDS = 5.0  # of CPU time, to load
MAX_MEMORY = 2**30  # bytes that one trial may add to the peak
# More than a trial may take, and less than would stop the machine.
ADDRESS_SPACE = 2**36
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
STARTS = (
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
)
STARTS += (
    "socket.",
    "urllib.",
    "ctypes.",
    "pty.",
    "webbrowser.",
    "exec.",
    "code.__new",
)
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink")
CHANGES += ("os.chmod", "os.chown", "os.truncate", "os.utime", "shutil.")


class Watch:
    """Records what a trial does beyond reading files.

    Attributes:
        folder: of the trial; None between trials.
        text: all bytes of its files.
        events: what it did.
    """

    def __init__(self, cache: str) -> None:
        """Watch from now on.

        Args:
            cache: a folder that may be written: of compiled programs.
        """
        self.cache = cache
        self.folder: str | None = None
        self.text = b""
        self.events: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, _, flags = arguments
            inside = str(path).startswith((self.folder, self.cache, "/dev/null"))
            if flags & WRITES and not inside:
                self.events.append(f"opens {path} for writing")
        elif event == "import":
            name = arguments[0]
            if name not in sys.modules and name.encode() in self.text:
                self.events.append(f"imports {name}")
        elif event.startswith(STARTS):
            self.events.append(f"{event}{arguments}")
        elif event.startswith(CHANGES):
            if not str(arguments[0]).startswith((self.folder, self.cache)):
                self.events.append(f"{event}{arguments}")


def attempt(
    watch: Watch, request: dict[str, Any], expected: dict[str, str]
) -> list[Any]:
    """Load a folder; return the outcome, and the failure or None."""
    path, name = request["path"], request["original"]
    watch.text = b"".join(_content(entry) for entry in Path(path).rglob("*"))
    watch.folder, watch.events = path, []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failure = None
    try:
        try:
            about(path)
        except (ArtifactError, FileNotFoundError) as error:
            _check_message(error)
        begin = time.process_time()
        try:
            pipeline = zoo.load(path)
            outcome = "loaded"
        except (ArtifactError, FileNotFoundError) as error:
            _check_message(error)
            outcome = type(error).__name__
        seconds = time.process_time() - begin
        if seconds > MAX_SECONDS:
            failure = f"loading took {seconds:.1f} s of CPU time"
        if outcome == "loaded":
            result = _predictions(pipeline)
            first = expected.setdefault(name, result)
            if not request["forged"] and result != first:
                failure = "other predictions in silence"
            outcome = "loaded" if result == first else "loaded, other predictions"
            if result.startswith("error: "):
                outcome = "loaded, an error of zoo in predict"
    except Exception as error:
        outcome = type(error).__name__
        failure = "".join(traceback.format_exception(error)[-3:])
    watch.folder = None
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if growth * 1024 > MAX_MEMORY:
        failure = f"{growth / 1024:,.0f} MB of memory"
    if watch.events:
        failure = "; ".join(watch.events)
    return [outcome, failure]


def _content(path: Path) -> bytes:
    """Return the content of a small regular file, otherwise b""."""
    is_small = path.is_file() and not path.is_symlink() and path.stat().st_size < 2**28
    return path.read_bytes() if is_small else b""


def _check_message(error: Exception) -> None:
    """Check that a message is one line that is not long."""
    message = str(error)
    assert len(message) <= 500 and message.isprintable(), f"message: {message!r}"


def _predictions(pipeline: Any) -> str:
    """Return the predictions as text, or the error of the library that refuses them."""
    try:
        return repr(answers(pipeline))
    except (ValueError, TypeError) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        if not frame.filename.startswith(ZOO):
            raise
        return f"error: {error}"


def main() -> None:
    """Answer requests until the input ends."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    cache = sys.argv[1]
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    watch = Watch(cache)
    expected: dict[str, str] = {}
    for number in itertools.count():
        line = sys.stdin.readline()
        if not line:
            return
        print(json.dumps(attempt(watch, json.loads(line), expected)), file=output)
        output.flush()
        if number % 100 == 0:
            jax.clear_caches()


if __name__ == "__main__":
    main()
