"""``zoo evaluate``: which rows are scored."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.training import train

WORDS = {"good": "yes", "fine": "yes", "bad": "no", "poor": "no"}


@pytest.fixture(scope="module")
def trained(work: tuple[Path, dict[str, str]]) -> Path:
    """Return the folder of a run on a single file, with another seed than 0."""
    folder, env = work
    rows = [
        f"{word} film {n},{label}" for n in range(20) for word, label in WORDS.items()
    ]
    (folder / "films.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    args = ["--data", folder / "films.csv", "--out", folder / "films", "--seed", "3"]
    args += ["--hidden-size", "4", "--embedding-dim", "4", "--epochs", "1"]
    process = train("classification", *args, env=env)
    assert process.returncode == 0, process.stderr
    return folder / "films"


@pytest.fixture
def output_of(output_of: Callable[..., str]) -> Callable[..., str]:
    """Return a function that scores a model and returns the output."""
    return partial(output_of, command="evaluate")


def test_the_default_is_the_held_out_split_of_the_run(
    trained: Path, output_of: Callable[..., str]
) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    data = trained.parent / "films.csv"
    for args in [(), ("--data", data)]:
        for split in ("dev", "test"):
            output = output_of(trained, "--split", split, *args)
            assert f"scored: {split}, 24 tokens, of the run's own data" in output
            assert f"{data}, seed 3" in output
            assert f"accuracy       {metrics[split]['accuracy']:.4f}" in output
    assert output_of(trained / "model").startswith(
        "scored: test, 24 tokens, of the run"
    )
    assert "seed 4" in output_of(trained, "--seed", "4")


def test_another_file_is_scored_completely(
    trained: Path, output_of: Callable[..., str], tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text,label\ngood film,yes\nbad film,no\n")
    output = output_of(trained, "--data", other)
    first = f"scored: test, 4 tokens, of {other}: all of its rows, none is held out\n"
    assert output.startswith(first)


def test_a_model_without_its_run_needs_data(
    trained: Path, error_of: Callable[..., str], tmp_path: Path
) -> None:
    shutil.copytree(trained / "model", tmp_path / "model")
    message = error_of(tmp_path / "model", command="evaluate")
    assert "has no config.json of a run, which names its data; give --data" in message
    shutil.copytree(trained, tmp_path / "run")
    config = json.loads((trained / "config.json").read_text())
    config["flags"]["data"] = "nowhere.csv"
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    message = error_of(tmp_path / "run", command="evaluate")
    assert message.startswith(
        "error: the run's own data: no file or folder nowhere.csv"
    )


def test_one_stream_is_another_score_and_for_charlm_alone(
    trained: Path,
    finished: Callable[[str], tuple[Path, str]],
    output_of: Callable[..., str],
    error_of: Callable[..., str],
) -> None:
    run_folder, _ = finished("charlm")
    streams = json.loads((run_folder / "metrics.json").read_text())["test"]["nats"]
    assert f"nats           {streams:.4f}" in output_of(run_folder)
    one = output_of(run_folder, "--one-stream")
    assert "nats  " in one and f"nats           {streams:.4f}" not in one
    message = error_of(trained, "--one-stream", command="evaluate")
    assert f"--one-stream is not for the task of {trained}" in message
