"""Processes of the training program, which start without importing libraries again.

Importing JAX, `datasets`, Orbax and the others takes longer than the training of most
tests. On Linux, a server process imports them once, and each process of a training is a
fork of it: a process of its own, with its own devices, signals and exit status. Where
the environment differs in what libraries read when they are imported, and on other
systems, a new interpreter is started.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.reduction import DupFd
from pathlib import Path
from threading import Thread
from typing import IO, Any

ROOT = Path(__file__).parents[2]
PRELOADED = ["zoo.train", "zoo.tasks.run.checkpoints", "datasets", "sklearn.metrics"]
PRELOADED += [
    "matplotlib.figure",
    "zoo.tasks.run.tensorboard",
    "seqeval.metrics",
    "sacrebleu",
]
# Variables that libraries read when they are imported. JAX reads XLA_FLAGS later.
READ_AT_IMPORT = ("HF_", "JAX_", "MPL", "NNX_", "OMP_", "OPENBLAS_", "PYTHON")


class Process:
    """A forked process, with the methods of ``subprocess.Popen`` that the tests use."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start ``python SCRIPT [ARGUMENTS]``.

        Args:
            argv: as for `start`.
            env: environment variables.
        """
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        process: Any = multiprocessing.get_context("forkserver").Process(
            target=_Main(argv, env, (out_end, err_end))
        )
        try:
            process.start()
        finally:
            os.close(out_end)
            os.close(err_end)
        self._process = process
        self.stdout, self.stderr = (open(fd, encoding="utf-8") for fd in (out, err))

    @property
    def returncode(self) -> int | None:
        """The exit status, None while the process runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status at the end."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("train.py", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return the rest of stdout and stderr at the end."""
        texts = ["", ""]

        def read(index: int, pipe: IO[str]) -> None:
            with pipe:
                texts[index] = pipe.read()

        pipes = enumerate((self.stdout, self.stderr))
        threads = [Thread(target=read, args=arguments) for arguments in pipes]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads:
            thread.join()
        return texts[0], texts[1]


class _Main:
    """The target of a forked process: a script, with its arguments and pipes."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], ends: tuple[int, int]
    ) -> None:
        self.argv, self.env = list(argv), dict(env)
        self.ends: Sequence[Any] = ends

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "ends": [DupFd(fd) for fd in self.ends]}

    def __call__(self) -> None:
        os.environ.clear()
        os.environ.update(self.env)
        os.chdir(ROOT)
        for number, end in enumerate(self.ends, 1):
            os.dup2(end.detach(), number)
        sys.stdout, sys.stderr = (
            open(fd, "w", encoding="utf-8", buffering=1, closefd=False) for fd in (1, 2)
        )
        sys.argv = self.argv
        try:
            if (name := self.argv[0]).endswith(".py"):
                runpy.run_path(name, run_name="__main__")
            else:
                runpy.run_module(name, run_name="__main__", alter_sys=True)
        finally:
            # Processes of `multiprocessing` end without them.
            atexit._run_exitfuncs()
            sys.stdout.flush()


def start(
    name: str, *arguments: Any, env: Mapping[str, str]
) -> "subprocess.Popen[str] | Process":
    """Start a script or a module, with pipes for stdout and stderr.

    Args:
        name: a script of the root of the project, as ``train.py``, or a module.
        *arguments: on its command line.
        env: environment variables.
    """
    argv = [str(ROOT / name) if name.endswith(".py") else name, *map(str, arguments)]
    variables = _at_import(env)
    if sys.platform == "linux" and variables == _start_server(variables):
        return Process(argv, env)
    return subprocess.Popen(
        [sys.executable, *([] if name.endswith(".py") else ["-m"]), *argv],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _at_import(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that the server process cannot change any more."""
    items = env.items()
    return tuple(sorted(item for item in items if item[0].startswith(READ_AT_IMPORT)))


_environment: tuple[tuple[str, str], ...] | None = None


def _start_server(variables: tuple[tuple[str, str], ...]) -> object:
    """Start the server process, unless it runs; return the variables that it has."""
    global _environment
    if _environment is None:
        forkserver.set_forkserver_preload(PRELOADED)
        own = dict(os.environ)
        for name, _ in _at_import(own):
            del os.environ[name]
        os.environ.update(variables)
        try:
            forkserver.ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(own)
        _environment = variables
    return _environment
