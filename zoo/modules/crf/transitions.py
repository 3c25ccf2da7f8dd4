"""The transition scores of a CRF, and constraints on them."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from zoo import checks
from zoo.types import ArrayLike

# The score of a forbidden transition. exp(-1e4) is zero in float32 next to any allowed
# path and, unlike -inf, leaves gradients finite.
FORBIDDEN = -1e4


class Transitions(NamedTuple):
    """Transition scores between labels; or, as bools, which transitions are allowed.

    Attributes:
        between: ``[K, K]``, from the label of the row to that of the column.
        start: ``[K]``, of the first label.
        end: ``[K]``, of the last label.
    """

    between: ArrayLike
    start: ArrayLike
    end: ArrayLike


def constrain(transitions: Transitions, allowed: Transitions) -> Transitions:
    """Set the scores of forbidden transitions to `FORBIDDEN`.

    Args:
        transitions: of K labels.
        allowed: bools of the same shapes, for example from `bio_constraints`.

    Returns:
        Transitions whose forbidden entries have no gradient. A path with a forbidden
        transition has probability zero, if any path is allowed.

    Raises:
        ValueError: if the shapes differ.
    """
    parts = []
    for name, a, b in zip(Transitions._fields, transitions, allowed, strict=True):
        checks.shape(f"allowed.{name}", b, jnp.shape(a), "as of transitions")
        a = jnp.asarray(a)
        parts.append(jnp.where(jnp.asarray(b), a, jnp.asarray(FORBIDDEN, a.dtype)))
    return Transitions(*parts)


def bio_constraints(labels: Sequence[str]) -> Transitions:
    """Return the transitions that BIO2 allows: ``I-X`` only after ``B-X`` or ``I-X``.

    Args:
        labels: K names: ``O``, ``B-X`` and ``I-X`` of any types X.

    Returns:
        Arrays of bools.

    Raises:
        ValueError: if a name is neither of these.
    """
    for name in labels:
        if name != "O" and (name[:2] not in ("B-", "I-") or len(name) < 3):
            raise ValueError(f"labels must be O, B-X or I-X (BIO2), got {name!r}")
    inside = np.array([name.startswith("I-") for name in labels], bool)
    kinds = [name[2:] for name in labels]
    same = np.array([[a == b and a != "" for b in kinds] for a in kinds], bool)
    return Transitions(same | ~inside[None, :], ~inside, np.ones(len(kinds), bool))
