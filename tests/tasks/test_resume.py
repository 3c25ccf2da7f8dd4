"""A run that is killed or stopped at any moment resumes without a difference."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import processes
from tests.helpers.tolerances import assert_identical
from tests.helpers.training import (
    ROOT,
    TASKS,
    command,
    finished,
    flags,
    kill_and_resume,
    losses,
    newest,
    weights,
)
from tests.helpers.typed import present
from zoo.tasks.program import TrainState
from zoo.tasks.run import console
from zoo.tasks.run.checkpoints import Checkpoints
from zoo.train import Interruption

# A task that carries its state from batch to batch, and one that does not.
OF_EACH_KIND = {"charlm", "pos"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", TASKS)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    work: tuple[Path, dict[str, str]],
    case: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    (folder, env), task = work, case
    uninterrupted, _ = finished(task, tmp_path_factory)
    out = folder / f"{task}-killed"
    # In both epochs.
    kill_and_resume(task, *flags(task, folder), out=out, checkpoints=(2, 9), env=env)
    assert_identical(weights(out), weights(uninterrupted))
    assert losses(out) == losses(uninterrupted)


def test_checkpoints_with_ints_as_keys_can_be_read(tmp_path: Path) -> None:
    """Earlier versions named the layers of a stack by ints, which sort differently."""
    saved = {k: np.full(2, k, np.float32) for k in range(12)}
    like = {str(k): np.zeros(2, np.float32) for k in range(12)}
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(0, TrainState(saved, (), (saved,), (), np.zeros(2)), {"epoch": 1})
    state, position = checkpoints.restore(
        0, TrainState(like, (), (like,), (), np.zeros(2))
    )
    checkpoints.close()
    assert position == {"epoch": 1}
    for params in (state.params, state.opt_state[0]):
        assert_identical(params, {str(k): value for k, value in saved.items()})


def test_a_full_disk_is_reported_and_the_run_can_be_resumed(
    work: tuple[Path, dict[str, str]],
) -> None:
    folder, env = work
    disk = folder / "disk"
    disk.mkdir()
    out = disk / "run"
    args = command("train.py", "pos", *flags("pos", folder), "--out", out, "--resume")
    args += ["--checkpoint-seconds", "0"]
    # A file system that is too small for three checkpoints; then it is enlarged, and
    # the run is resumed.
    script = f"""
        mount -t tmpfs -o size=600k tmpfs {disk} || exit 77
        "$@"
        [ $? -eq 1 ] || exit 78
        echo "the disk is enlarged" >&2
        mount -o remount,size=50m {disk}
        "$@"
    """
    isolated = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        process = subprocess.run(
            [*isolated, "sh", "-c", script, "sh", *args],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except FileNotFoundError:
        pytest.skip("needs Linux, which can mount a file system for one process")
    enlarged = "the disk is enlarged"
    if process.returncode in (1, 77) and enlarged not in process.stderr:
        pytest.skip("this system does not allow a process to mount a file system")
    assert process.returncode == 0, process.stderr
    before, after = process.stderr.split(enlarged)
    assert re.fullmatch(
        rf"error: No space left on device: {out}/\S+ \([\d.]+ MB free there\); free "
        r"some space and continue with --resume\n",
        before,
    )
    assert "resuming in epoch" in process.stdout
    assert "Traceback" not in after


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_with_nothing_to_save_ends_the_program(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as status, console.errors(debug=False):
            Interruption()
            signal.raise_signal(number)
    finally:
        for other, handler in handlers.items():
            signal.signal(other, handler)
    assert status.value.code == 128 + number
    assert capsys.readouterr().err == "stopped\n"


# A training whose compilations never end.
ENDLESS = """
import sys, threading
from zoo.cli import commands
from zoo.tasks.compile_ahead import CompileAhead

start, wait = CompileAhead.start, CompileAhead.wait

def start_endless(self, function, shaped, job):
    start(self, function, shaped, threading.Event().wait)

def announced_wait(self, function, shaped):
    print("waiting", flush=True)
    wait(self, function, shaped)

CompileAhead.start, CompileAhead.wait = start_endless, announced_wait
commands.run("train", sys.argv[1:], "zoo train")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_wait_for_a_compilation(
    work: tuple[Path, dict[str, str]], number: signal.Signals
) -> None:
    folder, env = work
    arguments = [
        "charlm",
        *flags("charlm", folder),
        "--out",
        folder / f"twice-{number}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *map(str, arguments)],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "waiting\n" in iter(present(process.stdout).readline, "")
        process.send_signal(number)
        stderr = present(process.stderr)
        assert any("repeat to stop" in line for line in iter(stderr.readline, ""))
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert rest.endswith("stopped\n") and "Traceback" not in rest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_a_checkpoint_and_show_how_to_resume(
    work: tuple[Path, dict[str, str]], number: signal.Signals
) -> None:
    folder, env = work
    out = folder / f"signal-{number}"
    arguments = ["charlm", *flags("charlm", folder), "--out", out, "--epochs", 500]
    process = processes.start("train.py", *arguments, env=env)
    while process.poll() is None and newest(out) < 0:
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    resume = f"python {ROOT / 'train.py'} charlm --out {out} --resume"
    assert f"to resume: {resume}\n" in stderr
    process = processes.start("train.py", *resume.split()[2:], env=env)
    stdout = present(process.stdout)
    assert any(line.startswith("resuming in epoch") for line in stdout)
    process.kill()
    process.communicate()
    assert "Traceback" not in stderr
