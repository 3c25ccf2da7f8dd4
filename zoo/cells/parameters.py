"""The sizes, dtypes and parameters of a cell."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.engine.broadcast import align
from zoo.engine.matmul import product
from zoo.initializers import BiasInitializer, Initializer
from zoo.stochastic import check_rngs
from zoo.types import Array

S = TypeVar("S", bound=NamedTuple)


class CellParameters(nnx.Module):
    """The matrices and biases of a cell, and arithmetic with them.

    ``W[D, G*H]``, ``U[H, G*H]`` and ``b[G*H]`` hold one block for each gate. Products
    run in `dtype`. Their results and the state have `state_dtype`, which is float64 if
    `dtype` or `param_dtype` is, and float32 otherwise. Parameters are drawn in
    `draw_dtype` and then cast: 16 bits are too few for the arithmetic of an
    initialiser, and no LAPACK routine takes them.

    Attributes:
        gates: names of the gates in the order of their blocks. The value is +1 if a
            large bias keeps the old state, -1 if it overwrites it, 0 otherwise.
        input_gates: the gates with a block in ``W``; by default all.
        recurrent_gates: the gates with a block in ``U``; by default all.
        bias_gates: the gates with a block in ``b``; by default all.
        recurrent: names of the recurrent matrices, to which weight drop is applied.
        inits: the default initialisers of ``W``, ``U``, ``b``, and of every further
            parameter whose initialiser is an argument, by the parameter's name. A cell
            replaces some of them with ``inits = {**Cell.inits, "b": ...}``. Where a
            default depends on sizes or options, the constructor sets it instead.
    """

    gates: ClassVar[Mapping[str, int]]
    input_gates: ClassVar[tuple[str, ...] | None] = None
    recurrent_gates: ClassVar[tuple[str, ...] | None] = None
    bias_gates: ClassVar[tuple[str, ...] | None] = None
    recurrent: ClassVar[tuple[str, ...]] = ("U",)
    inits: ClassVar[Mapping[str, Callable[..., Array]]] = {
        "W": initializers.glorot,
        "U": initializers.orthogonal,
        "b": initializers.zeros,
    }

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        W_init: Initializer | None = None,
        U_init: Initializer | None = None,
        b_init: BiasInitializer | None = None,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Initialise ``W``, ``U`` and ``b``, with blocks for the gates that have one.

        Args:
            input_size: D.
            hidden_size: H.
            bias: whether the cell has a ``b``.
            W_init: initialiser of each gate's block of ``W``; by default ``inits["W"]``
                of the cell, which is ``zoo.initializers.glorot`` in most cells.
            U_init: initialiser of each gate's block of ``U``; by default ``inits["U"]``
                of the cell, which is ``zoo.initializers.orthogonal`` in most cells.
            b_init: initialiser of ``b``, called with the gates; by default
                ``inits["b"]`` of the cell, which is zero in most cells.
            dtype: of the products and the outputs; by default `param_dtype`.
            param_dtype: of the parameters, which are drawn in float32 if it has 16
                bits, and then cast.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if a size is not an int of 1 or more.
            TypeError: if `rngs` is not ``nnx.Rngs``, an initialiser is no function, or
                a dtype is not floating point.
        """
        check_rngs(rngs)
        self.input_size = checks.positive("input_size", input_size)
        self.hidden_size = checks.positive("hidden_size", hidden_size)
        self.param_dtype = checks.float_dtype("param_dtype", param_dtype)
        self.dtype = checks.float_dtype(
            "dtype", param_dtype if dtype is None else dtype
        )
        small = self.param_dtype.itemsize < 4
        self.draw_dtype = jnp.dtype(jnp.float32) if small else self.param_dtype
        double = jnp.dtype(jnp.float64) in (self.param_dtype, self.dtype)
        self.state_dtype = jnp.dtype(jnp.float64 if double else jnp.float32)
        W_init, U_init = W_init or self.inits["W"], U_init or self.inits["U"]
        b_init = b_init or self.inits["b"]
        checks.function("W_init", W_init, "zoo.initializers.glorot")
        checks.function("U_init", U_init, "zoo.initializers.orthogonal")
        checks.function("b_init", b_init, "zoo.initializers.zeros")
        self.W = self._matrix(W_init, rngs, (input_size, hidden_size), self.input_gates)
        if "U" in self.recurrent:
            shape = (self.recurrent_size, hidden_size)
            self.U = self._matrix(U_init, rngs, shape, self.recurrent_gates)
        self._set_biases(b_init if bias else None, rngs)

    def _matrix(
        self,
        init: Initializer,
        rngs: nnx.Rngs,
        shape: tuple[int, int],
        gates: tuple[str, ...] | None,
    ) -> nnx.Param:
        """Return a new matrix with a block of `shape` for each gate; None means all."""
        count = len(self.gates if gates is None else gates)
        return self._store(
            initializers.blocks(init, rngs.params(), count, shape, self.draw_dtype)
        )

    def _store(self, value: Array) -> nnx.Param:
        """Return a new parameter with a value, cast to `param_dtype`."""
        return nnx.Param(value.astype(self.param_dtype))

    def _param(
        self, init: Initializer, rngs: nnx.Rngs, shape: tuple[int, ...]
    ) -> nnx.Param:
        """Return a new parameter without blocks."""
        return self._store(init(rngs.params(), shape, self.draw_dtype))

    def _scalar(self, value: float) -> nnx.Param:
        """Return a new parameter that is a single number."""
        return nnx.Param(jnp.asarray(value, self.param_dtype))

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b``, to None if `b_init` is None."""
        if b_init is None:
            self.b = None
        else:
            names = self.gates if self.bias_gates is None else self.bias_gates
            gates = {name: self.gates[name] for name in names}
            b = b_init(rngs.params(), gates, self.hidden_size, self.draw_dtype)
            self.b = self._store(b)

    @property
    def output_size(self) -> int:
        """The size of one step's output: H."""
        return self.hidden_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one step's input: (D,), after any spatial axes."""
        return (self.input_size,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one step's output: (H,), after any spatial axes."""
        return (self.output_size,)

    @property
    def recurrent_size(self) -> int:
        """The number of rows of each block of ``U``: by default `output_size`."""
        return self.output_size

    def zeros(self, *shape: int) -> Array:
        """Return zeros in `state_dtype`.

        Args:
            *shape: of the array.
        """
        return jnp.zeros(shape, self.state_dtype)

    def zero_state(self, kind: type[S], *shape: int) -> S:
        """Return a state whose parts are zeros of one shape, in `state_dtype`.

        Each part is an array of its own: parts that shared one could not be donated to
        a compiled function (``jax.jit(f, donate_argnums=0)``).

        Args:
            kind: the NamedTuple of the state.
            *shape: of each part.
        """
        return kind._make(self.zeros(*shape) for _ in kind._fields)

    def in_state_dtype(self, param: nnx.Variable, like: Array | None = None) -> Array:
        """Return a parameter in `state_dtype`, for elementwise arithmetic.

        Args:
            param: a parameter or constant.
            like: an array that it is combined with, whose last axes are those of
                `param`: axes of size 1 are then put in front.
        """
        value = param[...].astype(self.state_dtype)
        return value if like is None else align(value, like)

    def dot(self, x: Array, weights: Array) -> Array:
        """Multiply in `dtype` and accumulate in `state_dtype`.

        Args:
            x: an array ``[..., N]``.
            weights: a matrix ``[N, M]``.

        Returns:
            An array ``[..., M]``.
        """
        return product(x, weights, self.dtype, self.state_dtype)

    def add_bias(self, p: Array, b: nnx.Param | None) -> Array:
        """Return ``p + b``, or p if there is no bias.

        Args:
            p: an array ``[..., N]`` in `state_dtype`.
            b: a parameter ``[N]``, or None.
        """
        return p if b is None else p + self.in_state_dtype(b, p)

    def split(self, blocks: Array) -> list[Array]:
        """Split an array into blocks of size H along its last axis, such as the gates.

        Args:
            blocks: an array ``[..., n*H]``.

        Returns:
            A list of n arrays ``[..., H]``.
        """
        return jnp.split(blocks, blocks.shape[-1] // self.hidden_size, axis=-1)
