"""The page of a run: ``report.html``, one file that a browser shows without a network.

It is written last, from the files of the run and what the best model gave on the test
split. Where it cannot be written the run is whole all the same; ``--resume`` with the
flags of a finished run scores its model again and writes the page anew.
"""

import json
import sys
from typing import Any

import jax
import numpy as np

from tasks.base import Evaluation, Task
from tasks.run import charts, html
from tasks.run.folder import Run
from tasks.run.html import Html, Section, join, tag
from zoo.summary import summary

NAME = "report.html"
LARGEST = 40  # classes of a confusion matrix that is shown whole
CONFUSED = 12  # pairs of classes that are listed


def write(run: Run, task: Task, params: Any, found: Evaluation) -> None:
    """Write the page, and say where it is; an error is told and ends nothing.

    Args:
        run: a finished run.
        task: the task.
        params: of the best model.
        found: what it gave on the test split.
    """
    path = run.path / NAME
    part = run.path / f".{NAME}.part"
    try:
        task.pipeline.params = params
        part.write_text(_page(run, task, found), encoding="utf-8")
        part.replace(path)
    except Exception as error:
        part.unlink(missing_ok=True)
        if task.config.debug:
            raise
        print(
            f"note: {path} could not be written, {type(error).__name__}: {error}; the "
            "model and its scores are saved",
            file=sys.stderr,
        )
    else:
        print(f"report:     {path}")


def _page(run: Run, task: Task, found: Evaluation) -> str:
    """Return the page."""
    config, metrics = (
        json.loads((run.path / name).read_text(encoding="utf-8"))
        for name in ("config.json", "metrics.json")
    )
    score = metrics["run"]["monitor"]
    labels = getattr(task, "labels", None)
    names = labels.tokens if labels is not None else []
    sections = [
        Section("Scores", _scores(metrics)),
        Section("Curves", _curves(run)),
        *_classes(metrics["test"], found.scores.confusion, names),
        *task.report(found.pairs),
        Section("Data", _data(task)),
        Section("Model", _model(task)),
        Section("Configuration", _configuration(config)),
    ]
    title = f"{task.name}: {_name(score)} {metrics['test'][score]:.4f}"
    return html.page(title, _lead(task, metrics), sections)


def _lead(task: Task, metrics: dict[str, Any]) -> Html:
    """Return what is to be seen first."""
    about = metrics["run"]
    score = about["monitor"]
    count = sum(leaf.size for leaf in jax.tree.leaves(task.pipeline.params))
    return html.figures(
        {
            f"{_name(score)}, test": metrics["test"][score],
            f"{_name(score)}, dev": metrics["dev"][score],
            "cell": task.config.cell,
            "parameters": count,
            "best epoch": f"{about['best_epoch']} of {about['epochs']}",
            "minutes": f"{about['minutes']}",
            "tokens a second": round(about["tokens_per_second"]),
            "MB at most": about["peak_memory_mb"],
        }
    )


def _scores(metrics: dict[str, Any]) -> Html:
    """Return the scores of both splits and of the baselines."""
    rows = {split: metrics[split] for split in ("dev", "test")}
    rows |= {f"test, {name}": found for name, found in metrics["baselines"].items()}
    columns = [name for name, v in metrics["test"].items() if isinstance(v, float)]
    whole = html.table(
        ["", *map(_name, columns)],
        [[name, *(found.get(c) for c in columns)] for name, found in rows.items()],
        "scores",
    )
    signatures = metrics["test"].get("signatures", {})
    told = [tag("p", f"{k}: {v}", class_="note") for k, v in signatures.items()]
    return join(whole, *told)


def _curves(run: Run) -> Html:
    drawn = charts.curve_pictures(run.history())
    names = ("the loss over the epochs", "the scores of dev over the epochs")
    return tag("div", *map(html.picture, drawn, names), class_="pictures")


def _classes(
    metrics: dict[str, Any], counts: np.ndarray | None, labels: list[str]
) -> list[Section]:
    """Return the classes and the confusion matrix, where there are some."""
    found = []
    table = metrics.get("per_class")
    if table:
        columns = list(next(iter(table.values())))
        rows = [[name, *row.values()] for name, row in table.items()]
        head = ["class", *map(_name, columns)]
        found.append(Section("Classes", html.table(head, rows, "classes")))
    if counts is not None:
        body = [_confused(counts, labels)]
        if len(labels) <= LARGEST:
            body.insert(0, html.matrix(counts, labels))
        found.append(Section("Confusion", join(*body)))
    return found


def _confused(counts: np.ndarray, labels: list[str]) -> Html:
    """Return the pairs of classes that are confused most often."""
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    rows = []
    for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[i, j]:
            share = f"{100 * wrong[i, j] / counts[i].sum():.1f} %"
            rows.append([labels[i], labels[j], int(wrong[i, j]), share])
    if not rows:
        return tag("p", "Nothing is taken for another class.")
    head = ["true", "taken for", "times", "share of the true"]
    return join(tag("h3", "Confused most often"), html.table(head, rows, "confused"))


def _data(task: Task) -> Html:
    notes = [tag("p", note, class_="note") for note in task.notes]
    return join(html.table([], task.sizes().items(), "settings"), *notes)


def _model(task: Task) -> Html:
    return tag("pre", summary(task.pipeline.model))


def _configuration(config: dict[str, Any]) -> Html:
    """Return the command, the flags and the versions."""
    flags = [
        ["--" + name.replace("_", "-"), str(value)]
        for name, value in config["flags"].items()
    ]
    machine = [[name, version] for name, version in config["versions"].items()]
    machine += [
        ["devices", ", ".join(config["devices"])],
        ["cores", str(config["cores"])],
    ]
    return join(
        tag("pre", config["command"], class_="text"),
        html.table(["flag", "value"], flags, "settings"),
        tag("h3", "Versions and machine"),
        html.table([], machine, "settings"),
    )


def _name(score: str) -> str:
    return score.replace("_", " ")
