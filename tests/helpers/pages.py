"""Run the code of a docs page: ``python tests/helpers/pages.py docs/PAGE.md FINISHED``.

The ``python`` and ``sh`` blocks run in order, in the working directory, as a reader
would run them. They share one process, since importing the libraries takes longer than
most commands. Some commands differ from the page:

- Training is small: the flags of `training.flags` come before those of the command,
  which override them. If the folder FINISHED holds a run with the resulting flags, the
  run is copied instead.
- Commands on data that are not part of the project (`EXTERNAL`), and the lab, which has
  its own test, are only parsed. Python blocks on such data are skipped if the data are
  missing.

Blocks of other kinds (``text``, ``python torch``) do not run.
"""

import dataclasses
import importlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.helpers.training import flags
from zoo.cli import compile_cache

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


def commands(block: Block) -> list[list[str]]:
    """Return the commands of a block, ``["python", "train.py", ...]`` each."""
    if block.language != "sh":
        return []
    return [shlex.split(line) for line in block.code.replace("\\\n", "").splitlines()]


def training_commands(path: Path) -> list[list[str]]:
    """Return the commands of a page that train on data of the project."""
    return [
        words
        for block in blocks(path)
        for words in commands(block)
        if "train.py" in words and not EXTERNAL.search(" ".join(words))
    ]


def call_args(function: str, main: Any, *argv: str) -> tuple[Any, ...]:
    """Return the arguments with which a program calls its function.

    Args:
        function: name of the function; a mock replaces it.
        main: the program.
        *argv: the command line.
    """
    with mock.patch.object(sys, "argv", list(argv)), mock.patch(function) as replaced:
        main()
    return replaced.call_args.args


def train(args: list[str], finished: Path) -> None:
    """Run ``python train.py ARGS`` with small settings."""
    from zoo.train import main

    def parse(*args: str) -> Any:
        return call_args("train.train", main, "train.py", *args)[1]

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
        main()


def run_command(words: list[str], finished: Path) -> None:
    """Run a command of a page."""
    print("$", shlex.join(words), flush=True)
    python, name, *args = words
    assert python == "python", f"expected a python command, got {python}"
    if name == "train.py":
        train(args, finished)
        return
    assert name == "-m", f"expected train.py or -m, got {name}"
    name, *args = args
    modules = {"zoo": "zoo.cli.commands", "zoo.tasks.lab": "zoo.tasks.lab.comparison"}
    main = importlib.import_module(modules.get(name, name)).main
    if name == "zoo.tasks.lab":
        call_args("zoo.tasks.lab.comparison.run", main, name, *args)
    else:
        sys.argv = [name, *args]
        main()


def run(path: Path, finished: Path) -> None:
    """Run the blocks of a page.

    Args:
        path: of the page.
        finished: folder of finished runs.
    """
    namespace = {"__name__": "__main__"}
    has_data = os.path.isdir(os.environ.get("ZOO_DATA", ""))
    for block in blocks(path):
        for words in commands(block):
            run_command(words, finished)
        if block.language == "python":
            if has_data or not EXTERNAL.search(block.code):
                # A traceback shows the line numbers of the page.
                code = "\n" * block.line + block.code
                exec(compile(code, path, "exec"), namespace)


if __name__ == "__main__":
    compile_cache.use()
    run(*map(Path, sys.argv[1:]))
