"""The states of zoo in programs that `jax.export` saves.

A program that takes or returns a state, such as ``LSTMState(h, c)``, can be saved by
``exported.serialize()`` once the type of the state is registered, which an import of
zoo does. The file can then be read after an import of zoo. A program of plain arrays,
tuples and dicts needs nothing but JAX.
"""

from jax import export

import zoo.cells as _cells
from zoo.layers.bidirectional import BidirectionalState
from zoo.models.decoder import DecoderState
from zoo.models.decoding import Decoded
from zoo.modules.attention import Memory

_PUBLIC = (getattr(_cells, name) for name in _cells.__all__)
NAMED_TUPLES = (
    *(kind for kind in _PUBLIC if isinstance(kind, type) and issubclass(kind, tuple)),
    *(BidirectionalState, DecoderState, Decoded, Memory),
)
for _kind in NAMED_TUPLES:
    export.register_namedtuple_serialization(
        _kind, serialized_name=f"zoo.{_kind.__name__}"
    )
