"""Scores of texts that were written: sacrebleu and jiwer do the arithmetic.

They are imported when there is some.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tasks.base import Scores


def sequences(
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    written: Sequence[str],
    split: Callable[[str], list[str]],
) -> Scores:
    """Score texts against one or several references each.

    Args:
        sources: a text a row.
        references: of each row; rows of one source share all of theirs in ``exact``,
            ``wer`` and ``per``.
        written: the best text for each row.
        split: gives the tokens of a target.

    Returns:
        ``exact``, the share of different sources whose text is one of the references
        (white space apart), and ``wer``, the share of the others; ``per``, edits
        between the tokens of the text and those of its nearest reference, a token of
        the reference; ``bleu`` and ``chrf`` of all rows, with their signatures. All are
        fractions.
    """
    from jiwer import process_words
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    answers: dict[str, list[str]] = {}
    for source, right in zip(sources, references, strict=True):
        known = answers.setdefault(source, [])
        known += [answer for answer in map(_plain, right) if answer not in known]
    best = dict(zip(sources, map(_plain, written), strict=True))
    exact = sum(best[source] in right for source, right in answers.items()) / len(best)
    numbers: dict[str, str] = {}
    nearest, found = [], []
    for source, right in answers.items():
        reference, text = _nearest(right, best[source], split, numbers)
        nearest.append(reference)
        found.append(text)
    errors = process_words(nearest, found)
    most = max(map(len, references))
    streams: Any = [
        [right[k] if k < len(right) else None for right in references]
        for k in range(most)
    ]
    # The texts may be split into tokens already: no warning of that.
    metrics = {
        "bleu": BLEU(force=True),
        "chrf": CHRF(),
    }
    values = {"exact": exact, "wer": 1 - exact, "per": float(errors.wer)}
    signatures = {}
    for name, metric in metrics.items():
        values[name] = metric.corpus_score(list(written), streams).score / 100
        signatures[name] = str(metric.get_signature())
    return Scores(values, signatures=signatures)


def edits(
    references: Sequence[str], written: str, split: Callable[[str], list[str]]
) -> tuple[int, int]:
    """Return how many edits a text is away from its nearest reference, and its length.

    Args:
        references: of the text.
        written: the text.
        split: gives the tokens of a target.

    Returns:
        Tokens to be replaced, put in or left out, white space apart; and the tokens of
        the reference.
    """
    right = [_plain(reference) for reference in references]
    nearest, found = _nearest(right, _plain(written), split, {})
    return _distance(nearest, found), len(nearest.split())


def _nearest(
    right: Sequence[str],
    written: str,
    split: Callable[[str], list[str]],
    numbers: dict[str, str],
) -> tuple[str, str]:
    """Return the reference nearest to a text, and the text, in numbered tokens."""

    def numbered(text: str) -> str:
        """Return a text with each token as a word of its own, as jiwer wants it."""
        return " ".join(numbers.setdefault(t, str(len(numbers))) for t in split(text))

    found = numbered(written)
    return min(map(numbered, right), key=lambda r: _distance(r, found)), found


def _plain(text: str) -> str:
    return " ".join(text.split())


def _distance(reference: str, found: str) -> int:
    from jiwer import process_words

    if reference == found:
        return 0
    if not reference:
        return len(found.split())  # jiwer wants a word at least
    errors = process_words(reference, found)
    return errors.substitutions + errors.deletions + errors.insertions
