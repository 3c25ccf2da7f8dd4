"""The linear-chain conditional random field (CRF).

The score of a path (a sequence of labels) is the sum of the logits of its labels and of
the transitions between neighbours,

    score(y) = start[y_1] + sum_t logits[t, y_t] + sum_t between[y_t, y_t+1] + end[y_T]

and its probability is ``exp(score(y) - log_partition)``. Lafferty et al. 2001,
"Conditional random fields".

Every function takes logits ``[B, T, K]`` and any ``mask`` (bool ``[B, T]``, True = a
real token; None if all are). Padding, wherever it is and whatever it holds, is skipped.
A row without tokens has one path, the empty one, with score zero. Sums are float32 or
wider.
"""

from zoo.modules.crf.decoding import k_best, viterbi
from zoo.modules.crf.likelihood import log_likelihood, log_partition, marginals, score
from zoo.modules.crf.transitions import (
    FORBIDDEN,
    Transitions,
    bio_constraints,
    constrain,
)

__all__ = [
    "FORBIDDEN",
    "Transitions",
    "bio_constraints",
    "constrain",
    "k_best",
    "log_likelihood",
    "log_partition",
    "marginals",
    "score",
    "viterbi",
]
