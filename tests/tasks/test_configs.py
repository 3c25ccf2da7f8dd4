"""The flags of the tasks: their groups, the help, and which task has which."""

import dataclasses
import re

import pytest

from zoo.cli import commands
from zoo.tasks.cli.train import Train
from zoo.tasks.configs import CONFIGS, groups, pos
from zoo.tasks.registry import TASKS


def test_every_task_has_its_flags() -> None:
    assert {name: task.Config for name, task in TASKS.items()} == CONFIGS


@pytest.mark.parametrize("task", CONFIGS)
def test_each_flag_is_in_one_group_with_its_default(task: str) -> None:
    fields = [f for group in groups(CONFIGS[task]).values() for f in _fields(group)]
    by_name = {name: (default, hint) for name, default, hint in fields}
    assert len(fields) == len(by_name)
    flat = {name: (default, hint) for name, default, hint in _fields(CONFIGS[task])}
    assert by_name == flat


def _fields(kind: type) -> list[tuple[str, object, object]]:
    return [
        (field.name, field.default, field.type) for field in dataclasses.fields(kind)
    ]


@pytest.mark.parametrize("task", CONFIGS)
@pytest.mark.parametrize("width", [80, 100])
def test_the_help_lists_the_flags_in_groups(
    task: str,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        commands.run("train", [task, "--help"], "zoo train")
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= width
    # The frames depend on the locale.
    plain = re.sub("[│╭╮╰╯─]", " ", output)
    parts = re.split(r"^ +((?:[\w-]+ )?options) +$", plain, flags=re.M)
    listed = dict(zip(parts[1::2], parts[2::2], strict=True))
    groups_of_task = {
        name.replace("_", "-"): group for name, group in groups(CONFIGS[task]).items()
    }
    assert list(listed) == ["options", *(f"{name} options" for name in groups_of_task)]
    for name, group in groups_of_task.items():
        flags = re.findall(r"^  --([a-z][a-z-]*)", listed[f"{name} options"], re.M)
        expected = [field.name for field in dataclasses.fields(group)]
        assert flags == [name.replace("_", "-") for name in expected]


def test_flags_of_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Train] = []
    monkeypatch.setattr(Train, "main", lambda self: trained.append(self))
    flags = "pos --batch_size 7 --no-digits --train-file a b --max-length 3"
    Train.execute(flags.split(), "zoo train")
    (command,) = trained
    expected = pos.Config(
        batch_size=7, digits=False, train_file=("a", "b"), max_length=3
    )
    assert (command.task, command.config) == ("pos", expected)
    saved = pos.Config(batch_size=5, dropout=0.1, digits=True)
    assert command.parse(saved) == dataclasses.replace(expected, dropout=0.1)
