"""One-line errors for misspelled commands and options of a command line."""

import dataclasses
import difflib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Those of tyro, which asserts that the shell is one of these.
COMPLETIONS = ("--tyro-print-completion", "--tyro-write-completion")
SHELLS = ("bash", "zsh", "fish", "tcsh")


def check_command(
    arguments: Sequence[str], commands: Mapping[str, Any], program: str
) -> None:
    """Exit with status 2 if a command does not exist, or an option comes before it.

    Args:
        arguments: of the command line, without the program.
        commands: the commands by name.
        program: as the user calls it.
    """
    if arguments and arguments[0].startswith("--"):
        _refuse_early_option(arguments, commands, program)
    if not arguments or arguments[0].startswith("-"):
        return
    if arguments[0] not in commands:
        _exit("command", arguments[0], commands, program)


def _refuse_early_option(
    arguments: Sequence[str], commands: Mapping[str, Any], program: str
) -> None:
    """Exit if the name of a command comes after an option of it."""
    first = arguments[0]
    names = [argument for argument in arguments if argument in commands]
    if names and first not in ("--help", "--version"):
        message = f"{first} comes after the command: {program} {names[0]} {first} ..."
        print(f"error: {program}: {message}", file=sys.stderr)
        raise SystemExit(2)


def check_options(arguments: Iterable[str], command: Any, program: str) -> None:
    """Exit with status 2 if an option does not exist.

    Args:
        arguments: of the command, without its name.
        command: a dataclass, whose fields are the options.
        program: as the user calls it, with the name of the command.
    """
    names = ["--help"]
    for field in dataclasses.fields(command):
        flag = field.name.replace("_", "-")
        names += [f"--{flag}", f"--no-{flag}"]
    for argument in arguments:
        if argument == "--":
            return
        name = argument.partition("=")[0].replace("_", "-")
        is_option = name.startswith("--") and not name.startswith("--tyro-")
        if is_option and name not in names:
            _exit("option", argument.partition("=")[0], names, program)


def check_completion(arguments: Sequence[str], program: str) -> None:
    """Exit with status 2 if a completion is requested for an unknown shell.

    Args:
        arguments: of a command line, before those of tyro.
        program: as the user calls it.
    """
    option = arguments[0].replace("_", "-") if len(arguments) > 1 else ""
    if option in COMPLETIONS and arguments[1] not in SHELLS:
        _exit("shell", arguments[1], SHELLS, program)


def _exit(kind: str, name: str, known: Iterable[str], program: str) -> None:
    similar = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if name == "--lr" and "--learning-rate" in known:
        similar = ["--learning-rate"]
    if similar:
        hint = f"did you mean {similar[0]}?"
    elif kind in ("command", "shell"):
        hint = f"expected one of {', '.join(known)}"
    else:
        hint = f"see {program} --help"
    print(f"error: {program}: no {kind} {name}; {hint}", file=sys.stderr)
    raise SystemExit(2)
