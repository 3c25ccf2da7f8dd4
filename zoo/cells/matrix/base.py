"""Cells whose state is a matrix for each head, updated by outer products."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.blocks import BlockCell
from zoo.engine.broadcast import align
from zoo.engine.masks import Span
from zoo.engine.matrix_chunks import Write, read, write, write_and_read
from zoo.types import Array, State

__all__ = ["MatrixCell", "MatrixState"]


class MatrixState(NamedTuple):
    """The state of a cell that stores values by their keys.

    Attributes:
        S: a matrix for each head, ``[B, heads, K, V]``.
    """

    S: Array


class MatrixCell(BlockCell):
    """One step of a recurrence that is linear in its state, a matrix for each head.

    ::

        S' = a * S + k u^T             a decay; u = v, or beta (v - (a * S)^T k)
        y = readout(S'^T q)            in each head; the heads are concatenated

    q, k, v, the decay a and beta depend only on the input; `query` and `writing` return
    them. ``H = heads * V``. Layers of such cells compute the steps one by one, or in
    chunks, which is the default; see `zoo.engine.matrix_chunks`. There is no recurrent
    matrix, so recurrent dropout and weight drop do not apply.

    By default the read-out is ``scale * r / rms(r)``, with the root mean square over a
    head, multiplied by ``silu(g)`` if there is a gate g. In the papers one more
    product, from H to H, ends the layer; here it is left to the next layer.

    Attributes:
        sizes: the size of each gate's block for one head: ``"key"`` for K, ``"value"``
            for V, ``"one"`` for 1.
        normalized: whether the cell has a `scale`.
        epsilon: added to the mean square of r.
    """

    family = "matrix"
    sizes: ClassVar[Mapping[str, str]]
    normalized: ClassVar[bool] = True
    epsilon: ClassVar[float] = 1e-5
    recurrent: ClassVar[tuple[str, ...]] = ()
    parallel = True
    parallel_states = False
    loop_only = ("advance", "output")

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
            hidden_size: H, the size of the concatenated values of all heads.
            num_heads: number of heads; must divide H.
            key_size: K, the size of a head's keys; by default V = H / heads.
            bias: whether the products with x have a bias.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if a size is not an int of 1 or more, or if `num_heads` does
                not divide H.
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
            self.scale = self._store(jnp.ones(hidden_size, self.draw_dtype))

    @property
    def widths(self) -> dict[str, int]:
        """The width of each gate's block: the size for one head, times the heads."""
        sizes = {"key": self.key_size, "value": self.value_size, "one": 1}
        return {gate: self.num_heads * sizes[self.sizes[gate]] for gate in self.gates}

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        heads, K, V = self.num_heads, self.key_size, self.value_size
        return MatrixState(self.zeros(batch_size, heads, K, V))

    def project(self, x: Array) -> dict[str, Array]:
        """Return ``xW + b`` as a dict of gates ``[..., heads, size]``."""
        p = super().project(x)
        heads = self.num_heads
        return {
            name: part.reshape(*part.shape[:-1], heads, part.shape[-1] // heads)
            for name, part in p.items()
        }

    def query(self, p: dict[str, Array]) -> Array:
        """Return q ``[..., heads, K]``, by default divided by ``sqrt(K)``.

        Args:
            p: the result of `project`.
        """
        return p["q"] * self.key_size**-0.5

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, v, the log decay and beta if any, of one step or of all steps.

        Args:
            p: the result of `project`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define writing")

    def readout(self, r: Array, p: dict[str, Array]) -> Array:
        """Return y of each head, ``[..., heads, V]``.

        Args:
            r: ``S'^T q`` of each head.
            p: the result of `project`.
        """
        square = jnp.square(r).mean(axis=-1, keepdims=True)
        factor = jax.lax.rsqrt(square + self.epsilon)
        scale = self.in_state_dtype(self.scale).reshape(self.num_heads, -1)
        y = r * factor * align(scale, r)
        return y * jax.nn.silu(p["g"]) if "g" in p else y

    def matrix(self, state: State) -> Array:
        """Return the state as one matrix for each head.

        Args:
            state: the state of one step.
        """
        return state.S

    def state_of(self, S: Array) -> State:
        """Return the state for an array: the inverse of `matrix`.

        Args:
            S: the matrices of one step.
        """
        return MatrixState(S)

    def advance(
        self,
        state: State,
        p: Any,
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> State:
        """Return the new state; overridden because there is no recurrent product."""
        return self.state_of(write(self.matrix(state), self.writing(p)))

    def output(self, state: State, p: dict[str, Array]) -> Array:
        """Return y ``[..., H]``."""
        y = self.readout(read(self.matrix(state), self.query(p)), p)
        return self.join_heads(y)

    def run_parallel(
        self, p: dict[str, Array], state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """Compute the steps in chunks; see `zoo.engine.matrix_chunks`."""
        S, r = write_and_read(
            self.query(p),
            self.writing(p),
            self.matrix(state),
            self.matrix(initial),
            span,
        )
        return self.state_of(S), self.join_heads(self.readout(r, p)), None

    def join_heads(self, y: Array) -> Array:
        """Concatenate the heads.

        Args:
            y: ``[..., heads, V]``.

        Returns:
            ``[..., H]``.
        """
        return y.reshape(*y.shape[:-2], self.hidden_size)
