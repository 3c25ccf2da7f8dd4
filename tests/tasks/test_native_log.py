"""What C++ code prints about a lost process becomes one line; the rest stays."""

import subprocess
import sys

import pytest

from zoo.tasks import native_log

RECORD = "E1130 16:18:00.887674    7542 coordination_service.cc:1549] [1] unhealthy"
FATAL = (
    "F1130 16:18:00.888495    7553 client.h:80] Terminating process because the JAX "
    "distributed service detected fatal errors. absl::Status: UNAVAILABLE: The "
    "following tasks are unhealthy (stopped sending heartbeats):\n1\nCheck the log.\n"
    "*** Check failure stack trace: ***\n    @     0x7f3737e40634  absl::Flush()"
)
CRASH = "Fatal Python error: Segmentation fault\n\nCurrent thread (most recent call"
ABORT = "terminate called after throwing an instance of 'std::bad_alloc'"
CONNECTED = "[Gloo] Rank 0 is connected to 1 peer ranks. Expected number is : 1"
JOINED, ANNOUNCED = native_log._JOINED, native_log._ANNOUNCED
LOST = "error: process 1 of the training has ended or does not answer, so that this one"


def translated(*lines: str) -> str:
    """Return what the user sees of some lines."""
    process = subprocess.run(
        [sys.executable, "-I", "-S", native_log.__file__],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0 and not process.stderr
    return process.stdout


@pytest.mark.parametrize(
    "lines", [("plain",), ("W1130 16:18:00.1    1 other.cc:1] a warning", "and more")]
)
def test_other_output_stays(lines: tuple[str, ...]) -> None:
    assert translated(JOINED, *lines) == "\n".join(lines) + "\n"


def test_a_lost_process_is_one_line() -> None:
    (line,) = translated(JOINED, CONNECTED, RECORD, FATAL).splitlines()
    assert line.startswith(LOST)
    leader = FATAL.replace("stopped sending heartbeats", "Socket closed")
    (line,) = translated(JOINED, leader).splitlines()
    assert line.startswith(LOST.replace("process 1", "process 0"))


def test_a_loss_that_python_has_announced_is_not_repeated() -> None:
    assert translated(JOINED, RECORD, ANNOUNCED, FATAL) == ""


def test_a_process_that_does_not_join_has_another_message() -> None:
    assert "have not all started in time" in translated(RECORD, FATAL)


@pytest.mark.parametrize("crash", [CRASH, ABORT])
def test_a_crash_after_a_record_is_shown(crash: str) -> None:
    assert translated(JOINED, RECORD, crash) == crash + "\n"
