"""The page of the lab, ``lab.html``: one file that a browser shows offline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.tasks.data.memory_problems import Problem
from zoo.tasks.lab import sections
from zoo.tasks.lab.results import CellResult, InitialGradients
from zoo.tasks.run.html import Section, key_figures, page
from zoo.tasks.run.score_titles import title


def write(
    path: Path,
    lab: Any,
    cells: Sequence[CellResult],
    initial: Sequence[InitialGradients],
    problem: Problem,
) -> None:
    """Write the page atomically.

    Args:
        path: of the page.
        lab: the flags.
        cells: results of the trained cells.
        initial: gradients before training, for each initialisation.
        problem: the problem.
    """
    memoryless, loss = problem.memoryless(lab.length), problem.score
    lead = key_figures(
        {
            "problem": lab.problem,
            "steps": 64 if lab.problem == "digits" else lab.length,
            f"{title(loss)} without memory": memoryless,
            "hidden size": lab.hidden_size,
            "epochs": lab.epochs,
            "initialisation": lab.initializer,
            "input scale": str(lab.input_scale),
            "seed": lab.seed,
        }
    )
    parts = [
        Section("Which cells remember", sections.scores(cells, loss, memoryless)),
        Section("Learning curves", sections.learning_curves(cells, loss, memoryless)),
    ]
    if cells[0].by_length:
        by_length = sections.accuracy_by_length(cells, lab.length)
        parts.append(Section("Accuracy by length", by_length))
    parts += [
        Section("Gradient by lag", sections.gradients_by_lag(cells)),
        Section("Gates", sections.gates(cells)),
        Section("Initialisation", sections.initialisations(initial)),
        Section("Command", sections.command(lab)),
    ]
    text = page(f"Memory lab: {lab.problem}", lead, parts)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
