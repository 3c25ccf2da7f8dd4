"""The sample of the seq2seq task: dates in words and in ISO 8601."""

import datetime

import pytest

from zoo.tasks.data import dates


def test_dates_are_correct_and_no_date_is_in_two_splits() -> None:
    splits = dates.pairs()
    assert {name: len(rows) for name, rows in splits.items()} == dates.SIZES
    targets = [target for rows in splits.values() for _, target in rows]
    assert len(set(targets)) == sum(dates.SIZES.values())
    assert splits == dates.pairs()
    for source, target in splits["dev"]:
        date = datetime.date.fromisoformat(target)
        assert source in [form(date) for form in dates.FORMS]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (0, "3 May 1979"),
        (4, "the third of May, 1979"),
        (6, "May the third, nineteen seventy-nine"),
        (7, "5/3/79"),
        (15, "Thursday, 3 May 1979"),
    ],
)
def test_forms_of_dates(form: int, text: str) -> None:
    assert dates.FORMS[form](datetime.date(1979, 5, 3)) == text


def test_numbers_in_words() -> None:
    assert [dates.ordinal(n) for n in (1, 12, 20, 22, 30)] == [
        *("first", "twelfth", "twentieth", "twenty-second", "thirtieth"),
    ]
    suffixed = [dates.suffixed(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 23, 30)]
    assert suffixed == "1st 2nd 3rd 4th 11th 12th 13th 21st 23rd 30th".split()
    assert dates.year(1900) == "nineteen hundred"
    assert dates.year(1905) == "nineteen oh-five"
    assert dates.year(2000) == "two thousand"
    assert dates.year(2049) == "twenty forty-nine"
