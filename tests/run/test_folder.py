"""A run folder: who may write in it, and what may be deleted."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo.artifact
from tests.helpers.training import ROOT
from zoo.registry import import_cell
from zoo.tasks.base import cell_digest
from zoo.tasks.configs import pos
from zoo.tasks.configs.memory import Config
from zoo.tasks.run import contents, flags, lock
from zoo.tasks.run.errors import RunError
from zoo.tasks.run.folder import Run
from zoo.tasks.run.position import Length, Position
from zoo.tasks.scores import Scores

DIGESTS = {"train (a.txt)": "1", "dev (b.txt)": "2"}


def started(out: Path, **options: Any) -> Run:
    """Return a run whose ``config.json`` is written."""
    run = Run("memory", Config(out=out, **options))
    run.begin(DIGESTS)
    return run


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return the folder of a run with everything that the program writes."""
    out = tmp_path / "run"
    started(out).close()
    for name in ("log.jsonl", "metrics.json", "curves.png", "confusion.png"):
        (out / name).write_text("old")
    for name in ("model", "tensorboard", "checkpoints/3/state"):
        (out / name).mkdir(parents=True)
    for name in (zoo.artifact.WEIGHTS, zoo.artifact.CONFIG, zoo.artifact.CARD):
        (out / "model" / name).write_text("old")
    (out / "tensorboard" / "events.out.tfevents.1.host").write_text("old")
    return out


STRAYS = (
    ".metrics.json.part",
    ".curves.png.part",
    "checkpoints/.12.part/state/_METADATA",
    "checkpoints/.12.part.orbax-checkpoint-tmp/a",
    "checkpoints/.3.deleted-00ff/a",
    "checkpoints/12.orbax-checkpoint-tmp/a",
    "../.run.deleted-0123abcd/config.json",
)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("stray")


def refused(message: str, **options: Any) -> None:
    with pytest.raises(RunError, match=message) as error:
        Run("memory", Config(**options))
    assert "\n" not in str(error.value)


