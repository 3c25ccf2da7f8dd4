"""Labels of dev and test that train lacks."""

import html
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.tasks import ner, pos
from zoo.tasks.tagging import Tagging

TINY = {"hidden_size": 2, "embedding_dim": 2, "char_size": 2, "num_layers": 1}


def write(folder: Path, name: str, text: str) -> str:
    """Write a file, and return its path."""
    (folder / name).write_text(text)
    return str(folder / name)


def test_classification(
    tmp_path: Path,
    output_of: Callable[..., str],
    error_of: Callable[..., str],
) -> None:
    rows = "".join(f"good film {k},yes\nbad film {k},no\n" for k in range(20))
    train = write(tmp_path, "train.csv", f"text,label\n{rows}")
    test = write(tmp_path, "test.csv", "text,label\na film,maybe\nb,yes\nc,maybe\n")
    args = ["--train-file", train, "--dev-file", train, "--test-file", test]
    args += ["--hidden-size", "2", "--embedding-dim", "2", "--epochs", "1"]
    message = error_of(
        "classification", *args, "--strict-labels", "--out", tmp_path / "no"
    )
    assert "test has the label 'maybe', which train lacks" in message
    out = tmp_path / "run"
    output = output_of("classification", *args, "--out", out, command="train")
    note = (
        "test has labels that train lacks: 'maybe'; 2 of 3 labels, each counted as an "
        "error (--strict-labels refuses them)"
    )
    assert f"note: {note}" in output
    assert "note: test has no rows of 'no': they count in no mean" in output
    assert note in html.unescape((out / "report.html").read_text())
    scores = json.loads((out / "metrics.json").read_text())["test"]
    assert scores["accuracy"] <= 1 / 3
    table = scores["per_class"]
    assert list(table) == ["no", "yes", "maybe"]
    assert (table["maybe"]["recall"], table["maybe"]["support"]) == (0.0, 2)
    assert table["no"]["f1"] is None
    assert scores["f1_macro"] == pytest.approx(table["yes"]["f1"] / 2)
    output = output_of(out, command="evaluate")
    assert f"accuracy       {scores['accuracy']:.4f}" in output
    assert f"note: {note}" in output
    other = write(tmp_path, "test.tsv", "text\tlabel\na film\t1\nb\t2\n")
    message = error_of(out, "--test-file", other, command="evaluate")
    assert (
        "test has labels that train lacks: '1', '2'; train has 'no', 'yes'" in message
    )


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize(
    ("module", "kind", "new"),
    [(pos, pos.PartOfSpeech, "X"), (ner, ner.NamedEntities, "B-Z")],
)
def test_tags(
    tmp_path: Path, module: object, kind: type[Tagging], new: str, crf: bool
) -> None:
    train = write(tmp_path, "train.txt", "a B-A\nb O\n\nc O\nd B-A\n\n")
    test = write(tmp_path, "test.txt", f"a B-A\nb {new}\n\nc O\n\n")
    files = {"train_file": (train,), "dev_file": (train,), "test_file": (test,)}
    task = kind(module.Config(**TINY, **files, crf=crf))  # pyright: ignore
    assert f"test has labels that train lacks: {new!r}; 1 of 3 labels" in task.notes[-1]
    known = len(task.pipeline.labels)
    assert task.labels.tokens[known:] == [new]
    (batch,) = task.batches("test", None)
    arrays, _ = task.pipeline.apply(
        task.pipeline.params, batch, (), method=task.predict
    )
    assert int(arrays["count"]) == 1  # the sentence with known tags only
    assert np.isfinite(float(arrays["loss"]))
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    guesses = np.where(batch["labels"] < known, batch["labels"], 0)
    perfect = {**arrays, "predicted": guesses}
    scores = task.metrics([(batch, perfect)])
    assert scores.values["accuracy"] == pytest.approx(2 / 3)
    name = new.removeprefix("B-")
    assert scores.per_class[name]["recall"] == 0.0
    assert scores.per_class[name]["support"] == 1
    assert task.report([(batch, arrays)])
