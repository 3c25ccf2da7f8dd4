"""The commands of ``python -m zoo``, and how their errors are reported."""

import sys
from typing import Annotated

import tyro
from tyro.conf import subcommand

from zoo.cli.arguments import check_command
from zoo.cli.cells import Cells
from zoo.cli.generate import Generate
from zoo.cli.info import Info
from zoo.cli.predict import Predict
from zoo.cli.serve import Serve
from zoo.cli.terminal import closed_pipe_is_quiet, open_closed_streams, visible
from zoo.version import VERSION

COMMANDS = {
    "predict": Predict,
    "generate": Generate,
    "serve": Serve,
    "info": Info,
    "cells": Cells,
}


def main() -> None:
    """Read the command line and run the command."""
    open_closed_streams()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--version"]:
        print(f"rnn-zoo {VERSION}")
        return
    check_command(arguments, COMMANDS, "zoo")
    try:
        with closed_pipe_is_quiet():
            command = tyro.cli(
                Annotated[Predict, subcommand("predict")]
                | Annotated[Generate, subcommand("generate")]
                | Annotated[Serve, subcommand("serve")]
                | Annotated[Info, subcommand("info")]
                | Annotated[Cells, subcommand("cells")],  # pyright: ignore[reportArgumentType]
                prog="zoo",
                description="Use trained recurrent networks. --version prints the "
                "version.",
            )
            command.main()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise SystemExit(130) from None
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"error: {visible(str(error), sys.stderr)}", file=sys.stderr)
        raise SystemExit(1) from None