def test_overwrite_deletes_a_run_and_its_strays(old: Path) -> None:
    write(
        old, *STRAYS, ".model-0123456789abcdef/config.json", ".model-replaced/README.md"
    )
    with started(old, overwrite=True):
        assert {path.name for path in old.iterdir()} == {"config.json", lock.NAME}
    assert [path.name for path in old.iterdir()] == ["config.json"]
    assert [path.name for path in old.parent.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "name",
    [
        *("notes.txt", ".env", "model/notes.txt", "checkpoints/best", "src/a.py"),
        ".model-replaced/notes.txt",
    ],
)
def test_overwrite_deletes_no_file_that_is_not_of_a_run(old: Path, name: str) -> None:
    write(old, name)
    shown = re.escape(name.partition("/")[0] if name.startswith("src") else name)
    refused(f"files that are not of a run, {shown}.*--force", out=old, overwrite=True)
    assert (old / name).read_text() == "stray"
    assert (old / "metrics.json").exists()
    assert not (old / lock.NAME).exists()
    started(old, overwrite=True, force=True).close()
    assert [path.name for path in old.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "config", ['{"name": "web"}', "", "[1]", '{"task": "pos", "flags": {}}']
)
def test_a_folder_with_another_config_is_no_run(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    write(tmp_path, ".curves.png.part")
    for options in ({"overwrite": True}, {"overwrite": True, "force": True}):
        refused("has no config.json of a run", out=tmp_path, **options)
    refused("has no config.json of a run", out=tmp_path, resume=True)
    refused("is not empty", out=tmp_path)
    assert (tmp_path / "config.json").read_text() == config
    assert (tmp_path / ".curves.png.part").exists()


def test_resume_refuses_a_folder_without_config(old: Path) -> None:
    (old / "config.json").unlink()
    refused("has no config.json of a run", out=old, resume=True)
    shutil.rmtree(old)
    write(old, ".config.json.part")  # of a crash in its first moment
    started(old, resume=True).close()
    assert [path.name for path in old.iterdir()] == ["config.json"]


def test_links_and_files_are_refused(old: Path) -> None:
    link = old.parent / "link"
    link.symlink_to(old)
    refused("is a symbolic link", out=link, overwrite=True)
    assert (old / "metrics.json").exists()
    started(link, resume=True).close()
    link.unlink()
    link.symlink_to(old.parent / "nothing")
    refused("is not a folder", out=link)
    refused("is not a folder", out=old / "metrics.json", resume=True)
    refused("--force is for --overwrite", out=old, force=True, resume=True)


def test_a_killed_deletion_leaves_no_half_of_a_run(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    run = Run("memory", Config(out=old, overwrite=True))
    monkeypatch.setattr(contents, "remove", killed)
    with run, pytest.raises(KeyboardInterrupt):
        run.begin(DIGESTS)
    monkeypatch.undo()
    (stray,) = [path for path in old.parent.iterdir() if path.name != "run"]
    assert (stray / "metrics.json").exists()
    started(old, resume=True).close()
    assert [path.name for path in old.parent.iterdir()] == ["run"]


def test_a_run_is_not_deleted_if_the_new_one_cannot_begin(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in old.rglob("*")}

    def fail(self: Run, name: str, value: Any) -> None:
        assert name == contents.CONFIG
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write", fail)
        with Run("memory", Config(out=old, overwrite=True)) as run:
            with pytest.raises(OSError):
                run.begin(DIGESTS)
            with pytest.raises(RunError, match="is in use by"):
                Run("memory", Config(out=old, overwrite=True))
    assert [path.name for path in old.parent.iterdir()] == ["run"]
    assert {path: path.stat().st_mtime_ns for path in old.rglob("*")} == before
    started(old, overwrite=True).close()
    assert not (old / "metrics.json").exists()


def test_a_path_that_is_not_utf_8_is_written_as_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    out = tmp_path / os.fsdecode(b"\xff")
    for resume in (False, True):
        config = pos.Config(out=out, train_file=(name,), resume=resume)
        with Run("pos", config) as run:
            run.begin(DIGESTS)
    assert json.loads((out / "config.json").read_text())["flags"]["train_file"] == [
        name
    ]


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_the_lock_is_nothing_but_a_file(tmp_path: Path, kind: str) -> None:
    (precious := tmp_path / "precious.txt").write_text("precious")
    (out := tmp_path / "run").mkdir()
    path = out / lock.NAME
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(precious if kind == "link" else tmp_path / "a" / "b")
    with pytest.raises((RunError, IsADirectoryError), match=re.escape(str(path))):
        Run("memory", Config(out=out))
    assert precious.read_text() == "precious"


def test_resume_adds_the_versions_to_the_configuration(old: Path) -> None:
    first = json.loads((old / "config.json").read_text())
    for count in (1, 2):
        started(old, resume=True).close()
        config = json.loads((old / "config.json").read_text())
        parts = config.pop("resumed")
        assert len(parts) == count
        assert parts[-1].keys() == {*flags.CONDITIONS, "command"}
        assert {**config, "flags": None} == {**first, "flags": None}


def test_resume_under_other_conditions_is_noted(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started(old, resume=True).close()
    assert capsys.readouterr().err == ""
    config = json.loads((old / "config.json").read_text())
    kernels, jax_version = config["kernels"], config["versions"]["jax"]
    config["kernels"], config["versions"]["jax"] = "AVX9 (v9)", "0.1"
    (old / "config.json").write_text(json.dumps(config))
    started(old, resume=True).close()
    assert capsys.readouterr().err == (
        "note: the results may differ in the last bits from an uninterrupted run: "
        f"versions: jax 0.1 -> {jax_version}; kernels: AVX9 (v9) -> {kernels}\n"
    )


def test_resume_sweeps_strays_and_keeps_the_rest(old: Path) -> None:
    before = {path for path in old.rglob("*")}
    write(old, *STRAYS)
    started(old, resume=True).close()
    assert {path for path in old.rglob("*")} == before
    assert [path.name for path in old.parent.iterdir()] == ["run"]


HOLD = """
import sys
from pathlib import Path
from zoo.tasks.run.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends(old: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(old)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None and first.stdin is not None
    assert first.stdout.readline() == "locked\n"
    message = f"--out {old} is in use by process {first.pid} on "
    for options in ({}, {"resume": True}, {"overwrite": True, "force": True}):
        refused(re.escape(message), out=old, **options)
    # Another process has moved the folder away: its lock is no longer in the way.
    moved = old.rename(old.with_name("moved"))
    started(old).close()
    contents.remove(old)
    moved.rename(old)
    refused(re.escape(message), out=old, resume=True)
    first.kill()
    first.wait()
    first.stdin.close()
    first.stdout.close()
    assert (old / lock.NAME).exists()
    started(old, resume=True).close()
    assert not (old / lock.NAME).exists()


def test_overwrite_keeps_the_folder_locked(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before the old run is renamed until the new one ends."""
    attempts = []

    def attempt(path: Path) -> None:
        refused("is in use", out=old, resume=True)
        attempts.append(path)

    monkeypatch.setattr(contents, "remove", attempt)
    with started(old, overwrite=True):
        refused("is in use", out=old, overwrite=True)
    assert attempts


def test_runs_that_start_in_the_same_second_have_different_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda _: "20300101-120000")
    runs = [Run("memory", Config()) for _ in range(3)]
    names = [run.path.as_posix() for run in runs]
    stem = "runs/memory-20300101-120000"
    assert names == [stem, f"{stem}.2", f"{stem}.3"]
    for run in runs:
        run.close()
    assert not list(Path("runs").iterdir())


def test_resume_names_what_has_changed(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def resume(**digests: str) -> None:
        with Run("memory", Config(out=old, resume=True)) as run:
            run.begin(digests)

    for changed in (
        {**DIGESTS, "dev (b.txt)": "3"},
        {"train (a.txt)": "1", "dev (b.txt, c.txt)": "2"},
        {"train (a.txt)": "1"},
    ):
        with pytest.raises(RunError, match=r"--resume: dev \(b.txt.*\) changed since"):
            resume(**changed)
    resume(**DIGESTS)
    assert capsys.readouterr().err == ""
    config = json.loads((old / "config.json").read_text())
    del config["digests"]
    (old / "config.json").write_text(json.dumps(config))
    resume(**DIGESTS)
    assert "note: " in capsys.readouterr().err
    assert json.loads((old / "config.json").read_text())["digests"] == DIGESTS


def test_a_run_of_a_version_with_fewer_flags_is_resumed_with_their_defaults(
    old: Path,
) -> None:
    config = json.loads((old / "config.json").read_text())
    del config["flags"]["remat"]
    (old / "config.json").write_text(json.dumps(config))
    Run("memory", Config(out=old, resume=True)).close()
    with pytest.raises(RunError, match="started with --remat none, got step:"):
        Run("memory", Config(out=old, resume=True, remat="step"))


def test_resume_names_all_flags_that_differ(old: Path) -> None:
    message = "was started with --epochs None, got 20; --seed 0, got 1: leave these"
    refused(message, out=old, resume=True, epochs=20, seed=1)
    for field in dataclasses.fields(Config):
        if field.name in flags.CHANGEABLE - {"out", "resume", "overwrite", "force"}:
            value = not field.default if field.default is False else 7
            started(old, resume=True, **{field.name: value}).close()


def test_flags_that_are_not_given_are_those_of_the_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = pos.Config(out=out, epochs=7, dev_file=("a", "b"), keep_checkpoints=3)
    assert flags.of_run(first, "pos") is first
    with Run("pos", first) as run:
        run.begin(DIGESTS)
    new = pos.Config(out=out, resume=True)
    assert flags.of_run(new, "ner") is new
    assert flags.of_run(new, "pos") == dataclasses.replace(
        first, resume=True, keep_checkpoints=1
    )
    config = json.loads((out / "config.json").read_text())
    config["flags"]["depth"] = 3
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json: there is no flag 'depth'"):
        flags.of_run(new, "pos")


def test_the_current_folder_is_not_deleted(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = old / "model"
    for here, out in ((old, Path(".")), (inside, Path("..")), (inside, old)):
        monkeypatch.chdir(here)
        with pytest.raises(RunError, match="holds the current folder"):
            started(out, overwrite=True)
    assert (old / "metrics.json").exists()


def test_only_folders_that_are_being_deleted_are_swept(old: Path) -> None:
    others = [old.with_name(f".run.deleted-{name}") for name in ("notes", "0" * 9)]
    for path in (*others, gone := old.with_name(".run.deleted-01234abc")):
        path.mkdir()
    started(old, resume=True).close()
    assert all(path.exists() for path in others)
    assert not gone.exists()


def test_runs_that_is_a_dangling_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").symlink_to("unmounted")
    with pytest.raises(FileExistsError, match="runs"):
        Run("memory", Config())


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_files_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    names = ("train_loss", "dev_loss", "dev_f1", "step", "seconds")
    state = {"a": np.zeros(3)}
    with started(tmp_path / "run") as run:
        run.restore(state, Length(1, 1))
        run.save(state, Position(), 1)
        run.log({"epoch": 1, **dict.fromkeys(names, 1.0)})
        run.finish({"test": Scores({"f1": 1.0})}, {}, [])
    paths = [run.path, *run.path.rglob("*")]
    assert {path.name for path in paths} >= {"curves.png", "0", "digests.json"}
    for path in paths:
        expected = 0o750 if path.is_dir() else 0o640
        assert path.stat().st_mode & 0o777 == expected, path


def test_the_digest_of_an_own_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digested_cells.py").write_text(
        "import zoo\n\n\nclass Own(zoo.LSTMCell):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = "digested_cells:Own"
    import_cell(name)
    before = cell_digest(name)
    assert list(before) == [f"the module of --cell {name}"]
    with (tmp_path / "digested_cells.py").open("a") as file:
        file.write("# changed\n")
    assert cell_digest(name).keys() == before.keys() and cell_digest(name) != before
    assert cell_digest("lstm") == {}


def test_a_lock_names_nobody_where_its_file_is_empty(tmp_path: Path) -> None:
    held = lock.Lock(tmp_path)
    os.truncate(tmp_path / lock.NAME, 0)
    with pytest.raises(RunError, match="is in use by another process"):
        lock.Lock(tmp_path)
    held.release()
    held.release()
