"""The glossary: axis letters, array aliases, and the one variable type of our own.

Axis letters, the same everywhere:

=====  ==========================================================
``B``  rows of a batch
``T``  steps in time (tokens, characters)
``D``  input size: entries of one step's input
``H``  hidden size: entries of one step's state
``G``  gates of a cell, side by side in one matrix ``[D, G*H]``
``V``  entries of a vocabulary
``K``  labels
``C``  characters of a word
=====  ==========================================================

Batches come first, ``x[B, T, D]``; time comes first only inside the loop. A ``mask[B,
T]`` is bool and True where a token is real. A ``state`` is a NamedTuple, ``LSTMState(h,
c)``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

Array = jax.Array
ArrayLike = jax.Array | np.ndarray
Key = jax.Array
"""A key of ``jax.random``; where ``key=None`` is allowed it means evaluation."""
Params = Any
"""A pytree of parameters, opaque to whoever passes it on."""
State = Any
"""What a cell carries from step to step: a NamedTuple of arrays ``[B, ...]``."""


def floating(state: State) -> dict[str, Array]:
    """Return the parts of a state that are floating point, by name.

    Not so are a clock, and the state of a cell within a cell, which is no array.

    Args:
        state: of a cell.
    """
    return {
        name: part
        for name, part in state._asdict().items()
        if hasattr(part, "dtype") and jnp.issubdtype(part.dtype, jnp.floating)
    }


class Constant(nnx.Variable):
    """A fixed array of a module: saved with it, never trained.

    ``zoo.functional`` leaves it out of the parameters and closes over it.
    """
