"""The ranges of numeric flags, as parts of their types."""

import math
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints


class Range(NamedTuple):
    """The values that a flag may have.

    Attributes:
        low: the lowest value.
        high: the highest value; infinity itself is not in the range.
        excludes_high: whether `high` itself is not in the range.
        excludes_low: whether `low` itself is not in the range.
    """

    low: float
    high: float = math.inf
    excludes_high: bool = False
    excludes_low: bool = False

    def __contains__(self, value: Any) -> bool:
        """Return whether a value is in the range; NaN and infinity never are."""
        if (
            not -math.inf < value < math.inf
            or self.excludes_high
            and value == self.high
            or self.excludes_low
            and value == self.low
        ):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """Return the range as an error message names it."""
        if self.high < math.inf:
            opening = "(" if self.excludes_low else "["
            closing = ")" if self.excludes_high else "]"
            return f"lie in {opening}{self.low}, {self.high}{closing}"
        if self.low > -math.inf:
            return f"be {self.low} or more"
        return "be finite"


Positive = Annotated[int, Range(1)]
Count = Annotated[int, Range(0)]
Seed = Annotated[int, Range(0, 2**32, excludes_high=True)]
NonNegative = Annotated[float, Range(0)]
Rate = Annotated[float, Range(0, 1, excludes_high=True)]
Fraction = Annotated[float, Range(0, 1)]
Factor = Annotated[float, Range(0, 1, excludes_low=True)]
Finite = Annotated[float, Range(-math.inf)]


def check(config: Any) -> None:
    """Check that all numbers of a configuration are in the ranges of their types.

    Args:
        config: a dataclass.

    Raises:
        ValueError: if one is not; the message names the flag.
    """
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        value, allowed = getattr(config, name, None), range_of(hint)
        if value is not None and allowed is not None and value not in allowed:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} must {allowed}, got {value}")


def range_of(hint: Any) -> Range | None:
    """Return the range in a type such as ``Positive | None``, None without one.

    Args:
        hint: the type.
    """
    for part in get_args(hint):
        inner = part if isinstance(part, Range) else range_of(part)
        if inner is not None:
            return inner
    return None
