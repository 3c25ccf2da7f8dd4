"""Killed or stopped at any moment, a run goes on as if nothing had happened."""

import json
import re
import signal
import subprocess
import time

import pytest
import safetensors.numpy

from tests.helpers.tolerances import assert_identical
from tests.helpers.training import (
    ROOT,
    TASKS,
    command,
    environment,
    finished,
    flags,
    newest,
    run,
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder for runs, and their environment."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, environment(tmp_path_factory)


# A state that is carried from batch to batch, and one that is not.
OF_EACH_KIND = {"charlm", "pos"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", TASKS)
def test_killed_and_resumed_is_as_if_never_killed(work, case, tmp_path_factory):
    (folder, env), task = work, case
    whole, _ = finished(task, tmp_path_factory)
    out = folder / f"{task}-killed"
    line = command("train.py", task, *flags(task, folder), "--out", out, "--resume")
    line += ["--checkpoint-seconds", "0"]
    # A checkpoint after every batch; killed when some are there, in both epochs.
    for least in (2, 9):
        process = subprocess.Popen(
            line, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while process.poll() is None and newest(out) < least:
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        assert newest(out) >= least
    found = run("train.py", *line[2:], env=env)
    assert found.returncode == 0, found.stderr
    weights = [
        safetensors.numpy.load_file(path / "model" / "weights.safetensors")
        for path in (whole, out)
    ]
    assert_identical(weights[1], weights[0])
    before, after = (
        [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
        for path in (whole, out)
    )
    assert [(e["train_loss"], e["dev_loss"]) for e in after] == [
        (e["train_loss"], e["dev_loss"]) for e in before
    ]


def test_a_full_disk_is_told_and_loses_nothing(work):
    folder, env = work
    disk = folder / "disk"
    disk.mkdir()
    out = disk / "run"
    line = command("train.py", "pos", *flags("pos", folder), "--out", out, "--resume")
    line += ["--checkpoint-seconds", "0"]
    # A disk of our own, too small for three checkpoints; then it grows, and the run
    # goes on.
    script = f"""
        mount -t tmpfs -o size=600k tmpfs {disk} || exit 77
        "$@"
        [ $? -eq 1 ] || exit 78
        echo "the disk grows" >&2
        mount -o remount,size=50m {disk}
        "$@"
    """
    isolated = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        found = subprocess.run(
            [*isolated, "sh", "-c", script, "sh", *line],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except FileNotFoundError:
        pytest.skip("only Linux can mount a disk for one process")
    if found.returncode in (1, 77) and "the disk grows" not in found.stderr:
        pytest.skip("this system lets no process mount a disk of its own")
    assert found.returncode == 0, found.stderr
    before, after = found.stderr.split("the disk grows")
    assert "No space left on device" in before
    assert "the last checkpoint is kept" in before
    # A thread of orbax may complain of its own when all is over; this project does not.
    assert not re.search(r'File ".*/(tasks/\w+|zoo/\w+|train)\.py"', before)
    assert "resuming in epoch" in found.stdout
    assert "Traceback" not in after


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_say_how_to_go_on(work, number):
    folder, env = work
    out = folder / f"signal-{number}"
    process = subprocess.Popen(
        command("train.py", "charlm", *flags("charlm", folder), "--out", out)
        + ["--epochs", "500"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and newest(out) < 0:
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    assert f"with --out {out} --resume" in stderr
    assert "Traceback" not in stderr
