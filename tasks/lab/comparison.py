"""Compare recurrent cells on a memory problem, and show why they differ.

``zoo lab --cells rnn,lstm,gru,lru --problem adding --length 200 --out DIR`` trains
every cell with the same settings, measures memory, gradients and gates, and writes
``DIR/lab.html``, one page that a browser shows offline. Each cell has a run folder in
``DIR/runs``. If the command is interrupted, the same command resumes it.
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import jax
import optax

import zoo
from zoo import diagnostics
from zoo.pipelines import ReaderPipeline
from zoo.registry import import_cell
from zoo.tasks.cli.lab import Init, Lab
from zoo.tasks.configs.memory import Config
from zoo.tasks.data.memory_problems import PROBLEMS
from zoo.tasks.lab.page import write
from zoo.tasks.lab.results import CellResult, InitialGradients
from zoo.tasks.memory import Memory
from zoo.tasks.program import Program
from zoo.tasks.run import contents, flags, log
from zoo.tasks.run.gradient_decay import gate_values, gradient_by_lag, layers_of

INPUT_SCALES = (0.1, 1.0)  # measured before training, besides --input-scale
MAX_INITIAL_STEPS = 100  # of the sequences measured before training


def names(lab: Lab) -> list[str]:
    """Return the names of the cells to compare.

    Args:
        lab: the flags.

    Raises:
        ValueError: if there is no name, a name twice, or an unknown one.
    """
    cells = [name.strip() for name in lab.cells.split(",") if name.strip()]
    if not cells or len(set(cells)) < len(cells):
        raise ValueError(f"--cells must name each cell once, got {lab.cells!r}")
    for name in cells:
        import_cell(name)
    return cells


def run(lab: Lab) -> Path:
    """Train the cells, measure them and write the page.

    Args:
        lab: the flags.

    Returns:
        The path of the page.

    Raises:
        ValueError: if a flag is out of range.
    """
    cells = names(lab)
    for cell in cells:
        Memory(lab.of_cell(cell))  # reports wrong flags before the first training
    for cell in cells:
        config = lab.of_cell(cell)
        if not is_finished(config):
            print(f"\n== training {cell}")
            train(config)
    print("\n== measuring")
    results = [measure(lab, cell) for cell in cells]
    page = lab.out / "lab.html"
    initial = list(initial_gradients(lab, cells))
    write(page, lab, results, initial, PROBLEMS[lab.problem])
    return page


def train(config: Config) -> None:
    """Train a cell by ``zoo train memory``, in a process of its own.

    Args:
        config: the training flags.

    Raises:
        SystemExit: if the training ends early; it has printed the reason.
    """
    command = [sys.executable, "-m", "zoo", "train", "memory", *arguments(config)]
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                pass  # Ctrl-C reaches the training too, which saves a checkpoint
    if process.returncode:
        raise SystemExit(process.returncode)


def arguments(config: Config) -> list[str]:
    """Return the command line of flags that differ from their defaults.

    Args:
        config: the training flags.
    """
    words: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            flag = field.name.replace("_", "-")
            words += [f"--{flag}"] if value is True else [f"--{flag}", str(value)]
    return words


def is_finished(config: Config) -> bool:
    """Return whether the run of a cell is complete.

    Args:
        config: the training flags.

    Raises:
        RunError: if the run has other flags.
    """
    assert config.out is not None
    if not (config.out / contents.METRICS).exists():
        return False
    flags.check_unchanged(config.out, "memory", config)
    return True


def measure(lab: Lab, name: str) -> CellResult:
    """Return the measurements of a trained cell.

    Args:
        lab: the flags.
        name: of the cell.
    """
    config = lab.of_cell(name)
    assert config.out is not None
    trained = zoo.load(config.out)
    assert isinstance(trained, ReaderPipeline)
    task = Memory(config)
    metrics = json.loads((config.out / contents.METRICS).read_text(encoding="utf-8"))
    x = task.inputs(lab.length)
    layers = layers_of(trained)
    gates = gate_values(layers, x)
    return CellResult(
        name=name,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(trained.params)),
        history=log.read(config.out / contents.LOG),
        test=metrics["test"],
        minutes=metrics["run"]["minutes"],
        by_length={n: scores(lab, name, trained, n) for n in lengths(lab)},
        before=gradient_by_lag(layers_of(task.pipeline), x),
        after=gradient_by_lag(layers, x),
        gates=gates,
        saturation={k: diagnostics.saturation(gate) for k, gate in gates.items()},
    )


def lengths(lab: Lab) -> list[int]:
    """Return the test lengths: shorter than in training, the same, and longer.

    Args:
        lab: the flags.
    """
    if lab.problem == "digits":
        return []
    T = lab.length
    return sorted({max(2, T // 4), max(2, T // 2), T, 2 * T})


def scores(lab: Lab, name: str, trained: ReaderPipeline, length: int) -> dict[str, Any]:
    """Return the test scores of a trained cell at a length.

    Args:
        lab: the flags.
        name: of the cell.
        trained: the model.
        length: T.
    """
    task = Memory(dataclasses.replace(lab.of_cell(name), length=length))
    program = Program(task, optax.identity())
    return program.evaluate(trained.params, "test").scores.values


def initial_gradients(lab: Lab, cells: Sequence[str]) -> Iterator[InitialGradients]:
    """Yield the gradients of untrained cells for each initialisation.

    Args:
        lab: the flags.
        cells: names of cells.
    """
    for init in get_args(Init):
        for scale in sorted({*INPUT_SCALES, lab.input_scale}):
            gradients = {}
            for cell in cells:
                config = dataclasses.replace(
                    lab.of_cell(cell), initializer=init, input_scale=scale
                )
                task = Memory(config)
                x = task.inputs(min(lab.length, MAX_INITIAL_STEPS))
                gradients[cell] = gradient_by_lag(layers_of(task.pipeline), x)
            trained = (init, scale) == (lab.initializer, lab.input_scale)
            yield InitialGradients(init, scale, gradients, trained)
