"""The trained model that a command names."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from zoo.cli.command import Command

if TYPE_CHECKING:
    from zoo.pipelines import Pipeline


@dataclass(frozen=True)
class TrainedModel(Command):
    """The arguments of a command that loads a trained model."""

    run: Positional[Path]
    """Run folder, or the model folder in it."""
    cell: str | None = None
    """The model's cell if it is your own: module:Class, whose module is imported."""
    compile_cache: bool = True
    """Keep compiled programs on disk, in ZOO_COMPILE_CACHE or ~/.cache/rnn-zoo."""

    def load(self) -> "Pipeline":
        """Load the model.

        Raises:
            FileNotFoundError: if there is no model.
            ValueError: if it cannot be loaded, or has another cell than `cell`.
        """
        from zoo.cli import compile_cache

        if self.compile_cache:
            compile_cache.use()
        return load(self.run, self.cell)


def load(run: Path, cell: str | None) -> "Pipeline":
    """Load a trained model.

    Args:
        run: the run folder, or the model folder in it.
        cell: the name of its cell, whose module is imported first if it is a
            ``module:Class``; None imports nothing.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if it cannot be loaded, or has another cell than `cell`.
    """
    from zoo import artifact
    from zoo.registry import import_cell

    if cell is not None:
        import_cell(cell)
    pipeline = artifact.load(run)
    options = pipeline.options
    own = [options[k] for k in ("cell", "decoder_cell") if options.get(k)]
    if cell is not None and cell not in own:
        raise ValueError(f"--cell {cell}: the cell of {run} is {' and '.join(own)}")
    return pipeline
