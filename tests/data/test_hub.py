"""Datasets of the hub: columns by type, and errors."""

from pathlib import Path

import datasets
import pytest

from zoo.tasks.data import DataError, Source, load, read


@pytest.fixture
def hub_folder(tmp_path: Path) -> str:
    """Return a local dataset in the form of the hub: Parquet files with features."""
    features = datasets.Features(
        id=datasets.Value("int32"),
        sentence=datasets.Value("string"),
        mood=datasets.ClassLabel(names=["bad", "good"]),
        tokens=datasets.List(datasets.Value("string")),
        ner_tags=datasets.List(datasets.ClassLabel(names=["O", "I-PER", "B-PER"])),
    )
    for split, moods in {"train": [0, 1], "validation": [1], "test": [-1]}.items():
        rows = {
            "id": list(range(len(moods))),
            "sentence": [f"{split} {k}" for k in range(len(moods))],
            "mood": moods,
            "tokens": [["Ann", "Lee", "Bo"]] * len(moods),
            "ner_tags": [[1, 1, 2]] * len(moods),
        }
        table = datasets.Dataset.from_dict(rows, features=features)
        datasets.disable_progress_bars()
        (tmp_path / "data").mkdir(exist_ok=True)
        table.to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    return f"hub:{tmp_path}"


def test_hub_columns_are_chosen_by_type(hub_folder: str, cache: Path) -> None:
    splits = load(Source(hub_folder), "entities", cache_dir=cache)
    expected = {"tokens": ["Ann", "Lee", "Bo"], "tags": ["B-PER", "I-PER", "B-PER"]}
    assert splits.train[0] == splits.test[0] == expected
    dev = read(Source(hub_folder), "labelled", "dev", cache_dir=cache).rows
    assert dev[:] == {"text": ["validation 0"], "label": ["good"]}
    assert read(Source(hub_folder), "text", "dev", cache_dir=cache).rows[0] == {
        "text": "validation 0\n"
    }
    with pytest.raises(DataError, match="has no labels"):
        read(Source(hub_folder), "labelled", "test", cache_dir=cache)
    with pytest.raises(DataError, match="no column 'moood'.*did you mean 'mood'"):
        source = Source(hub_folder, label_column="moood")
        load(source, "labelled", cache_dir=cache)


def test_hub_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match="hub:nobody/nothing cannot be loaded .*network"
    ):
        load(Source("hub:nobody/nothing"), "labelled", cache_dir=cache)
