"""Simple models that a trained classifier should beat, by scikit-learn."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

MAX_FEATURES = 50_000  # the most frequent n-grams


def linear_classifier(
    texts: Iterable[str],
    labels: Sequence[str],
    test: Iterable[str],
    split: Callable[[str], list[str]],
    longest: int,
) -> list[str] | None:
    """Classify texts by logistic regression of the TF-IDF of their n-grams.

    Args:
        texts: the training texts.
        labels: of the training texts.
        test: the texts to classify.
        split: returns the tokens of a text.
        longest: largest n of the n-grams.

    Returns:
        A label for each text of `test`; None if train has one label, or no tokens.
    """
    # scikit-learn takes long to import.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = list(texts)
    if len(set(labels)) < 2 or not any(map(split, texts)):
        return None
    options: Any = {"token_pattern": None, "dtype": np.float32}  # typed too narrowly
    vectorizer = TfidfVectorizer(
        tokenizer=split,
        lowercase=False,
        ngram_range=(1, longest),
        max_features=MAX_FEATURES,
        sublinear_tf=True,
        **options,
    )
    model: Any = LogisticRegression(C=10.0, max_iter=100, tol=1e-3)
    features = vectorizer.fit_transform(texts)
    with warnings.catch_warnings():
        # Close to the optimum is enough for a baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    return model.predict(vectorizer.transform(test)).tolist()
