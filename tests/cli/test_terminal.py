"""Output on a terminal, and into a pipe that is closed."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli.predictions import show
from zoo.cli.terminal import visible, visible_json
from zoo.pipelines import Classification, Entity, Output, Tagging, Writing

ROOT = Path(__file__).parents[2]
HOSTILE = "a\x1b[31m\x9b2J\r\x7f\tb\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_characters_are_visible_on_a_terminal() -> None:
    assert visible(HOSTILE, Terminal()) == "a\\x1b[31m\\x9b2J\\x0d\\x7f\tb\n"
    assert visible(HOSTILE, io.StringIO()) == HOSTILE
    assert visible("ä 我 \u200d 👍\u00a0", Terminal()) == "ä 我 \u200d 👍\u00a0"


def test_json_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    text = visible_json(json.dumps(HOSTILE, ensure_ascii=False))
    assert json.loads(text) == HOSTILE
    assert text.isprintable()


@pytest.mark.parametrize("entities", [False, True])
def test_predictions(monkeypatch: pytest.MonkeyPatch, entities: bool) -> None:
    label = "L\x1b]0;title\x07"
    results = [
        Classification(label, 0.5, {label: 0.5}),
        Tagging([HOSTILE, "b"], [label, "O"], [0.5] * 2, [Entity(label, 0, 1, "")]),
        Writing([HOSTILE], [Output(HOSTILE, -1.0, [HOSTILE])]),
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    pieces = "".join(show(HOSTILE, one, entities=entities) for one in results)
    assert "\x1b[31m\x9b2J" in pieces
    monkeypatch.setattr(sys, "stdout", Terminal())
    for result in results:
        shown = show(HOSTILE, result, entities=entities)
        assert shown.replace("\n", "").replace("\t", "").isprintable()


def test_info_and_errors_of_a_real_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-m", "zoo", "info", str(tmp_path / "no\x1b[31m")],
        cwd=ROOT,
        stdout=theirs,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    output = os.read(ours, 10_000)
    os.close(ours)
    assert process.returncode == 1
    assert b"no\\x1b[31m" in output
    assert b"\x1b" not in output


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    command = f"exec '{sys.executable}' -m zoo cells lstm {closed}"
    process = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert ("lstm" in process.stdout) == (">&-" not in closed.split())


EVALUATE = """
import sys
from zoo.cli import commands
from zoo.tasks import evaluate
evaluate.evaluate = lambda options: print("scores\\n" * 1_000_000)
sys.argv = ["zoo", "evaluate", "run"]
commands.main()
"""


@pytest.mark.parametrize(
    "command", [["-m", "zoo", "cells", *["lstm"] * 3000], ["-c", EVALUATE]]
)
def test_a_closed_pipe_is_quiet(command: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0
