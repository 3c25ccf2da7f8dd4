"""The sample of the seq2seq task: written dates and their ISO 8601 form.

The pairs are generated: the same seed gives the same bytes on every machine, and no
date is in two splits.
"""

import datetime
import itertools
import random
from collections.abc import Callable
from pathlib import Path

from zoo.tasks.data import sample_text

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
SIZES = {"train": 5000, "dev": 500, "test": 1000}
SEED = 1979

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ONES = (
    *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
    *("seventeen", "eighteen", "nineteen"),
)
TENS = (
    *("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty"),
    "ninety",
)
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth"}
ORDINALS |= {"eight": "eighth", "nine": "ninth", "twelve": "twelfth"}
ORDINALS |= {"twenty": "twentieth", "thirty": "thirtieth"}


def number(n: int) -> str:
    """Return a number in words.

    Args:
        n: 1 to 99.
    """
    if n < 20:
        return ONES[n]
    return TENS[n // 10] + ("-" + ONES[n % 10] if n % 10 else "")


def ordinal(n: int) -> str:
    """Return an ordinal number in words, such as twenty-third.

    Args:
        n: 1 to 99.
    """
    *first, last = number(n).split("-")
    return "-".join([*first, ORDINALS.get(last, last + "th")])


def suffixed(n: int) -> str:
    """Return an ordinal number in digits, such as 23rd.

    Args:
        n: 1 to 99.
    """
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{'th' if n in (11, 12, 13) else ending}"


def year(n: int) -> str:
    """Return a year in words, such as nineteen oh-five or two thousand and nine.

    Args:
        n: 1900 to 2099.
    """
    century, rest = divmod(n, 100)
    if century == 20 and rest < 10:
        return "two thousand" + (f" and {ONES[rest]}" if rest else "")
    if rest < 10:
        return f"{number(century)} {'oh-' + ONES[rest] if rest else 'hundred'}"
    return f"{number(century)} {number(rest)}"


# With dots the day comes first, with slashes the month; two-digit years are 1950-2049.
FORMS: tuple[Callable[[datetime.date], str], ...] = (
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{suffixed(d.day)} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {suffixed(d.day)}, {d.year}",
    lambda d: f"the {ordinal(d.day)} of {MONTHS[d.month - 1]}, {d.year}",
    lambda d: f"the {suffixed(d.day)} of {MONTHS[d.month - 1]} '{d.year % 100:02}",
    lambda d: f"{MONTHS[d.month - 1]} the {ordinal(d.day)}, {year(d.year)}",
    lambda d: f"{d.month}/{d.day}/{d.year % 100:02}",
    lambda d: f"{d.month:02}/{d.day:02}/{d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.day:02}.{d.month:02}.{d.year % 100:02}",
    lambda d: f"{d.year}.{d.month:02}.{d.day:02}",
    lambda d: f"{d.day}-{MONTHS[d.month - 1][:3]}-{d.year % 100:02}",
    lambda d: f"{d.day:02} {MONTHS[d.month - 1][:3].upper()} {d.year}",
    lambda d: f"{MONTHS[d.month - 1][:3]} {d.day} {d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{DAYS[d.weekday()][:3]} {MONTHS[d.month - 1][:3]} {d.day:02} {d.year}",
    lambda d: f"{d.year} {MONTHS[d.month - 1]} {d.day}",
    lambda d: f"{d.year}{d.month:02}{d.day:02}",
)


def pairs(seed: int = SEED) -> dict[str, list[tuple[str, str]]]:
    """Return the pairs of each split: a date in one of `FORMS`, and in ISO 8601.

    Args:
        seed: seed of the dates and of their forms.
    """
    rng = random.Random(seed)
    days = rng.sample(range((LAST - FIRST).days + 1), sum(SIZES.values()))
    dates = [FIRST + datetime.timedelta(days=day) for day in days]
    rows = iter([(rng.choice(FORMS)(date), date.isoformat()) for date in dates])
    return {split: list(itertools.islice(rows, n)) for split, n in SIZES.items()}


def folder() -> Path:
    """Write each split to a TSV file, and return the folder of the files."""
    return sample_text.write_splits("dates", ("source", "target"), pairs())
