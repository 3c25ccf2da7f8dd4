"""Titles of the scores, whose short names are the keys of ``metrics.json``."""

TITLES = {
    "f1": "F1",
    "f1_macro": "macro F1",
    "exact": "exact match",
    "wer": "sequence error rate",
    "per": "token error rate",
    "bleu": "BLEU",
    "chrf": "chrF",
    "nats": "loss (nats)",
    "bits_per_char": "bits per character",
    "unknown": "unknown tokens",
    "mse": "mean squared error",
}
TOKEN_ERROR_RATES = {"chars": "character error rate", "symbols": "symbol error rate"}


def title(score: str, units: str | None = None) -> str:
    """Return the title of a score.

    Args:
        score: key of ``metrics.json``.
        units: tokens of the target texts, such as ``"chars"``: they name the error
            rate per token.
    """
    if score == "per" and units in TOKEN_ERROR_RATES:
        return TOKEN_ERROR_RATES[units]
    return TITLES.get(score, score.replace("_", " "))
