"""The cell contract: one step of a recurrence."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

from zoo import checks, initializers
from zoo.engine.loop import Span
from zoo.engine.matmul import product
from zoo.initializers import BiasInitializer, Initializer
from zoo.types import Array, State


class HiddenState(NamedTuple):
    """The state of a cell that carries only its output.

    Attributes:
        h: the hidden state ``[B, H]``.
    """

    h: Array


def thin(candidate: Array, keep: Array | None) -> Array:
    """Apply the dropout of a candidate.

    Args:
        candidate: an array ``[B, H]``.
        keep: its factor, or None.
    """
    return candidate if keep is None else candidate * keep


def gate(
    name: str, a: Array, squash: Callable[[Array], Array] | None = jax.nn.sigmoid
) -> Array:
    """Squash a gate, and name it.

    The name costs nothing. `zoo.diagnostics.gates` finds the gate by it, unless it is
    given inside of a `jax.jit` or a loop of the cell's own, and so does a policy of
    `jax.checkpoint`. A gate of which a cell uses only the logarithm can be named too:
    compiled, what nothing reads is not computed.

    Args:
        name: as in the equation of the cell.
        a: an array ``[B, ...]``, as a rule ``[B, H]``.
        squash: the function that brings it into [0, 1]; None if it is there already.
    """
    return checkpoint_name(a if squash is None else squash(a), name)


class Cell(nnx.Module):
    """One step of a recurrence, split where the hardware cares.

    ::

        p = project(x)               all that does not depend on the state
        q = recur(state)             the product that must wait for the state
        state = update(state, p, q)  no matrix product
        y = output(state, p)         the read-out, by default state.h; never feeds back

        advance(state, p) = update(state, p, recur(state))
        step(state, p) -> (state, y)

    Time, masks, resets and noise belong to the loop and the layers. What is asked of a
    cell: the new state has the structure, shapes and dtypes of the old; the rows of a
    batch never mix; everything is pure. A cell with a product between its gates
    overrides `advance` instead of `update`.

    Products run in `dtype`; their results and the state have `state_dtype`, at least
    float32.

    Attributes:
        name: what ``zoo.make`` and ``--cell`` call it.
        family: the group it belongs to.
        paper: where it comes from, with its arXiv number where it has one.
        equation: as implemented.
        parameters: how many there are, by default options, as an expression of D and H.
        gates: names of the gates in the order of their blocks in ``W``, ``U`` and
            ``b``; +1 if a large bias keeps the old state, -1 if it overwrites it, 0
            otherwise.
        input_gates: those with a block in ``W``; by default all.
        recurrent_gates: those with a block in ``U``; by default all.
        bias_gates: those with a block in ``b``; by default all.
        unread: parts of the state that no later step reads: an output that cannot be
            made of the rest.
        recurrent: names of the recurrent matrices, which weight drop acts on.
        candidate: whether `update` takes the factor `keep` of its candidate.
        additive: whether `update` uses p and q only as p + q, and `output` no p: the
            loop then keeps one array for its backward pass where it else keeps two. Not
            inherited by a class with an `update` or `output` of its own.
        recompute: whether it is faster to make again what a step makes, for the backward
            pass, than to store it.
        parallel: whether the cell is linear in its state, so that `run_parallel` can take
            all steps at once.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    paper: ClassVar[str]
    equation: ClassVar[str]
    parameters: ClassVar[str]
    gates: ClassVar[Mapping[str, int]]
    input_gates: ClassVar[tuple[str, ...] | None] = None
    recurrent_gates: ClassVar[tuple[str, ...] | None] = None
    bias_gates: ClassVar[tuple[str, ...] | None] = None
    unread: ClassVar[tuple[str, ...]] = ()
    recurrent: ClassVar[tuple[str, ...]] = ("U",)
    candidate: ClassVar[bool] = False
    additive: ClassVar[bool] = False
    recompute: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Let no class inherit a promise about functions that it replaces."""
        super().__init_subclass__(**options)
        own = vars(cls)
        if "additive" not in own and not own.keys().isdisjoint({"update", "output"}):
            cls.additive = False
        if "kernel" not in own:
            cls.kernel = Cell.kernel

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        W_init: Initializer = initializers.glorot,
        U_init: Initializer = initializers.orthogonal,
        b_init: BiasInitializer = initializers.zeros,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Draw ``W[D, G*H]``, ``U[H, G*H]`` and ``b[G*H]``, of the gates that have one.

        Args:
            input_size: D.
            hidden_size: H.
            bias: whether there is a ``b``.
            W_init: initialiser of each gate's block of ``W``.
            U_init: initialiser of each gate's block of ``U``.
            b_init: initialiser of ``b``, told the gates.
            dtype: of the products and the outputs; by default `param_dtype`.
            param_dtype: of the parameters.
            rngs: keys of the initialisation.

        Raises:
            ValueError: if a size is not an int of 1 or more.
        """
        self.input_size = checks.positive("input_size", input_size)
        self.hidden_size = checks.positive("hidden_size", hidden_size)
        self.param_dtype = jnp.dtype(param_dtype)
        self.dtype = self.param_dtype if dtype is None else jnp.dtype(dtype)
        double = jnp.dtype(jnp.float64) in (self.param_dtype, self.dtype)
        self.state_dtype = jnp.dtype(jnp.float64 if double else jnp.float32)
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
        """Draw a matrix with one block of `shape` for each gate, None for all."""
        count = len(self.gates if gates is None else gates)
        return nnx.Param(
            initializers.blocks(init, rngs.params(), count, shape, self.param_dtype)
        )

    def _param(
        self, init: Initializer, rngs: nnx.Rngs, shape: tuple[int, ...]
    ) -> nnx.Param:
        """Draw any other parameter."""
        return nnx.Param(init(rngs.params(), shape, self.param_dtype))

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b``, to None if there is to be no bias."""
        if b_init is None:
            self.b = None
        else:
            names = self.gates if self.bias_gates is None else self.bias_gates
            gates = {name: self.gates[name] for name in names}
            drawn = b_init(rngs.params(), gates, self.hidden_size, self.param_dtype)
            self.b = nnx.Param(drawn)

    @property
    def output_size(self) -> int:
        """The size of one step's output: H."""
        return self.hidden_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one step's input: (D,), with axes of space before it if any."""
        return (self.input_size,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one step's output: (H,), with axes of space before it if any."""
        return (self.output_size,)

    @property
    def recurrent_size(self) -> int:
        """The size of what ``U`` is multiplied with: by default that of the output."""
        return self.output_size

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return HiddenState(self.zeros(batch_size, self.hidden_size))

    def zeros(self, *shape: int) -> Array:
        """Return zeros in `state_dtype`.

        Args:
            *shape: of the array.
        """
        return jnp.zeros(shape, self.state_dtype)

    def exact(self, param: nnx.Variable) -> Array:
        """Return a parameter in `state_dtype`, for what is not a product.

        Args:
            param: a parameter or constant.
        """
        return param[...].astype(self.state_dtype)

    def dot(self, x: Array, weights: Array) -> Array:
        """Multiply in `dtype`, accumulate in `state_dtype`.

        Args:
            x: an array ``[..., N]``.
            weights: a matrix ``[N, M]``.
        """
        return product(x, weights, self.dtype, self.state_dtype)

    def add_bias(self, p: Array, b: nnx.Param | None) -> Array:
        """Add a bias that may be absent.

        Args:
            p: an array ``[..., N]`` in `state_dtype`.
            b: a parameter ``[N]``, or None.
        """
        return p if b is None else p + self.exact(b)

    def split(self, blocks: Array) -> list[Array]:
        """Cut ``[..., n*H]`` into n blocks, such as the gates.

        Args:
            blocks: what stands side by side.
        """
        return jnp.split(blocks, blocks.shape[-1] // self.hidden_size, axis=-1)

    def project(self, x: Array) -> Any:
        """Return ``xW + b``: all that does not depend on the state.

        Args:
            x: inputs ``[..., D]``: a step, or a whole sequence.
        """
        return self.add_bias(self.dot(x, self.W[...]), self.b)

    def recur(self, state: State) -> Any:
        """Return ``hU``: the product that must wait for the state.

        Args:
            state: the state before the step.
        """
        return self.dot(state.h, self.U[...])

    def update(self, state: State, p: Any, q: Any) -> State:
        """Return the new state, without a matrix product.

        Cells with ``candidate = True`` take one more argument, ``keep=None``: a factor
        ``[B, H]`` of the candidate, which is how dropout reaches it.

        Args:
            state: the state before the step.
            p: what `project` made of the input.
            q: what `recur` made of the state.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define update or advance"
        )

    def advance(
        self, state: State, p: Any, *, seen: State = None, keep: Array | None = None
    ) -> State:
        """Return the new state.

        Args:
            state: the state before the step.
            p: what `project` made of the input.
            seen: the state as the recurrent products see it (under recurrent dropout);
                by default `state`.
            keep: factor of the candidate, only where ``candidate`` is True.
        """
        q = self.recur(state if seen is None else seen)
        if keep is None:
            return self.update(state, p, q)
        return self.update(state, p, q, keep)  # pyright: ignore[reportCallIssue]

    def output(self, state: State, p: Any) -> Array:
        """Return the read-out of a state.

        Args:
            state: the state after the step.
            p: what `project` made of the input.
        """
        return state.h

    def step(self, state: State, p: Any) -> tuple[State, Array]:
        """Advance by one step and read out: the body of ``jax.lax.scan``.

        Args:
            state: the state before the step.
            p: what `project` made of the input.

        Returns:
            The state after the step, and the output ``[B, H]``.
        """
        state = self.advance(state, p)
        return state, self.output(state, p)

    def kernel(self) -> str | None:
        """Return the name of the kernel in `zoo.engine.native` that computes this very cell.

        By default None. A subclass does not inherit it: what it changes, the kernel
        does not know.
        """
        return None

    def prefers_parallel(
        self, B: int, T: int, *, gradient: bool, recompute: bool
    ) -> bool:
        """Return whether `run_parallel` measures better than a loop where a call will run.

        Only where ``parallel`` is True.

        Args:
            B: rows.
            T: steps.
            gradient: whether the call will be differentiated.
            recompute: whether memory is what counts, and not time.
        """
        return True

    def run_parallel(
        self, p: Any, state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """Take all steps of a sequence at once, only where ``parallel`` is True.

        Args:
            p: what `project` made of the inputs, ``[B, T, ...]``.
            state: the state before the step that is met first.
            initial: the state that a reset restarts from.
            span: mask, reset and direction.

        Returns:
            The state after the step that is met last; the outputs ``[B, T, H]``, which
            may be anything at padding; and the states of all steps, or None if only a
            loop has them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define run_parallel")
