"""Scores of generated texts, by sacrebleu and jiwer.

Both are imported when a score is computed: they take long to import.
"""

from collections.abc import Callable, Sequence
from typing import Any

from zoo.tasks.scores import Scores


def sequences(
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    outputs: Sequence[str],
    split: Callable[[str], list[str]],
) -> Scores:
    """Score outputs against one or several references each.

    Args:
        sources: the source of each row.
        references: the references of each row. In ``exact``, ``wer`` and ``per``, rows
            with the same source share their references.
        outputs: the best output for each row.
        split: returns the tokens of a target.

    Returns:
        All are fractions. ``exact`` counts each distinct source once and accepts any of
        its references, apart from white space; ``wer`` is 1 - ``exact``. ``per`` is the
        edit distance between the tokens of the output and of its nearest reference,
        divided by the length of that reference. ``bleu`` and ``chrf`` are of all rows,
        with their signatures.
    """
    from jiwer import process_words
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    answers: dict[str, list[str]] = {}
    for source, row_references in zip(sources, references, strict=True):
        known = answers.setdefault(source, [])
        known += [a for a in map(_squeeze, row_references) if a not in known]
    output_of = dict(zip(sources, map(_squeeze, outputs), strict=True))
    num_exact = sum(output_of[source] in known for source, known in answers.items())
    exact = num_exact / len(output_of)
    ids: dict[str, str] = {}
    pairs = [
        _nearest(known, output_of[source], split, ids)
        for source, known in answers.items()
    ]
    nearest, texts = zip(*pairs, strict=True)
    errors = process_words(list(nearest), list(texts))
    most = max(map(len, references))
    streams: Any = [
        [texts[k] if k < len(texts) else None for texts in references]
        for k in range(most)
    ]
    # force: no warning that the texts look tokenised; they may be.
    metrics = {
        "bleu": BLEU(force=True),
        "chrf": CHRF(),
    }
    values = {"exact": exact, "wer": 1 - exact, "per": float(errors.wer)}
    signatures = {}
    for name, metric in metrics.items():
        values[name] = metric.corpus_score(list(outputs), streams).score / 100
        signatures[name] = str(metric.get_signature())
    return Scores(values, signatures=signatures)


def edits(
    references: Sequence[str], output: str, split: Callable[[str], list[str]]
) -> tuple[int, int]:
    """Return the edit distance to the nearest reference, and the latter's length.

    Args:
        references: of the output.
        output: the generated text.
        split: returns the tokens of a target.

    Returns:
        The number of tokens to substitute, insert or delete, apart from white space;
        and the number of tokens of the reference.
    """
    squeezed = [_squeeze(reference) for reference in references]
    nearest, text = _nearest(squeezed, _squeeze(output), split, {})
    return _distance(nearest, text), len(nearest.split())


def _nearest(
    references: Sequence[str],
    output: str,
    split: Callable[[str], list[str]],
    ids: dict[str, str],
) -> tuple[str, str]:
    """Return the reference nearest to a text, and the text, as strings of token IDs.

    Args:
        references: one or more.
        output: the text.
        split: returns the tokens of a target.
        ids: an ID for each token; new tokens are added.
    """

    def encode(text: str) -> str:
        """Return a word for each token: jiwer compares words."""
        return " ".join(ids.setdefault(token, str(len(ids))) for token in split(text))

    encoded = encode(output)
    return min(map(encode, references), key=lambda r: _distance(r, encoded)), encoded


def _squeeze(text: str) -> str:
    """Return a text with single spaces between its words."""
    return " ".join(text.split())


def _distance(reference: str, output: str) -> int:
    """Return the edit distance between two strings of words."""
    from jiwer import process_words

    if reference == output:
        return 0
    if not reference:
        return len(output.split())  # jiwer refuses an empty reference
    errors = process_words(reference, output)
    return errors.substitutions + errors.deletions + errors.insertions
