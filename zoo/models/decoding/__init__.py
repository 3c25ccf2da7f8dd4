"""From logits to tokens, and on to whole sequences.

`greedy`, `sample` and `beam_search` call the step of a model, token by token::

    step(state, ids[B]) -> (state, logits[B, V])
    step(state, ids[B]) -> (state, logits[B, V], weights[B, S])     with attention

The state is any pytree of arrays ``[B, ...]``. Each of them is one program of fixed
shapes, to be called under ``jax.jit``, and stops as soon as all rows have ended.
"""

from zoo.models.decoding.beam import beam_search, repeat
from zoo.models.decoding.generation import greedy, sample
from zoo.models.decoding.sampling import argmax, restrict, sampler
from zoo.models.decoding.sequences import Decoded, Step

__all__ = [
    "Decoded",
    "Step",
    "argmax",
    "beam_search",
    "greedy",
    "repeat",
    "restrict",
    "sample",
    "sampler",
]
