"""Real trainings in two processes: one run, whatever happens to one of them."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.numpy

from tests.helpers import processes
from tests.helpers.tolerances import assert_close
from tests.helpers.training import finished, flags, newest, train
from tests.tasks.test_devices import free_port

# A task that carries its state from batch to batch.
TASK = "charlm"
HEARTBEAT = 10
# Without --thorough.
OF_EACH_KIND = {"1 signalled", "0 evaluation"}


class Training:
    """A training in two processes."""

    def __init__(
        self, folder: Path, env: dict[str, str], out: Path, *more: str | Path
    ) -> None:
        """Start both processes."""
        address = f"localhost:{free_port()}"
        arguments = [TASK, *flags(TASK, folder), "--out", out, *more]
        arguments += ["--coordinator", address, "--processes", "2"]
        arguments += ["--heartbeat-seconds", str(HEARTBEAT)]
        self.processes = [
            processes.start("train.py", *arguments, "--process", number, env=env)
            for number in range(2)
        ]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, while both processes run."""
        while not condition():
            for process in self.processes:
                assert process.poll() is None, process.communicate()
            time.sleep(0.01)

    def end(self) -> list[tuple[int, str, str]]:
        """Return the status, stdout and stderr of both processes at their end."""
        outputs = [process.communicate(timeout=300) for process in self.processes]
        statuses = [process.wait() for process in self.processes]
        return [(s, *o) for s, o in zip(statuses, outputs, strict=True)]


