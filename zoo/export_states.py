"""The states of zoo in programs that `jax.export` saves.

A program that takes or returns a state, such as ``LSTMState(h, c)``, can be saved by
``exported.serialize()`` once the type of the state is registered, which the import
of this module does, and so does the first use of any public name of zoo. A file with
such a state can be read after ``import zoo.export_states``; a program of plain arrays,
tuples and dicts needs nothing but JAX.
"""

from importlib import import_module

from jax import export

from zoo.layers.bidirectional import BidirectionalState
from zoo.models.decoder import DecoderState
from zoo.models.decoding import Decoded
from zoo.modules.attention import Memory

_cells = import_module("zoo.cells")  # `zoo.cells` is a function
_PUBLIC = (getattr(_cells, name) for name in _cells.__all__)
NAMED_TUPLES = (
    *(kind for kind in _PUBLIC if isinstance(kind, type) and issubclass(kind, tuple)),
    *(BidirectionalState, DecoderState, Decoded, Memory),
)
for _kind in NAMED_TUPLES:
    export.register_namedtuple_serialization(
        _kind, serialized_name=f"zoo.{_kind.__name__}"
    )
