"""Compare cells on a memory problem, and see why they differ.

``python -m tasks.lab --cells rnn,lstm,gru,lru --problem adding --length 200 --out DIR``
trains the cells alike, measures them, and writes ``DIR/lab.html``, one page that a
browser shows without a network. Each cell has a run folder in ``DIR/runs``; the same
command again goes on where it was interrupted.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import optax
import tyro

import zoo
from tasks.data.memory_problems import PROBLEMS
from tasks.lab.page import Cell, Start, write
from tasks.memory import Config, Memory
from tasks.program import Program
from tasks.run import console
from tasks.run.folder import Run
from tasks.run.gradient_decay import flow, gates, layers_of
from train import train
from zoo import checks, diagnostics
from zoo.pipelines import ReaderPipeline

Init = Literal["default", "torch", "identity", "chrono"]
SCALES = (0.1, 1.0)  # of the inputs, beside the one that is asked for
LONGEST = 100  # steps of the gradients at the beginning, for all ways to begin


@dataclass(frozen=True)
class Lab:
    """Compare cells on a memory problem, and see why they differ."""

    cells: str = "rnn,lstm,gru,lru"
    """Names with commas between them; `python -m zoo cells` lists them."""
    problem: Literal["copy", "adding", "digits", "delay"] = "adding"
    """Repeat symbols, add marked numbers, read digits by pixels, recall after T."""
    length: int = 200
    """T: steps that are to be remembered; digits have 64."""
    hidden_size: int = 64
    """Units of the layer of each cell."""
    epochs: int = 8
    """Passes over the 16,000 sequences of training, new ones each time."""
    learning_rate: float = 2e-3
    """Peak of the learning rate."""
    init: Init = "default"
    """How the cells begin: their default, as in torch, U = 1, biases spread over T."""
    input_scale: float = 1.0
    """Factor of the inputs."""
    limit_train: int | None = None
    """Train on so many sequences an epoch only."""
    seed: int = 0
    """Seed of all that is drawn."""
    out: Path = Path("runs/lab")
    """Where the page and the run folders go."""
    debug: bool = False
    """Show the traceback of an error."""

    def of_cell(self, cell: str) -> Config:
        """Return the flags of the training of a cell.

        Args:
            cell: its name.
        """
        shared = {field.name for field in dataclasses.fields(Config)}
        mine = {k: v for k, v in dataclasses.asdict(self).items() if k in shared}
        mine |= {"cell": cell, "out": self.out / "runs" / cell, "resume": True}
        return Config(**mine)


def names(lab: Lab) -> list[str]:
    """Return the cells that are compared.

    Args:
        lab: the flags.

    Raises:
        ValueError: if there is none, one twice, or no such cell.
    """
    found = [name.strip() for name in lab.cells.split(",") if name.strip()]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"--cells must name each cell once, got {lab.cells!r}")
    for name in found:
        checks.one_of("the name of a cell", name, zoo.cells())
    return found


def run(lab: Lab) -> Path:
    """Train, measure, write the page.

    Args:
        lab: the flags.

    Returns:
        The page.

    Raises:
        ValueError: if a flag is out of its range.
    """
    cells = names(lab)
    for cell in cells:
        Memory(lab.of_cell(cell))  # a wrong flag is told before anything is trained
    for cell in cells:
        config = lab.of_cell(cell)
        if not finished(config):
            print(f"\n== {cell}")
            train("memory", config)
    print("\n== measuring")
    found = [measure(lab, cell) for cell in cells]
    page = lab.out / "lab.html"
    write(page, lab, found, list(starts(lab, cells)), PROBLEMS[lab.problem])
    return page


def finished(config: Config) -> bool:
    """Tell whether a run with just these flags has come to its end.

    Args:
        config: its flags.
    """
    assert config.out is not None
    if not (config.out / "metrics.json").exists():
        return False
    Run("memory", config)  # refuses other flags than those of the run
    return True


def measure(lab: Lab, name: str) -> Cell:
    """Return what there is to see of a trained cell.

    Args:
        lab: the flags.
        name: of the cell.
    """
    config = lab.of_cell(name)
    assert config.out is not None
    trained = zoo.load(config.out)
    assert isinstance(trained, ReaderPipeline)
    task = Memory(config)
    metrics = json.loads((config.out / "metrics.json").read_text(encoding="utf-8"))
    x = task.inputs(lab.length)
    layers = layers_of(trained)
    found = gates(layers, x)
    return Cell(
        name=name,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(trained.params)),
        history=[
            json.loads(line)
            for line in (config.out / "log.jsonl").read_text().splitlines()
        ],
        test=metrics["test"],
        minutes=metrics["run"]["minutes"],
        by_length={n: score(lab, name, trained, n) for n in lengths(lab)},
        before=flow(layers_of(task.pipeline), x),
        after=flow(layers, x),
        gates=found,
        saturation={name: diagnostics.saturation(one) for name, one in found.items()},
    )


def lengths(lab: Lab) -> list[int]:
    """Return the lengths that a trained cell is asked: shorter, the same, longer.

    Args:
        lab: the flags.
    """
    if lab.problem == "digits":
        return []
    T = lab.length
    return sorted({max(2, T // 4), max(2, T // 2), T, 2 * T})


def score(lab: Lab, name: str, trained: ReaderPipeline, length: int) -> dict[str, Any]:
    """Return the test scores at another length than that of training.

    Args:
        lab: the flags.
        name: of the cell.
        trained: the model.
        length: T.
    """
    task = Memory(dataclasses.replace(lab.of_cell(name), length=length))
    program = Program(task, optax.identity())
    return program.evaluate(trained.params, "test").scores.values


def starts(lab: Lab, cells: Sequence[str]) -> Iterator[Start]:
    """Yield the gradients of untrained cells, for each way to begin.

    Args:
        lab: the flags.
        cells: names.
    """
    for init in get_args(Init):
        for scale in sorted({*SCALES, lab.input_scale}):
            found = {}
            for cell in cells:
                config = dataclasses.replace(
                    lab.of_cell(cell), init=init, input_scale=scale
                )
                task = Memory(config)
                x = task.inputs(min(lab.length, LONGEST))
                found[cell] = flow(layers_of(task.pipeline), x)
            chosen = (init, scale) == (lab.init, lab.input_scale)
            yield Start(init, scale, found, chosen)


def main() -> None:
    """Read the command line and compare."""
    lab = tyro.cli(Lab, description=__doc__)
    with console.errors(lab.debug):
        print(f"\nlab: {run(lab)}")
