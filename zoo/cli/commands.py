"""The commands of ``zoo``, and how their errors are reported."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, NoReturn, Union

from tyro.conf import subcommand

from zoo.cli.arguments import check_command
from zoo.cli.command import Command, read
from zoo.cli.terminal import closed_pipe_is_quiet, open_closed_streams, visible
from zoo.version import VERSION

# The modules are imported when they are used. Those of training are not part of the
# library, which does not depend on them.
COMMANDS = {
    "train": "zoo.tasks.cli.train:Train",
    "evaluate": "zoo.tasks.cli.evaluate:Evaluate",
    "lab": "zoo.tasks.cli.lab:Lab",
    "predict": "zoo.cli.predict:Predict",
    "generate": "zoo.cli.generate:Generate",
    "serve": "zoo.cli.serve:Serve",
    "info": "zoo.cli.info:Info",
    "cells": "zoo.cli.cells:Cells",
}
ABOUT = "Train recurrent networks on text, and use them. --version prints the version."


def main() -> None:
    """Read the command line and run the command."""
    open_closed_streams()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--version"]:
        print(f"rnn-zoo {VERSION}")
        return
    check_command(arguments, COMMANDS, "zoo")
    if arguments and arguments[0] in COMMANDS:
        run(arguments[0], arguments[1:], f"zoo {arguments[0]}")
        return
    commands: list[Any] = []
    for name in COMMANDS:
        kind = command_of(name)
        about = (kind.__doc__ or "").strip().splitlines()[0]
        parts = subcommand(name, description=about)
        commands.append(Annotated[kind.options(), parts])
    with _errors_in_one_line():
        read(Union[tuple(commands)], arguments, "zoo", ABOUT)  # noqa: UP007


def command_of(name: str) -> type[Command]:
    """Return the class of a command.

    Args:
        name: a key of `COMMANDS`.
    """
    module, _, kind = COMMANDS[name].partition(":")
    return getattr(importlib.import_module(module), kind)


def run(name: str, arguments: Sequence[str], program: str) -> None:
    """Run a command; report an error as one line, and exit with its status.

    Args:
        name: a key of `COMMANDS`.
        arguments: after the name of the command.
        program: as the user calls it, with the name of the command.
    """
    open_closed_streams()
    with _errors_in_one_line():
        command_of(name).execute(arguments, program)


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Report an error as one line, and exit with its status."""
    try:
        with closed_pipe_is_quiet():
            yield
    except KeyboardInterrupt:
        print(file=sys.stderr)
        _exit_at_once(130)
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > 128:  # the status of a signal
            _exit_at_once(end.code)
        raise
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"error: {visible(str(error), sys.stderr)}", file=sys.stderr)
        raise SystemExit(1) from None


def _exit_at_once(status: int) -> NoReturn:
    """End the process, whatever its threads do.

    The interpreter would wait for those that compile a program, for seconds. All that
    is written to files has been closed by now.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a pipe that is closed
            stream.flush()
    os._exit(status)
