"""``zoo train``, which is ``python train.py`` in a clone."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Union

from tyro.conf import OmitArgPrefixes, subcommand

from zoo.cli.arguments import check_command, check_options
from zoo.cli.command import Command, read
from zoo.tasks.configs import CONFIGS, Config, groups


class Train(Command):
    """Train a recurrent network on text, and score it.

    Each epoch trains on every batch and is scored on dev; the model of the best epoch
    is kept, and scored once on test.
    """

    extra: ClassVar[str | None] = "train"

    def __init__(
        self, task: str, config: Config, parse: Callable[[Config], Config]
    ) -> None:
        """Hold what is trained.

        Args:
            task: a key of `CONFIGS`.
            config: the flags.
            parse: returns the flags of the command line, with other defaults.
        """
        self.task = task
        self.config = config
        self.parse = parse

    @classmethod
    def options(cls) -> Any:
        """Return the tasks as subcommands."""
        tasks = [
            Annotated[_grouped(kind()), subcommand(name)]
            for name, kind in CONFIGS.items()
        ]
        return Union[tuple(tasks)]  # noqa: UP007

    @classmethod
    def execute(cls, arguments: Sequence[str], program: str) -> None:
        """Read the flags and train.

        Args:
            arguments: the task and its flags.
            program: as the user calls it.

        Raises:
            SystemExit: for ``--help``; with status 2 for a wrong flag, with status 1
                if the training fails.
            ImportError: if a package of `extra` is missing.
        """
        check_command(arguments, CONFIGS, program)
        if not arguments or arguments[0] not in CONFIGS:
            read(cls.options(), arguments, program, cls.__doc__ or "")
            return
        task, *flags = arguments
        check_options(flags, CONFIGS[task], f"{program} {task}")
        parse = partial(_parse, flags, f"{program} {task}")
        config = parse(CONFIGS[task]())
        cls.check_extra(program)
        cls(task, config, parse).main()

    def main(self) -> None:
        """Train; flags that are not given are those of the run to resume."""
        from zoo.tasks.run import console, flags
        from zoo.train import train

        after_full_disk = "free some space and continue with --resume"
        with console.errors(self.config.debug, after_full_disk):
            saved = flags.of_run(self.config, self.task)
            is_new = saved is self.config
            train(self.task, saved if is_new else self.parse(saved))


def _grouped(config: Config) -> Any:
    """Return a dataclass with a field for each group of flags.

    Args:
        config: the defaults.
    """
    fields: list[tuple[str, Any, Any]] = []
    for name, group in groups(type(config)).items():
        values = {f.name: getattr(config, f.name) for f in dataclasses.fields(group)}
        default = dataclasses.field(default=group(**values))
        fields.append((name, OmitArgPrefixes[group], default))
    grouped = dataclasses.make_dataclass(type(config).__name__, fields)
    grouped.__doc__ = type(config).__doc__
    return grouped


def _parse(flags: Sequence[str], program: str, defaults: Config) -> Config:
    """Return the flags of a command line."""
    grouped = read(_grouped(defaults), flags, program)
    values: dict[str, Any] = {}
    for name in groups(type(defaults)):
        values |= vars(getattr(grouped, name))
    return type(defaults)(**values)
