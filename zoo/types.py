"""Axis letters, array aliases, and the variable type for constants.

The axis letters of most modules:

=====  ==========================================================
``B``  rows of a batch
``T``  time steps (tokens, characters)
``D``  input size: entries of one step's input
``H``  hidden size: entries of one step's state
``G``  gates of a cell, concatenated in one matrix ``[D, G*H]``
``V``  entries of a vocabulary
``K``  labels
``C``  characters of a word
=====  ==========================================================

Matrix cells use K and V for the sizes of keys and values, and C for the steps of a
chunk.

Arrays are batch-major, ``x[B, T, D]``, and time-major only inside the loop. A ``mask[B,
T]`` is bool and True where a token is real. A ``state`` is a NamedTuple such as
``LSTMState(h, c)``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

Array = jax.Array
ArrayLike = jax.Array | np.ndarray
Key = jax.Array
"""A key of ``jax.random``. Where None is allowed, it means evaluation."""
Params = Any
"""A pytree of parameters, opaque to the code that passes it on."""
State = Any
"""The state of a cell: a NamedTuple of arrays ``[B, ...]``."""


def floating(state: State) -> dict[str, Array]:
    """Return the floating-point arrays of a state, by name.

    This leaves out integer step counts, and the nested states of composite cells.

    Args:
        state: the state of a cell.
    """
    return {
        name: part
        for name, part in state._asdict().items()
        if hasattr(part, "dtype") and jnp.issubdtype(part.dtype, jnp.floating)
    }


class Constant(nnx.Variable):
    """A fixed array of a module, which is saved with it and never trained.

    `zoo.functional` does not return it as a parameter, but closes over it.
    """