def same_results(one: Path, other: Path) -> None:
    """Compare the logs and the models of two runs."""
    weights = [
        safetensors.numpy.load_file(path / "model" / "weights.safetensors")
        for path in (one, other)
    ]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        assert_close(weights[1][name], value, 1e-5, name)
    logs = [
        [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
        for path in (one, other)
    ]
    assert len(logs[0]) == len(logs[1])
    for line, second in zip(*logs, strict=True):
        for name in ("epoch", "step", "train_loss", "dev_loss", "dev_nats"):
            assert second[name] == pytest.approx(line[name], rel=1e-5), name


def test_two_processes_train_one_run(
    work: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, env = work
    out = folder / "together"
    (status, stdout, stderr), (other, silent, notes) = Training(folder, env, out).end()
    assert (status, other) == (0, 0), stderr + notes
    uninterrupted, _ = finished(TASK, tmp_path_factory)
    same_results(uninterrupted, out)
    assert "2 devices in 2 processes" in stdout
    assert "each batch is divided over 2; every device holds all" in stdout
    assert silent == ""
    assert notes.splitlines()[-1] == (
        "note: process 1 of 2; process 0 prints the progress"
    )
    assert all("waiting for" in line for line in stderr.splitlines())
    assert {path.name for path in out.iterdir()} == {
        path.name for path in uninterrupted.iterdir()
    }


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", ["0 signalled", "1 signalled"])
def test_a_signal_to_one_process_stops_both(
    work: tuple[Path, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    case: str,
) -> None:
    (folder, env), number = work, int(case[0])
    out = folder / f"signalled-{number}"
    training = Training(folder, env, out, "--checkpoint-seconds", "0")
    training.wait_for(lambda: newest(out) >= 2)
    training.processes[number].send_signal(signal.SIGTERM)
    (status, _, stderr), (other, _, _) = training.end()
    assert (status, other) == (128 + signal.SIGTERM, 128 + signal.SIGTERM)
    assert "a checkpoint is saved" in stderr
    resumed = train(TASK, "--out", out, "--resume", env=env)
    assert resumed.returncode == 0, resumed.stderr
    same_results(finished(TASK, tmp_path_factory)[0], out)


def saving(out: Path) -> bool:
    """Return whether a checkpoint is being written."""
    return any((out / "checkpoints").glob(".*.part*"))


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "step": lambda out: newest(out) >= 2,
    "save": saving,
    # A checkpoint follows each batch; one epoch has a line in the log.
    "evaluation": lambda out: newest(out) >= 0 and (out / "log.jsonl").exists(),
}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize(
    "case", [f"{who} {moment}" for moment in MOMENTS for who in ("0", "1", "both")]
)
def test_a_killed_process_ends_the_others_and_the_run_resumes(
    work: tuple[Path, dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    case: str,
) -> None:
    (folder, env), (who, moment) = work, case.split()
    out = folder / f"killed-{who}-{moment}"
    training = Training(folder, env, out, "--checkpoint-seconds", "0")
    training.wait_for(lambda: MOMENTS[moment](out))
    for number in range(2) if who == "both" else [int(who)]:
        training.processes[number].kill()
    started = time.monotonic()
    ends = training.end()
    assert time.monotonic() - started < 4 * HEARTBEAT
    if who != "both":
        status, _, stderr = ends[1 - int(who)]
        assert status not in (0, -signal.SIGKILL)
        lines = [s for s in stderr.splitlines() if not s.startswith("note: ")]
        assert len(lines) == 1, stderr
        assert lines[0].startswith("error: ")
        assert "--resume continues from the last checkpoint" in lines[0]
    again = Training(folder, env, out, "--resume").end()
    assert [status for status, *_ in again] == [0, 0], again
    same_results(finished(TASK, tmp_path_factory)[0], out)


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", ["1 stopped"])
def test_a_process_that_does_not_answer_is_given_up(
    work: tuple[Path, dict[str, str]], case: str
) -> None:
    folder, env = work
    out = folder / "stopped"
    training = Training(folder, env, out, "--checkpoint-seconds", "0")
    training.wait_for(lambda: newest(out) >= 2)
    training.processes[1].send_signal(signal.SIGSTOP)
    stdout, stderr = training.processes[0].communicate(timeout=10 * HEARTBEAT)
    training.processes[1].kill()
    training.processes[1].communicate()
    assert training.processes[0].returncode not in (0, None)
    line = stderr.splitlines()[-1]
    assert line.startswith("error: process 1 of the training has ended or does not")


def test_processes_with_other_flags_or_folders_are_refused(
    work: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, env = work
    address = f"localhost:{free_port()}"
    running = []
    for number, rate in enumerate(("0.01", "0.02")):
        arguments = [TASK, *flags(TASK, folder), "--out", folder / "differing"]
        arguments += ["--learning-rate", rate, "--coordinator", address]
        arguments += ["--processes", 2, "--process", number]
        running.append(processes.start("train.py", *arguments, env=env))
    for process in running:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 1
        assert "process 1 differs from process 0 in --learning-rate" in stderr
    assert not (folder / "differing").exists()


def test_a_missing_cluster_is_an_error(work: tuple[Path, dict[str, str]]) -> None:
    folder, env = work
    arguments = [*flags(TASK, folder), "--distributed"]
    process = train(TASK, *arguments, env=env)
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: --distributed: JAX finds no cluster")


MEMBER = ["--coordinator", "node:1", "--processes", "2", "--process"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes", "2"], "--coordinator is missing"),
        (["--coordinator", "a", *MEMBER[2:], "0"], "--coordinator must be HOST:PORT"),
        ([*MEMBER, "2"], "--process must be less than --processes 2, got 2"),
        (["--distributed", "--process", "1"], "itself: omit --process"),
        (["--mesh", "data=2"], "--mesh data=2 needs 2 devices, but there is 1"),
        (["--mesh", "rows=2"], "--mesh must be data=N,model=M, got 'rows=2'"),
        (["--mesh", "data=0"], "--mesh must have sizes of 1 or more"),
        (["--accumulate", "9"], "--accumulate must be --batch-size 8 or less"),
        (["--processes", "0"], "--processes must be 1 or more"),
    ],
)
def test_flags_that_do_not_fit_are_errors(
    error_of: Callable[..., str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = tmp_path / "run"
    assert message in error_of(TASK, *flags(TASK, tmp_path), "--out", out, *arguments)
    assert not out.exists()
