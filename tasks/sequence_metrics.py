"""Scores of texts that were written: sacrebleu and jiwer do the arithmetic."""

from collections.abc import Callable, Sequence
from typing import Any

import jiwer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

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
    answers: dict[str, list[str]] = {}
    for source, right in zip(sources, references, strict=True):
        known = answers.setdefault(source, [])
        known += [answer for answer in map(_plain, right) if answer not in known]
    best = dict(zip(sources, map(_plain, written), strict=True))
    exact = sum(best[source] in right for source, right in answers.items()) / len(best)
    numbers: dict[str, str] = {}

    def numbered(text: str) -> str:
        """Return a text with each token as a word of its own, as jiwer wants it."""
        return " ".join(numbers.setdefault(t, str(len(numbers))) for t in split(text))

    nearest, found = [], []
    for source, right in answers.items():
        found.append(numbered(best[source]))
        choice = [numbered(answer) for answer in right]
        nearest.append(min(choice, key=lambda r: _distance(r, found[-1])))
    errors = jiwer.process_words(nearest, found)
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


def _plain(text: str) -> str:
    return " ".join(text.split())


def _distance(reference: str, found: str) -> float:
    if reference == found:
        return 0.0
    errors = jiwer.process_words(reference, found)
    return errors.substitutions + errors.deletions + errors.insertions
