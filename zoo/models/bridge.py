"""The bridge from the final state of an encoder to the initial state of a decoder."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.modules.dense import Linear
from zoo.types import Array, State

KINDS = ("projection", "copy")


class Bridge(nnx.Module):
    """A projection of one state into another: ``s = tanh([parts of source] W + b)``.

    Each part (h, c) of each layer of the target has its own projection. Layers are
    matched from the top; if the source has fewer layers, its lowest layer is used for
    the rest. A projection reads the parts of the same name in both directions, or all
    parts if the source has no such name: the c of an LSTM comes from the h of a GRU. A
    single vector ``[B, N]`` is a source too.

    Source: Bahdanau et al. 2014, arXiv:1409.0473, for one state of one layer. With
    ``kind="copy"`` there are no projections, ``s = [parts of source]``, and the sizes
    must be equal: the encoder's state is the decoder's (Luong et al. 2015,
    arXiv:1508.04025).
    """

    def __init__(
        self,
        source: State,
        target: State,
        *,
        kind: str = "projection",
        rngs: nnx.Rngs,
    ):
        """Initialise the projections.

        Args:
            source: a state such as ``encoder.init_state(1)``, or its shapes from
                ``jax.eval_shape``: of one layer, or a tuple of layers.
            target: the same for the decoder.
            kind: ``"projection"`` or ``"copy"``.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if the source has no floating point part, or `kind` is unknown,
                or ``"copy"`` and the sizes differ.
        """
        self.kind = checks.one_of("kind", kind, KINDS)
        sizes = [
            (sum(map(_width, parts)), _width(leaf))
            for parts, leaf in _pairs(source, target)
        ]
        if kind == "copy":
            for width, size in sizes:
                if width != size:
                    raise ValueError(
                        f"kind='copy' needs states of equal size, got {width} numbers "
                        f"for a state of {size}"
                    )
            sizes = []
        self.projections = nnx.List(
            Linear(width, size, rngs=rngs) for width, size in sizes
        )

    def __call__(self, source: State, target: State) -> State:
        """Project a state.

        Args:
            source: the state ``[B, ...]``.
            target: a state such as ``decoder.init_state(B)``, for the shapes, dtypes
                and integer parts of the result.

        Returns:
            A state like `target`.
        """
        projected = []
        for k, (parts, leaf) in enumerate(_pairs(source, target)):
            flat = [part.reshape(part.shape[0], -1) for part in parts]
            y = jnp.concatenate(flat, axis=-1)
            if self.kind == "projection":
                y = jnp.tanh(self.projections[k](y))
            projected.append(y.reshape(leaf.shape).astype(leaf.dtype))
        parts = iter(projected)
        return jax.tree.map(lambda a: next(parts) if _floating(a) else a, target)


def _pairs(source: State, target: State) -> Iterator[tuple[list[Array], Array]]:
    """Yield each floating-point part of the target and the source parts it reads."""
    below, above = _layers(source), _layers(target)
    for k, layer in enumerate(above):
        parts = _parts(below[max(k + len(below) - len(above), 0)])
        for name, leaf in _parts(layer):
            same = [part for other, part in parts if other == name]
            yield same or [part for _, part in parts], leaf


def _layers(state: State) -> tuple[State, ...]:
    """Return the states of the layers; the state of a layer is a NamedTuple."""
    return state if type(state) is tuple else (state,)


def _parts(layer: State) -> list[tuple[str, Array]]:
    """Return the floating-point parts of a layer's state, with their names."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(layer)
    return [(str(path[-1:]), leaf) for path, leaf in leaves if _floating(leaf)]


def _floating(leaf: Array) -> bool:
    """Return whether a part is floating point; a step counter is not."""
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _width(leaf: Array) -> int:
    """Return the number of entries of a row."""
    return leaf.size // leaf.shape[0]
