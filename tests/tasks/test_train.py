"""The training program, as a real process: results, resuming, signals, errors."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest

import tasks.evaluate
import train
import zoo.__main__
from tests.helpers import hub, training
from tests.helpers.training import TASKS, environment, flags, newest, run

SCORES = {
    "classification": "accuracy",
    "pos": "accuracy",
    "ner": "f1",
    "charlm": "nats",
    "seq2seq": "exact",
    "memory": "nats",
}
CLASSES = ("classification", "pos", "ner")  # tasks with a confusion matrix


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder for runs, and their environment."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, environment(tmp_path_factory)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of each task, made when first asked for."""
    return lambda task: training.finished(task, tmp_path_factory)


@pytest.fixture
def fails(monkeypatch, capsys):
    """A function that returns what a command tells which cannot do what it is asked."""

    def run_in_vain(*args, main=train.main):
        """Do what the command does; a process would spend seconds to import."""
        monkeypatch.setattr(sys, "argv", ["command", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr().err
        assert ended.value.code == 1, told
        assert "Traceback" not in told
        return told

    return run_in_vain


@pytest.mark.parametrize("task", TASKS)
def test_a_run_leaves_all_its_files(finished, task):
    out, screen = finished(task)
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
    assert f"run folder: {out}" in screen
    assert "python -m zoo " in screen


def test_predict_evaluate_info_and_python_agree(finished, work):
    _, env = work
    out, _ = finished("pos")
    text = "Anna can't swim."
    found = run("zoo", "predict", out, text, "--json", env=env)
    assert found.returncode == 0, found.stderr
    (tagged,) = zoo.load(out).predict([text])
    assert json.loads(found.stdout)["tags"] == tagged.tags
    assert tagged.tokens == ["Anna", "ca", "n't", "swim", "."]
    given = run(
        "zoo", "predict", out, "--pretokenized", "--json", env=env, input="can't swim\n"
    )
    assert json.loads(given.stdout)["tokens"] == ["can't", "swim"]
    shown = run("zoo", "predict", out, text, env=env).stdout.splitlines()
    assert shown[0].split() == tagged.tokens
    assert shown[1].split() == tagged.tags
    metrics = json.loads((out / "metrics.json").read_text())
    scored = run("tasks.evaluate", out, env=env)
    assert scored.returncode == 0, scored.stderr
    assert f"accuracy       {metrics['test']['accuracy']:.4f}" in scored.stdout
    assert "tokens/s without compilation" in scored.stdout
    info = run("zoo", "info", out / "model", env=env)
    assert "tagger" in info.stdout
    assert "hidden_size    8" in info.stdout


def test_generate(finished, work):
    _, env = work
    out, _ = finished("charlm")
    args = ("generate", out, "--prompt", "To be", "--length", "30", "--seed", "1")
    one = run("zoo", *args, "--top-k", "5", "--top-p", "0.9", env=env)
    again = run("zoo", *args, "--top-k", "5", "--top-p", "0.9", env=env)
    assert one.returncode == 0, one.stderr
    assert one.stdout == again.stdout
    assert one.stdout.startswith("To be")
    assert len(one.stdout) == len("To be") + 30 + 1


def test_write_the_counterpart(finished, work, fails):
    folder, env = work
    out, _ = finished("seq2seq")
    picture = folder / "attention.png"
    args = ("predict", out, "xap", "yy", "--beam", "5", "--n-best", "3")
    found = run("zoo", *args, "--json", "--attention", picture, env=env)
    assert found.returncode == 0, found.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = [json.loads(line) for line in found.stdout.splitlines()]
    writings = zoo.load(out).predict(["xap", "yy"], beam=5, n_best=3)
    for one, writing in zip(told, writings, strict=True):
        scores = [output["score"] for output in one["outputs"]]
        assert scores == sorted(scores, reverse=True)
        texts = [output["text"] for output in one["outputs"]]
        assert texts == [output.text for output in writing.outputs]
        assert len(set(texts)) == 3
        for output in one["outputs"]:
            size = len(output["tokens"]), len(one["source"])
            weights = np.array(output["attention"]).reshape(size)
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    shown = run("zoo", *args, env=env).stdout.splitlines()
    assert shown[0] == "xap"
    assert shown[1].split()[1:] == [told[0]["outputs"][0]["text"]]
    metrics = json.loads((out / "metrics.json").read_text())
    scored = run("tasks.evaluate", out, "--data", out.parent / "pairs.tsv", env=env)
    assert scored.returncode == 0, scored.stderr
    assert "tok:13a" in metrics["test"]["signatures"]["bleu"]
    wrong = ("predict", finished("pos")[0], "a", "--beam", "2")
    assert "--beam is for seq2seq" in fails(*wrong, main=zoo.__main__.main)


def test_a_memory_problem(finished, work, fails):
    """The line to beat is shown and kept; the model answers sequences."""
    folder, env = work
    out, screen = finished("memory")
    least = 10 * np.log(8) / 23
    assert f"{least:.4f} nats, without memory" in screen
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["baselines"]["memoryless"]["nats"] == pytest.approx(least)
    sequence = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 0, 0, 9, *[0] * 10]
    found = run("zoo", "predict", out, json.dumps(sequence), "--json", env=env)
    assert found.returncode == 0, found.stderr
    (reading,) = zoo.load(out).predict([sequence])
    assert json.loads(found.stdout)["answer"] == reading.answer
    assert len(reading.answer) == len(sequence)
    told = fails("memory", "--permuted", "--out", folder / "no")
    assert told == "error: --permuted is for digits, got adding\n"
    told = fails(out, main=tasks.evaluate.main)
    assert "has no corpus to score a model on" in told


def test_wrong_use_is_told_in_a_line(finished, work, fails):
    folder, env = work
    out, _ = finished("pos")

    found = run("train.py", "pos", "--out", out, env=env)
    assert found.returncode == 1
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("\n") == 1
    told = fails("pos", "--out", out)
    assert "--resume continues the run in it, --overwrite deletes it" in told
    changed = [*flags("pos", folder), "--out", out, "--resume", "--dropout", "0.1"]
    assert "was started with --dropout 0.2, got 0.1" in fails("pos", *changed)
    told = fails("pos", "--cell", "lsmt", "--out", folder / "none1")
    assert "did you mean 'lstm'?" in told
    told = fails("ner", "--data", folder / "nothing", "--out", folder / "none2")
    assert f"no file or folder {folder / 'nothing'}" in told
    broken = folder / "train.conllu"
    broken.write_text("1\tonly\tthree\n")
    told = fails("pos", "--data", broken, "--out", folder / "none3")
    assert "train.conllu:1: expected 10 columns" in told
    told = fails("charlm", "--bidirectional", "--out", folder / "none4")
    assert "a model that reads ahead" in told
    assert not [p for p in folder.iterdir() if p.name.startswith("none")]
    told = fails("predict", folder, "hello", main=zoo.__main__.main)
    assert "no model in" in told
    told = fails("generate", out, main=zoo.__main__.main)
    assert "use python -m zoo predict" in told


def test_a_loss_that_is_not_finite_stops_the_run(work):
    folder, env = work
    out = folder / "exploded"
    args = [*flags("charlm", folder), "--out", out, "--learning-rate", "1e38"]
    found = run(
        "train.py", "charlm", *args, "--optimizer", "sgd", "--clip-norm", "0", env=env
    )
    assert found.returncode == 1
    assert "the loss became" in found.stderr
    assert "keeps the last good checkpoint" in found.stderr


def test_a_checkpoint_cut_short_is_told(finished, work):
    folder, env = work
    out, _ = finished("classification")
    latest = out / "checkpoints" / str(newest(out))
    files = [p for p in latest.rglob("*") if p.is_file() and p.stat().st_size > 200]
    kept = {path: path.read_bytes() for path in files}
    for path in files:
        os.truncate(path, path.stat().st_size // 3)
    args = [*flags("classification", folder), "--out", out, "--resume"]
    found = run("train.py", "classification", *args, env=env)
    for path, content in kept.items():
        path.write_bytes(content)
    assert found.returncode == 1, found.stdout
    assert f"the checkpoint {latest} cannot be read" in found.stderr
    assert "delete this folder" in found.stderr


class Cut(BaseHTTPRequestHandler):
    """A hub whose connection breaks in the middle of every answer."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"text,label\nso good")
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


class CutData(hub.Hub):
    """A hub whose connection breaks in the middle of a file of data."""

    cut = "train.csv"


@pytest.mark.parametrize("handler", [Cut, CutData])
def test_a_hub_whose_answers_break_off(handler, work, tmp_path):
    cache = {"HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path / "datasets")}
    env, source = {**work[1], **cache}, f"hub:{hub.NAME}"
    out = tmp_path / "run"
    with hub.serving(handler) as address:
        args = ("classification", "--data", source, "--out", out)
        broken = run("train.py", *args, env={**env, "HF_ENDPOINT": address})
    assert broken.returncode != 0
    assert f"error: {source} cannot be loaded" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert not out.exists()
    if handler is CutData:  # what was cut off is not taken for the whole
        code = (
            "from tasks.data import Source, load; "
            f"print(len(load(Source({source!r}), 'labelled').dev))"
        )
        with hub.serving(hub.Hub) as address:
            whole = subprocess.run(
                [sys.executable, "-c", code],
                env={**env, "HF_ENDPOINT": address},
                capture_output=True,
                text=True,
            )
        assert whole.stdout.strip() == "18", whole.stderr
