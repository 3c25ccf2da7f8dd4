"""``zoo lab``: a comparison of cells on a memory problem."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from zoo.cli.command import Command
from zoo.tasks.configs.memory import Config

Init = Literal["default", "torch", "identity", "chrono"]


@dataclass(frozen=True)
class Lab(Command):
    """Compare recurrent cells on a memory problem, and show why they differ.

    All cells are trained with the same settings, each in a run folder in OUT/runs.
    OUT/lab.html shows their scores, gradients and gates, on one page that a browser
    shows offline. If the command is interrupted, the same command resumes it.
    """

    extra: ClassVar[str | None] = "train"

    cells: str = "rnn,lstm,gru,lru"
    """Cells, separated by commas, each as for --cell of zoo train."""
    problem: Literal["copy", "adding", "digits", "delay"] = "adding"
    """Copy symbols, add two marked numbers, classify digits by pixel, delay by T."""
    length: int = 200
    """T: number of steps to remember; digits have 64."""
    hidden_size: int = 64
    """Hidden units of each cell."""
    epochs: int = 8
    """Epochs of 16,000 training sequences, which are new in each epoch."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    initializer: Init = "default"
    """Initialisation: of the cell, of torch, U = identity, biases spread over T."""
    input_scale: float = 1.0
    """Factor of the inputs."""
    limit_train: int | None = None
    """Number of training sequences per epoch, instead of all."""
    seed: int = 0
    """Seed of initialisation, data and dropout."""
    out: Path = Path("runs/lab")
    """Folder of the page and of the run folders."""
    compile_cache: bool = True
    """Keep compiled programs on disk, in ZOO_COMPILE_CACHE or ~/.cache/rnn-zoo."""
    debug: bool = False
    """Show the traceback of an error."""

    def of_cell(self, cell: str) -> Config:
        """Return the training flags of a cell.

        Args:
            cell: name of the cell.
        """
        shared = {field.name for field in dataclasses.fields(Config)}
        values = {k: v for k, v in dataclasses.asdict(self).items() if k in shared}
        values |= {"cell": cell, "out": self.out / "runs" / cell, "resume": True}
        return Config(**values)

    def main(self) -> None:
        """Compare the cells, and print the path of the page."""
        from zoo.cli import compile_cache
        from zoo.tasks.lab import comparison
        from zoo.tasks.run import console

        with console.errors(self.debug):
            if self.compile_cache:
                compile_cache.use()
            print(f"\nlab: {comparison.run(self)}")
