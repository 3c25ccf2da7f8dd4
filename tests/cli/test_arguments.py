"""Misspelled commands and options, and the version."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.training import ROOT
from zoo.cli import commands
from zoo.cli.command import missing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "train clasification --epochs 2",
            "zoo train: no command clasification; did you mean classification?",
        ),
        (
            "train classification --hiden-size 3",
            "zoo train classification: no option --hiden-size; did you mean "
            "--hidden-size?",
        ),
        (
            "train pos --no-bidirectonal --epochs=2",
            "zoo train pos: no option --no-bidirectonal; did you mean "
            "--no-bidirectional?",
        ),
        (
            "train pos --source-column 2",
            "zoo train pos: no option --source-column; did you mean --token-column?",
        ),
        (
            "train --data a.csv classification",
            "zoo train: --data comes after the command: zoo train classification "
            "--data ...",
        ),
        (
            "train charlm --lr 0.01",
            "zoo train charlm: no option --lr; did you mean --learning-rate?",
        ),
        ("predict run --hepl", "zoo predict: no option --hepl; did you mean --help?"),
        ("predict run --zzz=1", "zoo predict: no option --zzz; see zoo predict --help"),
        (
            "xyz",
            "zoo: no command xyz; expected one of train, evaluate, lab, predict, "
            "generate, serve, info, cells",
        ),
        (
            "evaluate run --spilt dev",
            "zoo evaluate: no option --spilt; did you mean --split?",
        ),
        ("lab --lenght 100", "zoo lab: no option --lenght; did you mean --length?"),
        (
            "--tyro-print-completion xx",
            "zoo: no shell xx; expected one of bash, zsh, fish, tcsh",
        ),
        (
            "train ner --tyro_write_completion bahs /dev/null",
            "zoo train ner: no shell bahs; did you mean bash?",
        ),
    ],
)
def test_suggestions(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *arguments.split()])
    with pytest.raises(SystemExit) as exit:
        commands.main()
    assert exit.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ("--help", "train"),
        ("train --help", "classification"),
        ("predict run text --batch_size 3 --no-json --file=- --help", "--batch-size"),
        ("cells --tyro-print-completion bash", "complete"),
    ],
)
def test_valid_command_lines_pass(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    printed: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", *arguments.split()])
    with pytest.raises(SystemExit) as exit:
        commands.main()
    assert exit.value.code in (0, None)
    assert printed in capsys.readouterr().out


def test_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", "--version"])
    commands.main()
    assert (
        capsys.readouterr().out == f"rnn-zoo {importlib.metadata.version('rnn-zoo')}\n"
    )


def test_a_completion_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "missing" / "file")
    arguments = ["zoo", "--tyro-write-completion", "bash", path]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as exit:
        commands.main()
    assert exit.value.code == 1
    message = f"error: [Errno 2] No such file or directory: '{path}'\n"
    assert capsys.readouterr().err == message


LINES = [
    *("zoo", "zoo --help", "zoo --version"),
    "zoo --tyro-write-completion bash /dev/null",
    *(f"zoo {name} --help" for name in commands.COMMANDS),
    *("zoo lab --length x", "zoo predict", "zoo train poss", "zoo train ner --crff"),
    *("train.py", "train.py --help", "train.py pos --help", "train.py pos --lr 1"),
]
HEAVY = "jax flax optax orbax datasets pyarrow pandas matplotlib sklearn tqdm scipy"


@pytest.mark.parametrize("line", LINES)
def test_help_and_errors_in_options_wait_for_no_slow_import(line: str) -> None:
    program, *arguments = line.split()
    start = ["-m", "zoo"] if program == "zoo" else [program]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *start, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = process.stderr.splitlines()
    imports = {line.rpartition("|")[2].strip() for line in lines if "|" in line}
    assert process.returncode in (0, 2)
    assert "tyro" in imports
    assert not imports & set(HEAVY.split())


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed = importlib.metadata.distribution

    def distribution(name: str) -> importlib.metadata.Distribution:
        if name in ("jiwer", "tqdm", "numpy"):
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    assert missing("train") == ["tqdm", "jiwer"]
    assert missing("serve") == []
    for name, arguments in [("train", ["pos"]), ("evaluate", ["run"]), ("lab", [])]:
        with pytest.raises(SystemExit) as exit:
            commands.run(name, arguments, f"zoo {name}")
        assert exit.value.code == 1
        message = f"error: zoo {name} needs tqdm, jiwer: pip install 'rnn-zoo[train]'\n"
        assert capsys.readouterr().err == message
