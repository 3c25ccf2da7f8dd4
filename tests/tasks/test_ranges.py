"""Numbers in the flags: every one has a range, and a value outside is an error."""

import dataclasses
import math
from typing import Annotated, Any, get_type_hints

import pytest

from zoo.tasks import ranges
from zoo.tasks.registry import TASKS

CASES = [
    (ranges.Positive, [1, 10**9], [0, -1]),
    (ranges.Positive | None, [None, 1], [0]),
    (ranges.Count, [0, 1], [-1]),
    (ranges.Seed, [0, 2**32 - 1], [-1, 2**32]),
    (ranges.NonNegative, [0.0, 1e300], [-1e-9, math.inf, math.nan]),
    (ranges.Rate, [0.0, 0.999], [1.0, -0.1, math.nan]),
    (ranges.Fraction, [0.0, 1.0], [1.1, -0.1, math.nan]),
    (ranges.Factor, [1e-9, 1.0], [0.0, 1.1, math.nan]),
    (ranges.Finite, [-1e300, 0.0], [math.inf, -math.inf, math.nan]),
    (Annotated[int, ranges.Range(2)], [2], [1]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), CASES)
def test_a_value_outside_its_range_is_an_error(
    kind: Any, good: list[Any], bad: list[Any]
) -> None:
    Flags = dataclasses.make_dataclass("Flags", [("a_flag", kind)])
    for value in good:
        ranges.check(Flags(value))
    for value in bad:
        with pytest.raises(ValueError, match=r"^--a-flag must (be|lie) .*, got "):
            ranges.check(Flags(value))


@pytest.mark.parametrize("task", TASKS)
def test_every_number_has_a_range(task: str) -> None:
    config = TASKS[task].Config
    hints = get_type_hints(config, include_extras=True)
    for field in dataclasses.fields(config):
        if type(field.default) in (int, float):
            assert ranges.range_of(hints[field.name]), field.name
    ranges.check(config())
