"""What JAX's C++ code prints when a process of a training is lost, in one line.

It ends the process at once, with a page of addresses. So a child process reads the
output of such code, and prints one line in place of that page. Python writes to the
terminal itself. The child imports nothing of this project.
"""

import os
import re
import subprocess
import sys

_JOINED = "zoo: the processes have joined"
_ANNOUNCED = "zoo: the loss of a process has been announced"
_RECORD = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ (\S+):\d+\]")
_COORDINATION = re.compile(r"coordination_service\S*|client\.h|distributed\S*")
_CONNECTED = re.compile(r"\[Gloo\] Rank |.*is connected to \d+ peer ranks")
_CRASH = re.compile(r"Fatal Python error|terminate called|\w*Error: |Traceback ")
_FATAL = "JAX distributed service detected fatal errors"


def translate() -> None:
    """Redirect what C++ code of this process writes to stdout and stderr, once."""
    reader, writer = os.pipe()
    output, terminal = os.dup(1), os.dup(2)
    subprocess.Popen(
        [sys.executable, "-I", "-S", __file__],
        stdin=reader,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,  # Ctrl-C is for the training
    )
    os.close(reader)
    sys.stdout.flush()
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.close(writer)
    sys.stdout = open(output, "w", errors=sys.stdout.errors)
    sys.stderr = open(terminal, "w", buffering=1, errors="backslashreplace")


def joined() -> None:
    """Say that all processes are there."""
    os.write(2, f"{_JOINED}\n".encode())


def announce() -> None:
    """Say that Python has reported the lost process already."""
    os.write(2, f"{_ANNOUNCED}\n".encode())


def _main() -> None:
    """Copy stdin to stdout without the records of the coordination service."""
    hidden, is_hidden, said = [], False, set()
    for line in sys.stdin:
        if line.strip() in (_JOINED, _ANNOUNCED):
            said.add(line.strip())
            continue
        if _CONNECTED.match(line):
            continue
        record = _RECORD.match(line)
        if record:
            is_hidden = bool(_COORDINATION.fullmatch(record[1]))
        elif _CRASH.match(line):
            is_hidden = False
        if is_hidden:
            hidden.append(line)
        else:
            sys.stdout.write(line)
            sys.stdout.flush()
    text = "".join(hidden)
    if _FATAL in text and _ANNOUNCED not in said:
        print(f"error: {_lost(text, _JOINED in said)}", flush=True)


def _lost(text: str, has_joined: bool) -> str:
    """Return the message on the processes that the records name."""
    if not has_joined:
        return (
            "the other processes have not all started in time, or --coordinator is not "
            "the address of process 0"
        )
    numbers = re.search(r"stopped sending heartbeats\):\s*([\d, ]+)", text)
    who = "process 0" if numbers is None else f"process {numbers[1].strip()}"
    return (
        f"{who} of the training has ended or does not answer, so that this one ends "
        "too; --resume continues from the last checkpoint"
    )


if __name__ == "__main__":
    _main()
