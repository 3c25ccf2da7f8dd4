"""The baselines of classification."""

from pathlib import Path

import pytest

from zoo.tasks.baselines import linear_classifier
from zoo.tasks.classification import Classification, Config


def test_linear_classifier() -> None:
    texts = ["not good", "not bad", "good", "bad"] * 5
    labels = ["no", "yes", "yes", "no"] * 5
    test = ["bad", "not bad", "good", "not good", "", "new"]
    predicted = linear_classifier(texts, labels, test, str.split, 2)
    assert predicted is not None
    assert predicted[:4] == ["no", "yes", "yes", "no"]
    assert set(predicted) <= {"no", "yes"}
    assert linear_classifier(texts, ["no"] * 20, test, str.split, 2) is None
    assert linear_classifier(["", " "], ["no", "yes"], test, str.split, 2) is None


@pytest.mark.parametrize("units", ["words", "chars"])
def test_every_classification_run_has_it(tmp_path: Path, units: str) -> None:
    path = tmp_path / "films.csv"
    rows = [
        f"{w} film {k},{n}" for k in range(20) for w, n in (("good", 1), ("bad", 0))
    ]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    flags = {"hidden_size": 2, "embedding_dim": 2, "units": units, "data": str(path)}
    task = Classification(Config(**flags))  # pyright: ignore[reportArgumentType]
    accuracies = {name: s.values["accuracy"] for name, s in task.baselines().items()}
    assert accuracies == {"majority": 0.5, "TF-IDF + logistic regression": 1.0}
