"""Runs of the training program in a process of their own, and their trained models."""

import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

import zoo
from tests.helpers.training import TASKS, run
from tests.helpers.typed import untyped

SCORES = {
    "classification": "accuracy",
    "pos": "accuracy",
    "ner": "f1",
    "charlm": "nats",
    "seq2seq": "exact",
    "memory": "nats",
}
CLASSES = ("classification", "pos", "ner")  # tasks with a confusion matrix


@pytest.mark.parametrize("task", TASKS)
def test_a_run_writes_all_its_files(
    finished: Callable[[str], tuple[Path, str]], task: str
) -> None:
    out, output = finished(task)
    names = {path.name for path in out.iterdir()}
    expected = {"config.json", "log.jsonl", "metrics.json", "curves.png"}
    expected |= {"checkpoints", "model", "tensorboard", "report.html"}
    assert names >= expected | ({"confusion.png"} if task in CLASSES else set())
    assert not [name for name in names if name.startswith(".")]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2]
    assert log[1]["train_loss"] < log[0]["train_loss"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert 0 <= metrics["test"][SCORES[task]] <= (10 if SCORES[task] == "nats" else 1)
    assert metrics["run"]["compilations"] > 0
    config = json.loads((out / "config.json").read_text())
    assert config["task"] == task
    assert config["flags"]["hidden_size"] == 8
    assert f"run folder: {out}" in output
    assert "try it:     zoo " in output


def test_predict_evaluate_info_and_python_agree(
    finished: Callable[[str], tuple[Path, str]],
    work: tuple[Path, dict[str, str]],
    output_of: Callable[..., str],
) -> None:
    _, env = work
    out, _ = finished("pos")
    text = "Anna can't swim."
    process = run("zoo", "predict", out, text, "--json", env=env)
    assert process.returncode == 0, process.stderr
    (tagged,) = untyped(zoo.load(out)).predict([text])
    assert json.loads(process.stdout)["tags"] == tagged.tags
    assert tagged.tokens == ["Anna", "ca", "n't", "swim", "."]
    args = ("predict", out, "--pretokenized", "--json")
    process = run("zoo", *args, env=env, input="can't swim\n")
    assert json.loads(process.stdout)["tokens"] == ["can't", "swim"]
    lines = output_of(out, text, command="predict").splitlines()
    assert lines[0].split() == tagged.tokens
    assert lines[1].split() == tagged.tags
    metrics = json.loads((out / "metrics.json").read_text())
    output = output_of(out, command="evaluate")
    assert f"accuracy       {metrics['test']['accuracy']:.4f}" in output
    assert "the run's own data, the sample, seed 0" in output
    assert "tokens/s without compilation" in output
    info = run("zoo", "info", out / "model", env={**env, "JAX_LOG_COMPILES": "1"})
    assert "Compiling" not in info.stderr
    count = sum(leaf.size for leaf in jax.tree.leaves(untyped(zoo.load(out)).params))
    assert f"parameters       {count:,}" in info.stdout
    assert "tagger" in info.stdout
    assert "hidden_size    8" in info.stdout


def test_generate(
    finished: Callable[[str], tuple[Path, str]],
    work: tuple[Path, dict[str, str]],
    output_of: Callable[..., str],
) -> None:
    """With one seed, two processes generate one text."""
    _, env = work
    out, _ = finished("charlm")
    args = (out, "--prompt", "To be", "--length", "30", "--seed", "1")
    args += ("--top-k", "5", "--top-p", "0.9")
    first = run("zoo", "generate", *args, env=env)
    assert first.returncode == 0, first.stderr
    assert first.stdout == output_of(*args, command="generate")
    assert first.stdout.startswith("To be")
    assert len(first.stdout) == len("To be") + 30 + 1


# The picture of an empty output has no rows.
@pytest.mark.filterwarnings("ignore:Attempting to set identical")
def test_predict_of_seq2seq(
    finished: Callable[[str], tuple[Path, str]],
    tmp_path: Path,
    output_of: Callable[..., str],
    error_of: Callable[..., str],
) -> None:
    out, _ = finished("seq2seq")
    picture = tmp_path / "attention.png"
    args = (out, "xap", "yy", "--beam", "5", "--n-best", "3")
    drawn = ("--json", "--attention", picture)
    output = output_of(*args, *drawn, command="predict")
    assert picture.read_bytes().startswith(b"\x89PNG")
    results = [json.loads(line) for line in output.splitlines()]
    predictions = untyped(zoo.load(out)).predict(["xap", "yy"], beam=5, n_best=3)
    for result, prediction in zip(results, predictions, strict=True):
        scores = [output["score"] for output in result["outputs"]]
        assert scores == sorted(scores, reverse=True)
        texts = [output["text"] for output in result["outputs"]]
        assert texts == [output.text for output in prediction.outputs]
        assert len(set(texts)) == 3
        for output in result["outputs"]:
            size = len(output["tokens"]), len(result["source"])
            weights = np.array(output["attention"]).reshape(size)
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    lines = output_of(*args, command="predict").splitlines()
    assert lines[0] == "xap"
    assert lines[1].split()[1:] == results[0]["outputs"][0]["text"].split()
    metrics = json.loads((out / "metrics.json").read_text())
    output_of(out, "--data", out.parent / "pairs.tsv", command="evaluate")
    assert "tok:13a" in metrics["test"]["signatures"]["bleu"]
    wrong = (finished("pos")[0], "a", "--beam", "2")
    assert "--beam is for seq2seq" in error_of(*wrong, command="predict")


def test_memory_problem(
    finished: Callable[[str], tuple[Path, str]],
    tmp_path: Path,
    output_of: Callable[..., str],
    error_of: Callable[..., str],
) -> None:
    """The loss without memory is shown and stored; the model predicts sequences."""
    out, output = finished("memory")
    memoryless = 10 * np.log(8) / 23
    assert f"{memoryless:.4f} nats, without memory" in output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["baselines"]["memoryless"]["nats"] == pytest.approx(memoryless)
    sequence = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 0, 0, 9, *[0] * 10]
    answer = output_of(out, json.dumps(sequence), "--json", command="predict")
    (reading,) = untyped(zoo.load(out)).predict([sequence])
    assert json.loads(answer)["answer"] == reading.answer
    assert len(reading.answer) == len(sequence)
    message = error_of("memory", "--permuted", "--out", tmp_path / "no")
    assert message == "error: --permuted is for digits, got adding\n"
    message = error_of(out, command="evaluate")
    assert "has no corpus to score a model on" in message
