"""The log of a run and the position in a checkpoint, damaged in many ways."""

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.tasks.run import log
from zoo.tasks.run.errors import RunError
from zoo.tasks.run.position import ADDED, Length, Position

FIRST = {"epoch": 1, "step": 6, "train_loss": 2.5, "dev_loss": 2.25, "seconds": 1.0}
FIRST |= {"dev_f1": math.nan, "tokens_per_second": 10.0}
SECOND = {**FIRST, "epoch": 2, "step": 12}


def write(path: Path, *lines: Any, end: str = "\n") -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + end)
    return path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "is not JSON"),
        ('{"epoch": 2, "train_l', "is not JSON"),
        ("\x00\x00", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[2]", "must be a JSON object, got list"),
        ({"step": 3}, "has no epoch"),
        ({**SECOND, "epoch": 1}, "must be of epoch 2, got 1"),
        ({**SECOND, "epoch": 3}, "must be of epoch 2, got 3"),
        ({**SECOND, "epoch": 2.0}, "must be of epoch 2, got 2.0"),
        ({**SECOND, "epoch": True}, "must be of epoch 2, got True"),
        ({**SECOND, "epoch": math.nan}, "must be of epoch 2, got nan"),
        ({**SECOND, "dev_loss": "1.0"}, "dev_loss must be a number, got '1.0'"),
        ({**SECOND, "dev_loss": None}, "dev_loss must be a number, got None"),
        ({**SECOND, "train_loss": math.nan}, "train_loss must be finite, got nan"),
        ({**SECOND, "step": 10**400}, "step must be finite"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    path = write(tmp_path / "log.jsonl", FIRST, line, {**FIRST, "epoch": 3})
    content = path.read_bytes()
    for read in (log.read, lambda path: log.truncate(path, 1)):
        with pytest.raises(RunError, match=re.escape(f"{path}:2: ")) as error:
            read(path)
        assert message in str(error.value)
        assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert path.read_bytes() == content


@pytest.mark.parametrize("length", range(len(json.dumps(SECOND)) + 1))
def test_a_last_line_truncated_by_a_crash_is_dropped(
    tmp_path: Path, length: int
) -> None:
    text = json.dumps(SECOND)[:length]
    path = write(tmp_path / "log.jsonl", FIRST, text, end="")
    epochs = [line["epoch"] for line in log.read(path)]
    assert epochs == ([1, 2] if length == len(json.dumps(SECOND)) else [1])
    log.truncate(path, 1)
    log.append(path, SECOND)
    assert path.read_text() == write(tmp_path / "other", FIRST, SECOND).read_text()


def test_a_log_that_ends_before_the_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log.truncate(path, 0)
    with pytest.raises(RunError, match="ends with epoch 0, the checkpoint with epoch"):
        log.truncate(path, 1)
    write(path, FIRST, SECOND)
    with pytest.raises(RunError, match="ends with epoch 2, the checkpoint with epoch"):
        log.truncate(path, 3)
    log.truncate(path, 1)
    assert [line["epoch"] for line in log.read(path)] == [1]


POSITION = dataclasses.asdict(
    Position(
        epoch=2, batch=3, step=23, total=4.5, count=9, best=0.5, best_loss=1.5,
        best_epoch=1, seconds=2.0, tokens=100, epoch_seconds=0.5, epoch_tokens=30,
        elapsed=3.0,
    )
)  # fmt: skip


def test_positions_that_the_program_saves_are_read() -> None:
    for values in (POSITION, dataclasses.asdict(Position())):
        position = Position.from_json(Length(40, 10), json.loads(json.dumps(values)))
        assert dataclasses.asdict(position) == values
    streamed = {**POSITION, "stream": [1, 0, 3, 4, 5]}
    assert Position.from_json(Length(40, 10), streamed).stream == [1, 0, 3, 4, 5]
    not_a_number = {**POSITION, "best": math.nan, "best_loss": None}
    assert Position.from_json(Length(40, 10), not_a_number).best_loss is None


def test_positions_of_earlier_versions_are_read() -> None:
    values = {name: value for name, value in POSITION.items() if name not in ADDED}
    position = Position.from_json(Length(40, 10), values)
    assert dataclasses.asdict(position) == {**values, **ADDED}
    assert position.tokens_per_second() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": -1}, "epoch must be from 0 to 4, got -1"),
        ({"epoch": 5, "step": 53}, "epoch must be from 0 to 4, got 5"),
        ({"batch": 11, "step": 31}, "batch must be from 0 to 10, got 11"),
        ({"batch": -1, "step": 19}, "batch must be from 0 to 10, got -1"),
        ({"step": 24}, "step must be 23, got 24"),
        ({"epoch": 2.0}, "epoch must be an int, got 2.0"),
        ({"batch": True}, "batch must be an int, got True"),
        ({"total": "4"}, "total must be a number, got '4'"),
        ({"total": None}, "total must be a number, got None"),
        ({"total": math.nan}, "total must be from"),
        ({"seconds": -1.0}, "seconds must be from"),
        ({"tokens": 10**400}, "tokens must be from"),
        ({"best_epoch": 2}, "best_epoch must be from 0 to 1, got 2"),
        ({"best_epoch": -1}, "best_epoch must be from 0 to 1, got -1"),
        ({"best": None}, "best is None in epoch 1"),
        ({"best": [1]}, "best must be a number"),
        ({"stream": [1, 2, 3]}, "stream must be 5 counts, got [1, 2, 3]"),
        ({"stream": [1, 2, 3, 4, -5]}, "stream must be 5 counts"),
        ({"stream": [1, 2, 3, 4, 5.0]}, "stream must be 5 counts"),
        ({"stream": 7}, "stream must be 5 counts, got 7"),
        ({"more": 1}, "missing or unknown values: more"),
    ],
)
def test_a_position_out_of_range_is_refused(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Position.from_json(Length(40, 10), {**POSITION, **change})


@pytest.mark.parametrize("name", sorted(POSITION.keys() - ADDED.keys()))
def test_a_position_without_a_value_is_refused(name: str) -> None:
    values = {key: value for key, value in POSITION.items() if key != name}
    with pytest.raises(ValueError, match=f"missing or unknown values: {name}"):
        Position.from_json(Length(40, 10), values)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.just("2")


@given(st.dictionaries(st.sampled_from([*POSITION, "other"]), VALUES))
def test_a_position_is_in_range_or_refused(change: dict[str, Any]) -> None:
    try:
        position = Position.from_json(Length(40, 10), {**POSITION, **change})
    except ValueError:
        return
    assert 0 <= position.epoch <= 4 and 0 <= position.batch <= 10
    assert position.step == 10 * position.epoch + position.batch
    assert -1 <= position.best_epoch < max(position.epoch, 1)
    assert math.isfinite(position.total) and position.seconds >= 0
