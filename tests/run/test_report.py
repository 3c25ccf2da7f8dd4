"""The report of a run: complete, self-contained, with the numbers of the run."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import zoo
from tests.helpers.parsed_page import Page
from tests.helpers.training import TASKS, finished
from zoo.tasks.run import report
from zoo.tasks.run.score_titles import title

Report = tuple[Path, Page, str]

FIRST = ["Scores", "Learning curves"]
LAST = ["Data", "Model", "Configuration"]
CLASSES = ["Scores per class", "Confusion matrix"]
ERRORS = ["Worst errors", "Most confident errors", "Most surprising tokens"]
BETWEEN = {
    "classification": [*CLASSES, "Most confident errors", "Token contributions"],
    "pos": [*CLASSES, "Most confident errors"],
    "ner": [*CLASSES, "Most confident errors"],
    "charlm": ["Samples", "Most surprising tokens", "Activations of a unit"],
    "seq2seq": ["Worst errors", "Attention"],
    "memory": ["Worst errors", "Gradient by lag", "Gates"],
}
# The number of charts besides the learning curves, and of bitmaps in them.
CHARTS = {"seq2seq": (4, 4), "memory": (2, 4)}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """The run folder, the parsed report and its text, by task."""

    def get(task: str) -> Report:
        out, _ = finished(task, tmp_path_factory)
        text = (out / "report.html").read_text(encoding="utf-8")
        return out, Page(text), text

    return get


@pytest.mark.parametrize("task", TASKS)
def test_the_report_is_complete_and_self_contained(
    reports: Callable[[str], Report], task: str
) -> None:
    _, page, text = reports(task)
    assert not page.open
    assert [e.text for e in page.all("h2")] == [*FIRST, *BETWEEN[task], *LAST]
    assert not {"script", "iframe", "object"} & {e.tag for e in page.elements}
    names = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}
    for element in page.elements:
        for name in names & element.attributes.keys():
            value = element.attributes[name] or ""
            assert value.startswith(("#", "data:")), (element.tag, name, value[:80])
        assert "url(" not in (element.attributes.get("style") or "")
    (style,) = page.all("style", within=page.all("head")[0])
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert "http" not in text.replace("http-equiv", "")
    links = {(e.attributes["href"] or "")[1:] for e in page.all("a")}
    assert links == {e.attributes["id"] for e in page.all("section")}
    svgs = page.all("svg")
    num_charts, num_bitmaps = CHARTS.get(task, (0, 0))
    assert len(svgs) == 2 + num_charts
    for svg in svgs:
        assert svg.attributes["aria-label"]
        assert len(page.all("path", within=svg)) > 5
    bitmaps = page.all("image")
    assert len(bitmaps) == num_bitmaps
    for bitmap in bitmaps:
        assert len(bitmap.attributes["xlink:href"] or "") > 200
    assert "#010203" not in text, "the placeholder of the text colour is left"


@pytest.mark.parametrize("task", TASKS)
def test_tables_show_the_numbers_of_the_run(
    reports: Callable[[str], Report], task: str
) -> None:
    out, page, _ = reports(task)
    metrics = json.loads((out / "metrics.json").read_text())
    config = json.loads((out / "config.json").read_text())
    (_, *head), *rows = page.table("scores")
    by_name = {name: dict(zip(head, cells, strict=True)) for name, *cells in rows}
    expected = {"dev": metrics["dev"], "test": metrics["test"]}
    expected |= {f"test baseline: {k}": v for k, v in metrics["baselines"].items()}
    assert by_name.keys() == expected.keys()
    for name, scores in expected.items():
        for score, value in scores.items():
            if isinstance(value, float):
                column = title(score, "chars")
                assert by_name[name][column] == f"{value:.4f}"
    assert "None" not in [cell for row in rows for cell in row]
    flags = [row for row in page.all("td") if row.text.startswith("--")]
    assert len(flags) == len(config["flags"])
    model: Any = zoo.load(out).model
    assert zoo.summary(model) in [e.text for e in page.all("pre")]
    if "per_class" in metrics["test"]:
        check_classes(page, metrics["test"])


def check_classes(page: Page, scores: dict[str, Any]) -> None:
    """Check the scores per class, the confusion matrix and its largest counts."""
    _, *rows = page.table("classes")
    table = scores["per_class"]
    assert [row[0] for row in rows] == list(table)
    for name, *cells in rows:
        assert cells == [
            f"{v:.4f}" if type(v) is float else "" if v is None else f"{v:,}"
            for v in table[name].values()
        ]
    (_, *labels), *rows = page.table("matrix")
    assert [row[0] for row in rows] == labels
    counts = np.array([[parse_int(c or "0") for c in row[1:]] for row in rows])
    accuracy = counts.trace() / counts.sum()
    assert accuracy == pytest.approx(scores["accuracy"], abs=1e-12)
    _, *pairs = page.table("confusions")
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    assert parse_int(pairs[0][2]) == wrong.max()
    for true, predicted, count, _ in pairs:
        i, j = labels.index(true), labels.index(predicted)
        assert parse_int(count) == counts[i, j] > 0


def parse_int(text: str) -> int:
    """Return a number that is shown with thousands separators."""
    return int(text.replace(",", ""))


@pytest.mark.parametrize("task", [task for task in TASKS if task != "memory"])
def test_errors_are_errors_in_order(
    reports: Callable[[str], Report], task: str
) -> None:
    _, page, _ = reports(task)
    (section,) = [e.ancestors[-1] for e in page.all("h2") if e.text in ERRORS]
    items = page.all("li", within=section)
    assert len(items) == (6 if task == "seq2seq" else 20)
    order = []
    for item in items:
        if task == "seq2seq":
            continue
        true, predicted = page.all("b", within=item)
        assert true.text != predicted.text
        marked = page.all("mark", within=item)
        if task in ("pos", "ner"):
            tags = true.text.split(), predicted.text.split()
            assert len(marked) == len(tags[0]) == len(tags[1])
            assert all(a != b for a, b in zip(*tags, strict=True))
            order.append(float(item.text.split("confidence ")[1][:6]))
            tooltips = [(m.attributes["title"] or "").split() for m in marked]
            confidence = max(float(probability) for _, probability in tooltips)
            assert confidence == pytest.approx(order[-1], abs=0.006)
        if task == "charlm":
            assert len(marked) == 1
            order.append(-float(item.text.split("(")[1].split(")")[0]))
    assert order == sorted(order, reverse=True)


def test_recall_errors_are_marked(reports: Callable[[str], Report]) -> None:
    _, page, _ = reports("memory")
    items = page.all("li", within=page.all("ol", "errors")[0])
    assert len(items) == 20
    counts = []
    for item in items:
        (head,) = page.all("b", within=item)
        num_errors, length = map(int, re.findall(r"\d+", head.text))
        assert length == 10
        assert len(page.all("mark", within=item)) == num_errors > 0
        counts.append(num_errors)
    assert counts == sorted(counts, reverse=True)


def test_markup_in_the_data_is_shown_as_text(
    reports: Callable[[str], Report],
) -> None:
    out, page, text = reports("charlm")
    assert "<b>not</b>" not in text
    assert len(page.all("pre", "sample")) == 3
    shown = page.all("p", "characters")[-1].text.replace("⏎", "")
    assert "<b>not</b>" in shown
    assert shown in (out.parent / "text.txt").read_text()


def test_an_error_in_the_report_does_not_fail_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Any = SimpleNamespace(path=tmp_path)
    task: Any = SimpleNamespace(
        pipeline=SimpleNamespace(params=None), config=SimpleNamespace(debug=False)
    )
    evaluation: Any = None
    report.write(run, task, {}, evaluation)
    message = capsys.readouterr().err
    assert "report.html could not be written, FileNotFoundError" in message
    assert "the model and its scores are saved" in message
    assert not list(tmp_path.iterdir())
    task.config.debug = True
    with pytest.raises(FileNotFoundError):
        report.write(run, task, {}, evaluation)
