"""The sample of the classification task: reviews whose label depends on word order."""

import random
from collections import Counter

import pytest

from zoo.tasks.data import reviews


def test_reviews_are_balanced_and_no_text_is_in_two_splits() -> None:
    splits = reviews.reviews()
    assert {name: len(rows) for name, rows in splits.items()} == reviews.SIZES
    texts = [text for rows in splits.values() for text, _ in rows]
    assert len(set(texts)) == sum(reviews.SIZES.values())
    for rows in splits.values():
        counts = Counter(label for _, label in rows)
        assert counts["positive"] == counts["negative"]
    assert splits == reviews.reviews()


def test_a_review_holds_about_as_many_words_of_blame_as_of_praise() -> None:
    praise = {w for a in _aspects() for w in a.positive}
    blame = {w for a in _aspects() for w in a.negative}
    assert not praise & blame
    ratios = {}
    for label in (False, True):
        rng = random.Random(0)
        texts = [reviews.review(rng, label) for _ in range(5000)]
        words = [word.strip(".,") for text in texts for word in text.split()]
        praised = sum(word in praise for word in words)
        ratios[label] = praised / (praised + sum(word in blame for word in words))
    assert ratios[True] == pytest.approx(1 - ratios[False], abs=0.02)
    assert ratios[True] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (0, "the plot was {good}"),
        (1, "the plot was {bad}, but the music was {good}"),
        (2, "although the plot was {bad}, the music was {good}"),
        (3, "the plot was {good}, even though the music was {bad}"),
        (4, "I expected the plot to be dull, but it was {good}"),
        (5, "critics called the plot dull, yet to me it was {good}"),
        (6, "the plot was gripping, whoever called it dull"),
        (7, "the plot used to be dull and is now gripping"),
        (8, "nobody could call the plot dull"),
        (9, "the plot was not dull but gripping"),
        (10, "the plot was gripping, not dull"),
    ],
)
def test_forms_of_positive_reviews(form: int, text: str) -> None:
    plot = reviews.Aspect("plot", ("dull",), ("gripping",))
    music = reviews.Aspect("music", ("dull",), ("gripping",))
    good = {degree + "gripping" for degree in reviews.DEGREES}
    good |= {f"{negation} dull" for negation in reviews.NEGATIONS}
    bad = {degree + "dull" for degree in reviews.DEGREES}
    bad |= {f"{negation} gripping" for negation in reviews.NEGATIONS}
    expected = {text.format(good=g, bad=b) for g in good for b in bad}
    rng = random.Random(0)
    written = set()
    for _ in range(100):
        writer = reviews.Writer(rng, (plot, music))
        writer.first, writer.second = plot, music
        written.add(reviews.FORMS[form](writer, True))
    assert written <= expected
    assert len(written) == 1 or len(written) > 5


def _aspects() -> list[reviews.Aspect]:
    return [aspect for aspects in reviews.SUBJECTS.values() for aspect in aspects]
