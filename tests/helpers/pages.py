"""Run the blocks of a page of docs/: ``python tests/helpers/pages.py docs/PAGE.md FINISHED``.

What its ``python`` and ``sh`` blocks say is done in order and in the working directory,
as a reader does who goes down the page; in one process, since to import the libraries
takes longer than most commands do. Some things are not as the page has them:

- Training is small: the flags of `training.flags` stand before those of the command,
  which win. Where both together are the flags of a run that other tests have made, in
  the folder FINISHED, that is taken; else the program trains.
- A command on data that are no part of the project (`APART`), and the lab, which has a
  test of its own, are read by their own parsers and go no further. Python that needs
  such data is left out where they are not.

Blocks of other kinds (``text``, ``python torch``) are not run.
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

APART = re.compile(r"ZOO_DATA|hub:")


class Block(NamedTuple):
    """A block of code of a page.

    Attributes:
        language: ``"python"`` or ``"sh"``.
        code: its lines.
        line: how many lines stand before them.
    """

    language: str
    code: str
    line: int


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page that are run."""
    text = path.read_text(encoding="utf-8")
    fences = re.finditer(r"^```(python|sh)\n(.*?)^```$", text, re.M | re.S)
    return [Block(f[1], f[2], text.count("\n", 0, f.start()) + 1) for f in fences]


def commands(block: Block) -> list[list[str]]:
    """Return the commands of a block, ``["python", "train.py", ...]`` each."""
    if block.language != "sh":
        return []
    return [shlex.split(line) for line in block.code.replace("\\\n", "").splitlines()]


def trained(path: Path) -> list[list[str]]:
    """Return the commands of a page that train on what comes with the project."""
    found = [words for block in blocks(path) for words in commands(block)]
    return [w for w in found if "train.py" in w and not APART.search(" ".join(w))]


def called(function: str, main: Any, *argv: str) -> tuple[Any, ...]:
    """Read a command line by a program, and return what it calls its function with."""
    with mock.patch.object(sys, "argv", list(argv)), mock.patch(function) as found:
        main()
    return found.call_args.args


def train(args: list[str], finished: Path) -> None:
    """Do what ``python train.py ARGS`` does, in small."""
    from train import main

    def config(*args: str) -> Any:
        return called("train.train", main, "train.py", *args)[1]

    if APART.search(" ".join(args)):
        config(*args)
        return
    task, *own = args
    small = flags(task, finished)
    found = config(task, *small, *own)
    if found == dataclasses.replace(config(task, *small), out=found.out):
        apart = shutil.ignore_patterns("checkpoints")  # another test changes them
        shutil.copytree(finished / task, found.out, ignore=apart)
    else:
        sys.argv = ["train.py", task, *small, *own]
        main()


def start(words: list[str], finished: Path) -> None:
    """Do what a command does."""
    print("$", shlex.join(words), flush=True)
    python, name, *args = words
    assert python == "python", f"only Python is run here, got {python}"
    if name == "train.py":
        train(args, finished)
        return
    assert name == "-m", f"expected train.py or -m, got {name}"
    name, *args = args
    entry = {"zoo": "zoo.cli.commands", "tasks.lab": "tasks.lab.comparison"}
    main = importlib.import_module(entry.get(name, name)).main
    if name == "tasks.lab":
        called("tasks.lab.comparison.run", main, name, *args)
    else:
        sys.argv = [name, *args]
        main()


def run(path: Path, finished: Path) -> None:
    """Run the blocks of a page."""
    space = {"__name__": "__main__"}
    here = os.path.isdir(os.environ.get("ZOO_DATA", ""))
    for block in blocks(path):
        for words in commands(block):
            start(words, finished)
        if block.language == "python" and (here or not APART.search(block.code)):
            # Its lines have the numbers that they have on the page.
            code = "\n" * block.line + block.code
            exec(compile(code, path, "exec"), space)


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
