"""The folder of compiled programs: which, how large, and what is removed from it."""

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from tests.helpers.training import ROOT
from zoo.cli import compile_cache

pytestmark = pytest.mark.skipif(
    jax.__version_info__ < compile_cache.MIN_JAX, reason="no cache with this JAX"
)

PROGRAM = """
import sys
import jax
from zoo.cli import compile_cache

print(compile_cache.use())
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
print(jax.jit(lambda x: x + 2)(1))
print(sum("cache_hits" in event for event in events))
"""


@pytest.fixture
def variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    names = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs")
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("ZOO_COMPILE_CACHE", str(tmp_path / "compiled"))
    yield tmp_path / "compiled"
    for name, value in before.items():
        jax.config.update(name, value)


def start(**variables: str) -> list[str]:
    """Return what the program prints in a new process: folder, result, cache hits."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**env, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0 and not process.stderr, process.stderr
    return process.stdout.split()


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    place = {"ZOO_COMPILE_CACHE": str(tmp_path)}
    folder, result, hits = start(**place)
    assert (result, hits) == ("3", "0")
    assert Path(folder).parent == tmp_path
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert start(**place) == [folder, "3", "1"]
    # An entry that a killed process has not completed is written again.
    (entry,) = Path(folder).glob("*-cache")
    content = entry.read_bytes()
    entry.write_bytes(content[: len(content) // 2])
    assert start(**place) == [folder, "3", "0"]
    assert start(**place) == [folder, "3", "1"]


def test_where_there_is_no_cache(tmp_path: Path) -> None:
    assert start(ZOO_COMPILE_CACHE="off")[0] == "None"
    jax_cache = str(tmp_path / "of-jax")
    place = {"ZOO_COMPILE_CACHE": str(tmp_path / "a")}
    assert start(**place, JAX_COMPILATION_CACHE_DIR=jax_cache)[0] == "None"
    assert start(**place, JAX_ENABLE_COMPILATION_CACHE="0")[0] == "None"
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").touch()
    assert start(ZOO_COMPILE_CACHE=str(tmp_path / "file"))[0] == "None"


def test_there_is_none_with_an_older_jax(
    variable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "__version_info__", (0, 10, 1))
    assert compile_cache.use() is None
    assert not variable.exists()


def test_the_default_is_in_the_cache_of_the_user(tmp_path: Path) -> None:
    folder = start(ZOO_COMPILE_CACHE="", HOME=str(tmp_path), XDG_CACHE_HOME="")[0]
    assert Path(folder).parent == tmp_path / ".cache" / "rnn-zoo" / "compiled"
    folder = start(ZOO_COMPILE_CACHE="", XDG_CACHE_HOME=str(tmp_path / "xdg"))[0]
    assert Path(folder).parent == tmp_path / "xdg" / "rnn-zoo" / "compiled"


def test_others_cannot_write_programs(variable: Path) -> None:
    folder = compile_cache.use()
    assert folder is not None
    folder.chmod(0o777)
    jax.config.update("jax_compilation_cache_dir", None)
    assert compile_cache.use() is None


def test_the_least_recently_used_entries_are_removed(
    variable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_cache, "MAX_BYTES", 250)
    paths = [variable / name / f"{name}-cache" for name in ("a", "b", "c", "d")]
    times = {"a": (1, 1), "b": (9, 2), "c": (3, 3), "d": (4, 4)}
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 100)
        os.utime(path, times[path.parent.name])
    compile_cache.use()
    assert [path.parent.name for path in paths if path.exists()] == ["b", "d"]


def test_complete_entries_are_kept(variable: Path) -> None:
    folder = compile_cache.use()
    assert folder is not None
    jax.config.update("jax_compilation_cache_dir", None)
    content = zlib.compress(b"a program" * 99)
    contents = {"whole": content, "half": content[:9], "empty": b"", "other": b"x" * 9}
    for name, data in contents.items():
        (folder / f"{name}-cache").write_bytes(data)
    (folder / "half").write_bytes(content[:9])  # not an entry
    assert compile_cache.use() == folder
    assert {path.name for path in folder.iterdir()} == {
        ".checked",
        "half",
        "whole-cache",
    }
