"""Cells whose state is a matrix for each head, updated by outer products."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.blocks import BlockCell
from zoo.engine.loop import Span
from zoo.engine.matrix_chunks import Write, read, write, write_and_read
from zoo.types import Array, State

__all__ = ["MatrixCell", "MatrixState"]


class MatrixState(NamedTuple):
    """The state of a cell that stores values under keys.

    Attributes:
        S: a matrix for each head, ``[B, heads, K, V]``.
    """

    S: Array


class MatrixCell(BlockCell):
    """One step of a state of matrices that is linear in it.

    ::

        S' = a * S + k u^T             a decay; u = v, or beta (v - (a * S)^T k)
        y = readout(S'^T q)            in each head; the heads stand side by side

    where q, k, v, the decay and beta come from the input alone, as `query` and
    `writing` make them. ``H = heads * V``. Layers of such cells can take the steps one
    by one, or in chunks, which is the default: see `zoo.engine.matrix_chunks`. There is no recurrent
    matrix, so that recurrent dropout and weight drop have nothing to act on.

    The read-out of most is ``scale * r / rms(r)``, with the mean square of a head, and
    times ``silu(g)`` where there is a gate g. A paper's layer ends with one more
    product, H to H, which here is left to the layer above.

    Attributes:
        sizes: what each gate has for one head: a ``"key"``, K numbers, a ``"value"``,
            V, or ``"one"``.
        normalized: whether there is a `scale`.
    """

    family = "matrix"
    sizes: ClassVar[Mapping[str, str]]
    normalized: ClassVar[bool] = True
    recurrent: ClassVar[tuple[str, ...]] = ()
    parallel = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int = 1,
        key_size: int | None = None,
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, the heads' values side by side.
            num_heads: how many heads; must divide H.
            key_size: K, the size of a head's keys; by default V = H / heads.
            bias: add a bias to the products with x.
            rngs: keys of the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if a size is not an int of 1 or more, or `num_heads` does not
                divide H.
        """
        checks.positive("hidden_size", hidden_size)
        self.num_heads = checks.divisor(
            "num_heads", num_heads, "hidden_size", hidden_size
        )
        self.value_size = hidden_size // num_heads
        key_size = self.value_size if key_size is None else key_size
        self.key_size = checks.positive("key_size", key_size)
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)
        if self.normalized:
            self.scale = nnx.Param(jnp.ones(hidden_size, self.param_dtype))

    @property
    def widths(self) -> dict[str, int]:
        """The width of each gate's block: that of one head, times the heads."""
        sizes = {"key": self.key_size, "value": self.value_size, "one": 1}
        return {gate: self.num_heads * sizes[self.sizes[gate]] for gate in self.gates}

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        shape = (batch_size, self.num_heads, self.key_size, self.value_size)
        return MatrixState(jnp.zeros(shape, self.state_dtype))

    def project(self, x: Array) -> dict[str, Array]:
        """Return ``xW + b`` as gates ``[..., heads, size]``."""
        p = super().project(x)
        heads = self.num_heads
        return {
            name: part.reshape(*part.shape[:-1], heads, -1) for name, part in p.items()
        }

    def query(self, p: dict[str, Array]) -> Array:
        """Return q ``[..., heads, K]``, by default divided by the root of K.

        Args:
            p: what `project` made of the input.
        """
        return p["q"] * self.key_size**-0.5

    def writing(self, p: dict[str, Array]) -> Write:
        """Return what is written, of one step or of all.

        Args:
            p: what `project` made of the input.
        """
        raise NotImplementedError(f"{type(self).__name__} must define writing")

    def readout(self, r: Array, p: dict[str, Array]) -> Array:
        """Return y in each head, ``[..., heads, V]``.

        Args:
            r: what the query has read, ``S'^T q``.
            p: what `project` made of the input.
        """
        size = jax.lax.rsqrt(jnp.square(r).mean(axis=-1, keepdims=True) + 1e-5)
        scale = self.scale[...].astype(self.state_dtype)
        y = r * size * scale.reshape(self.num_heads, -1)
        return y * jax.nn.silu(p["g"]) if "g" in p else y

    def matrix(self, state: State) -> Array:
        """Return the state as one matrix for each head.

        Args:
            state: of one step.
        """
        return state.S

    def state_of(self, S: Array) -> State:
        """Return the state of matrices as `matrix` gives them.

        Args:
            S: of one step.
        """
        return MatrixState(S)

    def advance(
        self, state: State, p: Any, *, seen: State = None, keep: Array | None = None
    ) -> State:
        """Return the new state; overridden because nothing is multiplied with it."""
        return self.state_of(write(self.matrix(state), self.writing(p)))

    def output(self, state: State, p: dict[str, Array]) -> Array:
        """Return y."""
        y = self.readout(read(self.matrix(state), self.query(p)), p)
        return self.beside(y)

    def run_parallel(
        self, p: dict[str, Array], state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """Take all steps in chunks, as told in `zoo.engine.matrix_chunks`."""
        S, r = write_and_read(
            self.query(p),
            self.writing(p),
            self.matrix(state),
            self.matrix(initial),
            span,
        )
        return self.state_of(S), self.beside(self.readout(r, p)), None

    def beside(self, y: Array) -> Array:
        """Set the heads side by side.

        Args:
            y: ``[..., heads, V]``.

        Returns:
            ``[..., H]``.
        """
        return y.reshape(*y.shape[:-2], self.hidden_size)
