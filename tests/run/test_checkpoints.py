"""Checkpoints: damage is detected, and the one before is used."""

import random
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.tolerances import assert_identical
from zoo.tasks.run.checkpoints import Checkpoints, DamagedError
from zoo.tasks.run.errors import RunError
from zoo.tasks.run.position import Position, PositionError


def state(value: int) -> dict[str, Any]:
    return {
        "params": {"W": np.full((30, 7), value, np.float32)},
        "half": jnp.full(5, value, jnp.bfloat16),
        "key": np.array([0, value], np.uint32),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoints:
    """Return the checkpoints 1, 2 and 3."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for number in (1, 2, 3):
        checkpoints.save(number, state(number), {"epoch": number})
    return checkpoints


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.stat().st_size)


def flip_a_bit(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def number_of(checkpoints: Checkpoints) -> int:
    """Return the number of the latest checkpoint, whose state has its values."""
    latest = checkpoints.restore_latest(state(0), read)
    assert latest is not None
    restored, position = latest
    assert_identical(jax.device_get(restored), jax.device_get(state(position.epoch)))
    return position.epoch


def read(values: dict[str, Any]) -> Position:
    return Position(epoch=values["epoch"])


def test_a_flipped_bit_in_any_file_is_detected(
    saved: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    paths = [path for path in files(saved.path(3)) if path.is_file()]
    assert len(paths) > 10
    for path in paths:
        content = path.read_bytes()
        flip_a_bit(path, rng)
        with pytest.raises(DamagedError):
            saved.restore(3, state(0))
        path.write_bytes(content)
    assert number_of(saved) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["flipped", "truncated", "missing", "more"])
def test_the_checkpoint_before_a_damaged_one_is_restored(
    saved: Checkpoints, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    path = saved.path(3) / "state" / "manifest.ocdbt"
    if how == "flipped":
        flip_a_bit(path, random.Random(1))
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "missing":
        path.unlink()
    else:
        path.with_name("more").write_text("")
    assert number_of(saved) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"note: the checkpoint {saved.path(3)} is damaged: ")
    assert message.endswith("resuming from checkpoint 2")
    assert saved.numbers() == [1, 2]
    saved.save(3, state(3), {"epoch": 3})
    assert number_of(saved) == 3


def test_an_error_if_all_checkpoints_are_damaged(saved: Checkpoints) -> None:
    for number in saved.numbers():
        flip_a_bit(saved.path(number) / "position" / "metadata", random.Random(2))
    with pytest.raises(RunError, match="position/metadata is not what was saved; .*--"):
        number_of(saved)
    assert saved.numbers() == [1, 2, 3]


def test_a_position_that_is_refused_counts_as_damage(
    saved: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_first(values: dict[str, Any]) -> Position:
        if values["epoch"] > 1:
            raise PositionError("epoch must be 1")
        return read(values)

    latest = saved.restore_latest(state(0), read_first)
    assert latest is not None and latest[1] == Position(epoch=1)
    assert capsys.readouterr().err.count("epoch must be 1; resuming from") == 2
    assert saved.numbers() == [1]


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
def test_another_error_is_no_damage(
    saved: Checkpoints, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(saved._orbax, "restore", fail)
        with pytest.raises(type(error)):
            number_of(saved)
    assert saved.numbers() == [1, 2, 3]
    assert number_of(saved) == 3


def test_the_latest_are_kept(saved: Checkpoints) -> None:
    saved.keep(2)
    assert saved.numbers() == [2, 3]
    saved.keep(5)
    assert saved.numbers() == [2, 3]
    saved.keep(1)
    assert saved.numbers() == [3]
    assert number_of(saved) == 3


def test_checkpoints_without_digests_can_be_read(saved: Checkpoints) -> None:
    """Those of earlier versions."""
    (saved.path(3) / "digests.json").unlink()
    assert number_of(saved) == 3


def test_there_may_be_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.restore_latest(state(0), read) is None
