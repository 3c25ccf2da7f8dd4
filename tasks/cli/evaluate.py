"""``zoo evaluate``: the scores of a trained model."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from tyro.conf import Positional

from zoo.cli.command import Command
from zoo.cli.terminal import closed_pipe_is_quiet
from zoo.tasks.data.source import Source


@dataclass(frozen=True)
class Evaluate(Source, Command):
    """Score a trained model on its own data, or on another corpus."""

    extra: ClassVar[str | None] = "train"

    run: Positional[Path] = dataclasses.field(kw_only=True)
    """Run folder, or the model folder in it."""
    cell: str | None = None
    """The model's cell if it is your own: module:Class, whose module is imported."""
    data: str | None = None
    """A file, a folder, a glob or hub:NAME[/CONFIG]. Default: the run's own data."""
    split: Literal["train", "dev", "test"] = "test"
    """The split to score."""
    batch_size: int | None = None
    """Rows of a batch. Default: the run's."""
    batch_tokens: int | None = None
    """Largest batch, rows x padded length. Default: the run's."""
    one_stream: bool = False
    """charlm: score test as one stream, as --one-stream does in training."""
    seed: int | None = None
    """Seed of the splits that are taken from train. Default: the run's."""
    compile_cache: bool = True
    """Keep compiled programs on disk, in ZOO_COMPILE_CACHE or ~/.cache/rnn-zoo."""
    debug: bool = False
    """Show the traceback of an error."""

    def main(self) -> None:
        """Print the scores."""
        from zoo.tasks.evaluate import evaluate
        from zoo.tasks.run import console

        with console.errors(self.debug), closed_pipe_is_quiet():
            evaluate(self)
