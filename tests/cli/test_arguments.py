"""Misspelled commands and options, and the version."""

import importlib.metadata
import sys
from collections.abc import Callable

import pytest

import zoo.__main__
import zoo.tasks.evaluate
import zoo.tasks.lab.comparison
from zoo import train
from zoo.cli.arguments import check_command
from zoo.cli.commands import COMMANDS


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (
            train.main,
            "clasification --epochs 2",
            "train.py: no command clasification; did you mean classification?",
        ),
        (
            train.main,
            "classification --hiden-size 3",
            "train.py classification: no option --hiden-size; did you mean "
            "--hidden-size?",
        ),
        (
            train.main,
            "pos --no-bidirectonal --epochs=2",
            "train.py pos: no option --no-bidirectonal; did you mean "
            "--no-bidirectional?",
        ),
        (
            train.main,
            "--data a.csv classification",
            "train.py: --data comes after the command: train.py classification --data "
            "...",
        ),
        (
            train.main,
            "charlm --lr 0.01",
            "train.py charlm: no option --lr; did you mean --learning-rate?",
        ),
        (
            zoo.__main__.main,
            "predict run --hepl",
            "zoo predict: no option --hepl; did you mean --help?",
        ),
        (
            zoo.__main__.main,
            "predict run --zzz=1",
            "zoo predict: no option --zzz; see zoo predict --help",
        ),
        (
            zoo.__main__.main,
            "xyz",
            "zoo: no command xyz; expected one of predict, generate, serve, info, "
            "cells",
        ),
        (
            zoo.tasks.evaluate.main,
            "run --spilt dev",
            "zoo.tasks.evaluate: no option --spilt; did you mean --split?",
        ),
        (
            zoo.tasks.lab.comparison.main,
            "--lenght 100",
            "zoo.tasks.lab: no option --lenght; did you mean --length?",
        ),
    ],
)
def test_suggestions(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[], None],
    arguments: str,
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *arguments.split()])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_valid_command_lines_pass() -> None:
    for line in [
        "",
        "--help",
        "predict run text --batch_size 3 --no-json --file=- --help",
        "predict run -- --text",
        "cells --tyro-print-completion bash",
    ]:
        check_command(line.split(), COMMANDS, "zoo")


def test_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", "--version"])
    zoo.__main__.main()
    assert (
        capsys.readouterr().out == f"rnn-zoo {importlib.metadata.version('rnn-zoo')}\n"
    )
