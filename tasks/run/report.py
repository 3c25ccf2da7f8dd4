"""The report of a run, ``report.html``: one file that a browser shows offline.

It is written last, from the files of the run and the predictions of the best model on
test. An error here does not affect the run; ``--resume`` with the flags of a finished
run scores its model again and writes a new report.
"""

import json
from typing import Any

import jax
import numpy as np

from zoo.summary import summary
from zoo.tasks.run import atomic, charts, contents, html
from zoo.tasks.run.errors import describe, note
from zoo.tasks.run.folder import Run
from zoo.tasks.run.html import Html, Section, join, tag
from zoo.tasks.run.protocols import RunTask
from zoo.tasks.run.score_titles import title
from zoo.tasks.scores import Evaluation

MAX_CLASSES = 40  # of a confusion matrix that is shown completely
MAX_CONFUSIONS = 12  # pairs of classes that are listed


def write(run: Run, task: RunTask, params: Any, evaluation: Evaluation) -> None:
    """Write the report and print its path; print an error instead of raising it.

    Args:
        run: a finished run.
        task: the task.
        params: of the best model.
        evaluation: of the best model on test.
    """
    path = run.path / contents.REPORT
    try:
        task.pipeline.params = params
        atomic.write(path, _page(run, task, evaluation))
    except Exception as error:
        if task.config.debug:
            raise
        note(
            f"{path} could not be written, {type(error).__name__}: {describe(error)}; "
            "the model and its scores are saved, and --resume writes the report"
        )
    else:
        print(f"report:     {path}")


def _page(run: Run, task: RunTask, evaluation: Evaluation) -> str:
    config, metrics = (
        json.loads((run.path / name).read_text(encoding="utf-8"))
        for name in (contents.CONFIG, contents.METRICS)
    )
    score = metrics["run"]["monitor"]
    labels = getattr(task, "labels", None)
    names = labels.tokens if labels is not None else []
    sections = [
        Section("Scores", _scores(task, metrics)),
        Section("Learning curves", _learning_curves(run, task)),
        *_classes(metrics["test"], evaluation.scores.confusion, names),
        *task.report(evaluation.pairs),
        Section("Data", _data(task)),
        Section("Model", _model(task)),
        Section("Configuration", _configuration(config)),
    ]
    heading = f"{task.name}: test {_title(task, score)} {metrics['test'][score]:.4f}"
    return html.page(heading, _key_figures(task, metrics), sections)


def _key_figures(task: RunTask, metrics: dict[str, Any]) -> Html:
    about = metrics["run"]
    score = about["monitor"]
    count = sum(leaf.size for leaf in jax.tree.leaves(task.pipeline.params))
    return html.key_figures(
        {
            f"test {_title(task, score)}": metrics["test"][score],
            f"dev {_title(task, score)}": metrics["dev"][score],
            "cell": task.config.cell,
            "parameters": count,
            "best epoch": f"{about['best_epoch']} of {about['epochs']}",
            "training time": f"{about['minutes']} min",
            "tokens/s": round(about["tokens_per_second"]),
            "peak memory": f"{about['peak_memory_mb']:,} MB",
        }
    )


def _scores(task: RunTask, metrics: dict[str, Any]) -> Html:
    """Return a table of the scores on both splits and of the baselines."""
    rows = {split: metrics[split] for split in ("dev", "test")}
    rows |= {f"test baseline: {k}": row for k, row in metrics["baselines"].items()}
    columns = [name for name, v in metrics["test"].items() if isinstance(v, float)]
    table = html.table(
        ["", *(_title(task, name) for name in columns)],
        [[name, *(row.get(c) for c in columns)] for name, row in rows.items()],
        "scores",
    )
    signatures = metrics["test"].get("signatures", {})
    notes = [tag("p", f"{k}: {v}", class_="note") for k, v in signatures.items()]
    return join(table, *notes)


def _learning_curves(run: Run, task: RunTask) -> Html:
    svgs = charts.learning_curves(run.history(), _target_units(task))
    descriptions = ("train and dev loss by epoch", "dev scores by epoch")
    return tag("div", *map(html.figure, svgs, descriptions), class_="charts")


def _classes(
    metrics: dict[str, Any], counts: np.ndarray | None, labels: list[str]
) -> list[Section]:
    """Return the scores per class and the confusion matrix, if the task has them."""
    sections = []
    per_class = metrics.get("per_class")
    if per_class:
        columns = list(next(iter(per_class.values())))
        rows = [[name, *row.values()] for name, row in per_class.items()]
        head = ["class", *map(title, columns)]
        sections.append(Section("Scores per class", html.table(head, rows, "classes")))
    if counts is not None:
        body = [_most_frequent_confusions(counts, labels)]
        if len(labels) <= MAX_CLASSES:
            body.insert(0, html.confusion_matrix(counts, labels))
        sections.append(Section("Confusion matrix", join(*body)))
    return sections


def _most_frequent_confusions(counts: np.ndarray, labels: list[str]) -> Html:
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS]
    rows = []
    for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[i, j]:
            share = f"{100 * wrong[i, j] / counts[i].sum():.1f} %"
            rows.append([labels[i], labels[j], int(wrong[i, j]), share])
    if not rows:
        return tag("p", "No class is confused with another.")
    head = ["true", "predicted as", "count", "share of true class"]
    table = html.table(head, rows, "confusions")
    return join(tag("h3", "Most frequent confusions"), table)


def _data(task: RunTask) -> Html:
    notes = [tag("p", note, class_="note") for note in task.notes]
    sizes = [[name, html.format_value(size)] for name, size in task.sizes().items()]
    return join(html.table([], sizes, "settings"), *notes)


def _model(task: RunTask) -> Html:
    return tag("pre", summary(task.pipeline.model))


def _configuration(config: dict[str, Any]) -> Html:
    """Return the command, the flags, the versions and the machine."""
    flags = [
        ["--" + name.replace("_", "-"), "–" if value in (None, []) else str(value)]
        for name, value in config["flags"].items()
    ]
    machine = [[name, version] for name, version in config["versions"].items()]
    machine += [
        ["devices", ", ".join(config["devices"])],
        ["CPU cores", str(config["cores"])],
    ]
    return join(
        tag("pre", config["command"], class_="text"),
        html.table(["flag", "value"], flags, "settings"),
        tag("h3", "Versions and machine"),
        html.table([], machine, "settings"),
    )


def _title(task: RunTask, score: str) -> str:
    return title(score, _target_units(task))


def _target_units(task: RunTask) -> str | None:
    """Return the tokens of the target texts, None if the task generates none."""
    return getattr(getattr(task.pipeline, "target", None), "units", None)
