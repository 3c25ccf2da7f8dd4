"""The code of a docs page.

The ``python`` and ``sh`` blocks run in order, in the working directory, as a reader
would run them, but in this process, since importing the libraries takes longer than
most commands. Some commands differ from the page:

- Training is small: the flags of `training.flags` come before those of the command,
  which override them. If a folder of finished runs holds a run with the resulting
  flags, the run is copied instead.
- Commands on data that are not part of the project (`EXTERNAL`), and the lab, which has
  its own test, are only parsed. Python blocks on such data are skipped if the data are
  missing.

Blocks of other kinds (``text``, ``python torch``) do not run.
"""

import dataclasses
import os
import re
import shlex
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.helpers.training import flags
from zoo.cli import commands
from zoo.tasks.cli.lab import Lab
from zoo.tasks.cli.train import Train

EXTERNAL = re.compile(r"ZOO_DATA|hub:")


class Block(NamedTuple):
    """A block of code of a page.

    Attributes:
        language: ``"python"`` or ``"sh"``.
        code: its lines.
        line: number of lines before them.
    """

    language: str
    code: str
    line: int


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page that run."""
    text = path.read_text(encoding="utf-8")
    fences = re.finditer(r"^```(python|sh)\n(.*?)^```$", text, re.M | re.S)
    return [Block(f[1], f[2], text.count("\n", 0, f.start()) + 1) for f in fences]


def commands_of(block: Block) -> list[list[str]]:
    """Return the commands of a block, ``["zoo", "predict", ...]`` each."""
    if block.language != "sh":
        return []
    return [shlex.split(line) for line in block.code.replace("\\\n", "").splitlines()]


def training_commands(path: Path) -> list[list[str]]:
    """Return the commands of a page that train on data of the project."""
    return [
        words
        for block in blocks(path)
        for words in commands_of(block)
        if "train.py" in words and not EXTERNAL.search(" ".join(words))
    ]


def train(args: list[str], finished: Path) -> None:
    """Run ``python train.py ARGS`` with small settings."""
    if EXTERNAL.search(" ".join(args)):
        parse(*args)
        return
    task, *own = args
    small = flags(task, finished)
    config = parse(task, *small, *own)
    if config == dataclasses.replace(parse(task, *small), out=config.out):
        # Another test changes the checkpoints.
        ignore = shutil.ignore_patterns("checkpoints")
        shutil.copytree(finished / task, config.out, ignore=ignore)
    else:
        sys.argv = ["train.py", task, *small, *own]
        commands.run("train", sys.argv[1:], "train.py")


def parse(*args: str) -> Any:
    """Return the flags of ``python train.py ARGS``."""
    with mock.patch.object(Train, "main", autospec=True) as main:
        Train.execute(args, "train.py")
    return main.call_args.args[0].config


def run_command(words: list[str], finished: Path) -> None:
    """Run a command of a page."""
    print("$", shlex.join(words), flush=True)
    program, *args = words
    if [program, *args[:1]] == ["python", "train.py"]:
        train(args[1:], finished)
        return
    assert program == "zoo", f"expected python train.py or zoo, got {program}"
    sys.argv = words
    # The lab has its own test.
    main = mock.patch.object(Lab, "main") if args[0] == "lab" else nullcontext()
    with main:
        commands.main()


def run(path: Path, finished: Path) -> None:
    """Run the blocks of a page.

    Args:
        path: of the page.
        finished: folder of finished runs.
    """
    namespace = {"__name__": "__main__"}
    has_data = os.path.isdir(os.environ.get("ZOO_DATA", ""))
    for block in blocks(path):
        for words in commands_of(block):
            run_command(words, finished)
        if block.language == "python":
            if has_data or not EXTERNAL.search(block.code):
                # A traceback shows the line numbers of the page.
                code = "\n" * block.line + block.code
                exec(compile(code, path, "exec"), namespace)
