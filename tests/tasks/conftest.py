"""Fixtures of the task tests: small runs of the training program."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import training
from zoo.cli import commands


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a folder for runs, and their environment variables."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, training.environment(tmp_path_factory)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[Path, str]]:
    """Return a function from a task to the folder and the output of a finished run."""
    return lambda task: training.finished(task, tmp_path_factory)


@pytest.fixture
def output_of(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data_cache: None,
    standard_promotion: None,
) -> Callable[..., str]:
    """Return a function that runs a command, and returns what it prints.

    The command runs in this process: a new one would need seconds to import JAX, and
    the libraries that train.
    """

    def output_of(*args: Any, command: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["zoo", command, *map(str, args)])
        commands.main()
        return capsys.readouterr().out

    return output_of


@pytest.fixture
def error_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return a function that runs a command that fails, and returns its error message.

    The command runs in this process: a new one would need seconds to import JAX.
    """

    def error_of(*args: Any, command: str = "train") -> str:
        monkeypatch.setattr(sys, "argv", ["zoo", command, *map(str, args)])
        with pytest.raises(SystemExit) as exit:
            commands.main()
        message = capsys.readouterr().err
        assert exit.value.code == 1, message
        assert "Traceback" not in message
        return message

    return error_of
