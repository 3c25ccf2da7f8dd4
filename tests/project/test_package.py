"""The wheel and the source distribution: the library with the trainer inside."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.helpers.training import ROOT

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "zoo", "tasks", "train.py")
DATA = ["zoo/py.typed", "zoo/server/page/index.html", "zoo/tasks/run/page.css"]
DATA += ["zoo/tasks/samples/README.md", "zoo/tasks/samples/english.conllu"]


def build(kind: str, project: Path, out: Path) -> Path:
    """Build a wheel or a source distribution, without the network.

    Args:
        kind: ``"wheel"`` or ``"sdist"``.
        project: folder of the project, in which files are left behind.
        out: folder of the result.
    """
    code = f"import setuptools.build_meta as b; print(b.build_{kind}({str(out)!r}))"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return out / process.stdout.splitlines()[-1]


def modules(folder: str) -> list[str]:
    """Return the paths of the modules in a folder of the project."""
    return [p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*.py")]


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by name, without its description."""
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if ".dist-info/" not in n]
        return {name: archive.read(name) for name in names}


def test_the_wheel_has_the_files_of_the_library_and_of_the_trainer(
    tmp_path: Path,
) -> None:
    pytest.importorskip("setuptools", minversion="77")
    project = tmp_path / "project"
    project.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, project / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / name, project)

    source = build("sdist", project, tmp_path)
    with tarfile.open(source) as archive:
        assert not [member.name for member in archive if member.issym()]
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    (tmp_path / "direct").mkdir()
    files = contents(build("wheel", unpacked, tmp_path))
    assert files == contents(build("wheel", project, tmp_path / "direct"))

    paths = {f"zoo/{path}": ROOT / path for path in ("train.py", *modules("tasks"))}
    paths |= {path: ROOT / path for path in (*modules("zoo"), *DATA)}
    assert paths.keys() <= files.keys()
    assert [n for n, path in paths.items() if files[n] != path.read_bytes()] == []
    assert {name.split("/")[0] for name in files} == {"zoo"}


def test_the_folder_of_the_tasks_is_no_package_of_its_own() -> None:
    code = "import zoo.tasks\nimport tasks"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    error = process.stderr.splitlines()[-1]
    assert error == "ImportError: the tasks are part of zoo: import zoo.tasks"
