"""States in programs that `jax.export` saves: registered when zoo is imported.

A program that takes or returns a state, such as ``LSTMState(h, c)``, can be saved by
``exported.serialize()``. Only a process that has imported zoo can read the file. A
program of plain arrays, tuples and dicts needs nothing but JAX.
"""

from jax import export

import zoo.cells as _cells
from zoo.layers.bidirectional import BidirectionalState
from zoo.models.decoder import DecoderState
from zoo.models.decoding import Decoded
from zoo.modules.attention import Memory

_CELLS = (getattr(_cells, name) for name in _cells.__all__)
NAMED_TUPLES = (
    *(value for value in _CELLS if issubclass(value, tuple)),
    *(BidirectionalState, DecoderState, Decoded, Memory),
)
for _kind in NAMED_TUPLES:
    export.register_namedtuple_serialization(
        _kind, serialized_name=f"zoo.{_kind.__name__}"
    )
