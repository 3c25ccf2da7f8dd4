"""What a command is: options in the fields of a dataclass, and what it does."""

import importlib.metadata
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import tyro

from zoo.cli.arguments import check_completion, check_options


class Command(ABC):
    """A command, whose fields are its options.

    Its module imports no JAX, so that help texts and errors in options do not wait for
    it: `main` imports what it needs.

    Attributes:
        extra: the name in pyproject.toml of the dependencies that only some commands
            need; None for a command that needs none of them.
    """

    extra: ClassVar[str | None] = None

    @classmethod
    def options(cls) -> Any:
        """Return the type from which tyro reads the options."""
        return cls

    @classmethod
    def execute(cls, arguments: Sequence[str], program: str) -> None:
        """Read the options and run the command.

        Args:
            arguments: after the name of the command.
            program: as the user calls it, with the name of the command.

        Raises:
            SystemExit: for ``--help``, and with status 2 for a wrong option.
            ImportError: if a package of `extra` is missing.
        """
        check_options(arguments, cls, program)
        command = read(cls.options(), arguments, program)
        cls.check_extra(program)
        command.main()

    @classmethod
    def check_extra(cls, program: str) -> None:
        """Raise an `ImportError` if a package of `extra` is missing.

        Args:
            program: as the user calls it, with the name of the command.
        """
        if cls.extra and (names := missing(cls.extra)):
            raise ImportError(
                f"{program} needs {', '.join(names)}: pip install "
                f"'rnn-zoo[{cls.extra}]'"
            )

    @abstractmethod
    def main(self) -> None:
        """Do what the command is for."""


def read(options: Any, arguments: Sequence[str], program: str, about: str = "") -> Any:
    """Return the options of a command line.

    Args:
        options: a dataclass, or a union of several as subcommands.
        arguments: of the command line.
        program: as the user calls it, with the name of the command.
        about: what the program does; by default the docstring of `options`.

    Raises:
        SystemExit: for ``--help``, and with status 2 for a wrong option.
    """
    check_completion(arguments, program)
    # None is a default: what is not given, not a word to write.
    config = (tyro.conf.DisallowNone,)
    return tyro.cli(
        options,
        prog=program,
        description=about or None,
        args=arguments,
        config=config,
    )


def missing(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed.

    Args:
        extra: its name in pyproject.toml.
    """
    try:
        requirements = importlib.metadata.requires("rnn-zoo") or []
    except importlib.metadata.PackageNotFoundError:  # a folder in `sys.path`
        return []
    names = []
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        if name and f'extra == "{extra}"' in requirement:
            try:
                importlib.metadata.distribution(name[0])
            except importlib.metadata.PackageNotFoundError:
                names.append(name[0])
    return names
