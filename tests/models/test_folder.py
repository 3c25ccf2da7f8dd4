"""Model folders that are replaced while others read them, or that a kill interrupts."""

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo
from tests.helpers.pipelines import reader
from tests.helpers.training import ROOT
from zoo.artifact import folder

NAMES = ("config.json", "weights.safetensors")


def write(path: Path, content: str) -> None:
    """Write the same content into the files of a model."""
    folder.write(path, dict.fromkeys([*NAMES, "card"], content.encode()), NAMES)


def read(path: Path) -> str:
    """Return the content of the files of a model, which must be the same."""
    with folder.opened([path], NAMES) as (_, files):
        (content,) = {file.read().decode() for file in files}
    return content


def names(path: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(entry.name for entry in path.iterdir())


@pytest.fixture(params=["exchange", "renames"])
def replacement(request, monkeypatch) -> Iterator[str]:
    """How a folder is replaced: in one step, or in two where that is not supported."""
    if request.param == "renames":
        monkeypatch.setattr(folder, "_exchange", lambda a, b: False)
    yield request.param


def test_a_folder_is_replaced(replacement, tmp_path):
    path = tmp_path / "a" / "model"
    for content in ("old", "new", "newer"):
        write(path, content)
        assert read(path) == content
        assert names(path.parent) == ["model"]


def test_other_files_are_kept(replacement, tmp_path):
    write(tmp_path / "model", "old")
    (tmp_path / "model" / "notes").write_text("mine")
    (tmp_path / "model" / ".git").mkdir()
    (tmp_path / "model" / ".git" / "HEAD").write_text("ref")
    write(tmp_path / "model", "new")
    assert names(tmp_path / "model") == [".git", "card", *NAMES[:1], "notes", NAMES[1]]
    assert (tmp_path / "model" / ".git" / "HEAD").read_text() == "ref"
    assert names(tmp_path) == ["model"]


def test_a_folder_without_a_model_is_not_replaced(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileExistsError, match="it has config.json, but no weights.saf"):
        write(tmp_path, "new")
    with pytest.raises(FileExistsError, match="config.json is a file, expected a fold"):
        write(tmp_path / "config.json", "new")
    assert names(tmp_path) == ["config.json"]
    assert (tmp_path / "config.json").read_text() == "{}"


def test_a_link_to_a_folder(replacement, tmp_path):
    (tmp_path / "link").symlink_to("disk/model")
    for content in ("old", "new"):
        write(tmp_path / "link", content)
        assert read(tmp_path / "disk" / "model") == content
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "disk") == ["model"]


def test_a_failure_leaves_the_old_folder(replacement, tmp_path, monkeypatch):
    write(tmp_path / "model", "old")

    def full(path: Path) -> None:
        raise OSError("no space")

    monkeypatch.setattr(folder, "_sync", full)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path / "model", "new")
    assert read(tmp_path / "model") == "old"
    assert names(tmp_path) == ["model"]


def test_hidden_folders_of_others_are_kept(tmp_path):
    running, lock = folder._new_folder(tmp_path / "model")
    (running / "card").write_text("half")
    kept = [".model-backup", f".model-x-{'0' * 16}", running.name]
    (tmp_path / kept[0]).mkdir()
    (tmp_path / kept[1]).mkdir()
    (tmp_path / f".model-{'0' * 16}").mkdir()
    write(tmp_path / "model", "new")
    assert names(tmp_path) == sorted([*kept, "model"])
    folder._unlock(lock)
    write(tmp_path / "model", "newer")
    assert names(tmp_path) == sorted([*kept[:2], "model"])


# Writes a folder in a process that is killed at its n-th call of the system, for every
# n; prints the state after each kill.
KILLS = """
import importlib.util, itertools, json, os, shutil, signal, sys
from pathlib import Path

source, root, how = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
spec = importlib.util.spec_from_file_location("folder", source)
folder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(folder)
names = ("config.json", "weights.safetensors")
if how == "renames":
    folder._exchange = lambda a, b: False

def write(path, content):
    folder.write(path, dict.fromkeys(names, content), names)

def kill_after(count):
    calls = itertools.count()
    def hook(event, arguments):
        if event.startswith(("os.", "open", "shutil.", "fcntl.", "ctypes.")):
            if next(calls) == count:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

for count in itertools.count():
    path = root / str(count) / "model"
    write(path, b"old")
    (path / "notes").write_text("mine")
    child = os.fork()
    if child == 0:
        kill_after(count)
        write(path, b"new")
        os._exit(0)
    killed = os.waitpid(child, 0)[1] != 0
    with folder.opened([path], names) as (place, files):
        content = sorted({file.read().decode() for file in files})
    write(path, b"last")
    left = {str(p.relative_to(path.parent)): p.read_text()
            for p in path.parent.rglob("*") if p.is_file()}
    print(json.dumps([killed, content, left]))
    if not killed:
        break
"""


@pytest.mark.parametrize("how", ["exchange", "renames"])
def test_a_kill_leaves_the_old_or_the_new_folder(how, tmp_path):
    arguments = [folder.__file__, str(tmp_path), how]
    output = subprocess.run(
        [sys.executable, "-c", KILLS, *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    expected = {f"model/{name}": "last" for name in NAMES} | {"model/notes": "mine"}
    assert all(left == expected for _, _, left in lines)
    contents = [content for _, content, _ in lines]
    first = contents.index(["new"])
    assert contents == [["old"]] * first + [["new"]] * (len(contents) - first)
    assert first >= 10 and len(contents) - first >= 10  # kills before and after
    assert [killed for killed, _, _ in lines] == [True] * (len(lines) - 1) + [False]


READER = """
import sys
import zoo

while True:
    pipeline = zoo.load(sys.argv[1])
    value = float(pipeline.params["output"]["b"][0])
    assert value == pipeline.scale, (value, pipeline.scale)
    print(value, flush=True)
"""
NUM_LOADS = 20


def test_a_model_is_loaded_while_it_is_saved(replacement, tmp_path):
    pipeline = reader()

    def save(n: int) -> None:
        pipeline.scale = float(n)
        output = pipeline.params["output"]
        pipeline.params["output"] = {**output, "b": 0 * output["b"] + n}
        zoo.save(tmp_path / "model", pipeline)

    save(0)
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path / "model")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]  # the reader runs from here on
    finished = threading.Event()

    def load() -> None:
        assert process.stdout is not None
        lines.extend(itertools.islice(process.stdout, NUM_LOADS))
        finished.set()

    thread = threading.Thread(target=load)
    thread.start()
    for n in itertools.takewhile(lambda _: not finished.is_set(), itertools.count(1)):
        save(n)
    thread.join()
    process.kill()
    errors = process.communicate()[1]
    assert len(lines) == NUM_LOADS + 1, errors
    values = [float(line) for line in lines]
    assert values == sorted(values) and len(set(values)) > 2
    assert names(tmp_path) == ["model"]
