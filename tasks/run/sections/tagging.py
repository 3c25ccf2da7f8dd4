"""A tagger's worst errors."""

import heapq
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tasks.run.html import WORST, Html, Section, Token, errors, join, key, tag, tokens

AROUND = 40  # words shown on each side of an error


def tagging(
    sentence: Callable[[int], Sequence[str]],
    labels: Sequence[str],
    found: Iterable[tuple[int, dict[str, np.ndarray]]],
) -> list[Section]:
    """Return the errors of which a tagger was surest.

    An error is a stretch of words with wrong tags, as sure as its surest word.

    Args:
        sentence: gives the words of a row.
        labels: names of the tags.
        found: of each row its number, and ``labels``, ``predicted``, ``probability`` of
            the predicted, and ``mask``, all ``[T]``.
    """
    wrong = []
    for number, row in found:
        true, guess, sure = (
            row[name][row["mask"]] for name in ("labels", "predicted", "probability")
        )
        for start, stop in stretches(true != guess):
            surest = float(sure[start:stop].max())
            wrong.append((surest, number, (start, stop), (true, guess, sure)))
    worst = heapq.nlargest(WORST, wrong, key=lambda error: error[0])
    if not worst:
        return [Section("Worst errors", tag("p", "Every tag is right."))]

    def one(error) -> tuple[Html, Html]:
        surest, number, (start, stop), (true, guess, sure) = error
        words = sentence(number)
        first, last = max(start - AROUND, 0), min(stop + AROUND, len(true))
        pieces = [
            Token(
                words[k],
                1.0 - float(sure[k]),
                f"{labels[guess[k]]} {sure[k]:.2f}",
                start <= k < stop,
            )
            for k in range(first, last)
        ]
        if first:
            pieces.insert(0, Token("…"))
        if last < len(words):
            pieces.append(Token("…"))
        told = [
            " ".join(labels[int(k)] for k in tags[start:stop]) for tags in (true, guess)
        ]
        head = join(
            *(tag("b", told[0]), " taken for ", tag("b", told[1], class_="wrong")),
            f", sure to {surest:.4f}",
        )
        return head, tokens(pieces, "doubt")

    body = join(
        tag(
            "p",
            f"The {len(worst)} of {len(wrong):,} errors of which the model was surest. "
            "Each word is coloured by the model's doubt, 1 less the probability of the "
            "tag it gave.",
            class_="note",
        ),
        key("doubt", "sure", "in doubt"),
        errors(map(one, worst)),
    )
    return [Section("Worst errors", body)]


def stretches(wrong: np.ndarray) -> list[tuple[int, int]]:
    """Return where each run of True begins, and the place after its end.

    Args:
        wrong: bool ``[T]``.
    """
    edges = np.flatnonzero(np.diff(np.pad(wrong.astype(np.int8), 1)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
