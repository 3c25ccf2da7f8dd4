"""Errors of the training program: wrong use, damaged checkpoints, a broken hub."""

import os
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import hub
from tests.helpers.training import flags, newest, train


def test_errors_of_use_are_one_line(
    finished: Callable[[str], tuple[Path, str]],
    work: tuple[Path, dict[str, str]],
    error_of: Callable[..., str],
) -> None:
    folder, env = work
    out, _ = finished("pos")

    process = train("pos", "--out", out, env=env)
    assert process.returncode == 1
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    message = error_of("pos", "--out", out)
    assert "--resume continues the run in it, --overwrite deletes it" in message
    changed = [*flags("pos", folder), "--out", out, "--resume", "--dropout", "0.1"]
    assert "was started with --dropout 0.2, got 0.1" in error_of("pos", *changed)
    message = error_of("pos", "--cell", "lsmt", "--out", folder / "none1")
    assert "did you mean 'lstm'?" in message
    message = error_of(
        "ner", "--data", folder / "nothing", "--out", folder / "none2" / "run"
    )
    assert f"no file or folder {folder / 'nothing'}" in message
    broken = folder / "train.conllu"
    broken.write_text("1\tonly\tthree\n")
    message = error_of("pos", "--data", broken, "--out", folder / "none3")
    assert "train.conllu:1: expected 10 columns" in message
    for flag, value, rule in [
        ("--batch-size", "0", "must be 1 or more, got 0"),
        ("--batch-tokens", "0", "must be 1 or more, got 0"),
        ("--hidden-size", "-1", "must be 1 or more, got -1"),
        ("--keep-checkpoints", "0", "must be 1 or more, got 0"),
        ("--dropout", "1", "must lie in [0, 1), got 1.0"),
        ("--learning-rate", "nan", "must be 0 or more, got nan"),
        ("--clip-norm", "inf", "must be 0 or more, got inf"),
        ("--seed", "-1", "must lie in [0, 4294967296), got -1"),
    ]:
        message = error_of("pos", flag, value, "--out", folder / "none5")
        assert message == f"error: {flag} {rule}\n"
    assert not [p for p in folder.iterdir() if p.name.startswith("none")]
    message = error_of(folder, "hello", command="predict")
    assert "no model in" in message
    message = error_of(out, command="generate")
    assert "use zoo predict" in message


@pytest.mark.usefixtures("data_cache", "standard_promotion")
def test_a_loss_that_is_not_finite_stops_the_run(
    tmp_path: Path, error_of: Callable[..., str]
) -> None:
    out = tmp_path / "exploded"
    args = [*flags("charlm", tmp_path), "--out", out, "--learning-rate", "1e38"]
    args += ["--optimizer", "sgd", "--clip-norm", "0"]
    message = error_of("charlm", *args)
    assert "the loss became" in message
    has_checkpoint = newest(out) >= 0
    assert ("keeps the last good checkpoint" in message) == has_checkpoint


@pytest.mark.usefixtures("data_cache", "standard_promotion")
def test_a_truncated_checkpoint_is_reported(
    finished: Callable[[str], tuple[Path, str]],
    tmp_path: Path,
    error_of: Callable[..., str],
) -> None:
    out, _ = finished("classification")
    latest = out / "checkpoints" / str(newest(out))
    files = [p for p in latest.rglob("*") if p.is_file() and p.stat().st_size > 200]
    contents = {path: path.read_bytes() for path in files}
    for path in files:
        os.truncate(path, path.stat().st_size // 3)
    args = [*flags("classification", tmp_path), "--out", out, "--resume"]
    message = error_of("classification", *args)
    for path, content in contents.items():
        path.write_bytes(content)
    assert message.startswith(f"error: the checkpoint {latest} is damaged: ")
    assert message.count("\n") == 1
    assert newest(out) == int(latest.name)


class TruncatedResponses(BaseHTTPRequestHandler):
    """A hub whose connection breaks in the middle of every response."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"text,label\nso good")
        self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *args: Any) -> None:
        pass


class TruncatedFile(hub.Hub):
    """A hub whose connection breaks in the middle of a data file."""

    cut = "train.csv"


@pytest.mark.parametrize("handler", [TruncatedResponses, TruncatedFile])
def test_truncated_responses_of_the_hub(
    handler: type[BaseHTTPRequestHandler],
    work: tuple[Path, dict[str, str]],
    tmp_path: Path,
) -> None:
    cache = {"HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path / "datasets")}
    env, source = {**work[1], **cache}, f"hub:{hub.NAME}"
    out = tmp_path / "run"
    with hub.serving(handler) as address:
        args = ("classification", "--data", source, "--out", out)
        process = train(*args, env={**env, "HF_ENDPOINT": address})
    assert process.returncode != 0
    assert f"error: {source} cannot be loaded" in process.stderr
    assert "Traceback" not in process.stderr
    assert not out.exists()
    if handler is TruncatedFile:  # the truncated file is downloaded again
        code = (
            "from zoo.tasks.data import Source, load; "
            f"print(len(load(Source({source!r}), 'labelled').dev))"
        )
        with hub.serving(hub.Hub) as address:
            process = subprocess.run(
                [sys.executable, "-c", code],
                env={**env, "HF_ENDPOINT": address},
                capture_output=True,
                text=True,
            )
        assert process.stdout.strip() == "18", process.stderr
