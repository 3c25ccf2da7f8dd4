"""The quasi-recurrent network."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell, drop_candidate, gate
from zoo.initializers import BiasInitializer, Initializer
from zoo.types import Array

__all__ = ["QRNNCell", "QRNNState"]


class QRNNState(NamedTuple):
    """The state of a QRNN.

    Attributes:
        c: the cell state ``[B, H]``.
        x: the last k - 1 inputs ``[B, (k-1)*D]``, the oldest first.
        y: the last output ``[B, H]``, which no later step reads.
    """

    c: Array
    x: Array
    y: Array


class QRNNCell(Cell):
    """The quasi-recurrent network: a causal convolution, then gated pooling.

    ::

        z = tanh(x W_z + window V_z + b_z)
        f, o = sigmoid(x W + window V + b)
        c' = f * c + (1 - f) * z
        y = o * c'

    The window holds the k - 1 inputs before x, with zeros before the first.
    ``V[(k-1)*D, 3H]`` and W form one filter of width k. This is the paper's fo-pooling;
    the authors' code has 1 - f in place of f. The initialisation is that of the code:
    W, V and b are uniform in ``[-1/sqrt(k D), 1/sqrt(k D)]``. Source: Bradbury et al.
    2016, arXiv:1611.01576; salesforce/pytorch-qrnn, ``qrnn.py``.
    """

    name = "qrnn"
    family = "quasi"
    paper = "Bradbury et al. 2016, arXiv:1611.01576"
    equation = (
        "z = tanh(x W + window V + b); f, o = sigmoid(x W + window V + b); "
        "c' = f * c + (1 - f) * z; y = o * c'"
    )
    parameters = "6*D*H + 3*H"
    gates: ClassVar = {"z": 0, "f": +1, "o": 0}
    recurrent = ()
    unread = ("y",)
    candidate = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        window: int = 2,
        W_init: Initializer | None = None,
        b_init: BiasInitializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            window: k, the width of the convolution filter in steps, 2 or more.
            W_init: initialiser of each block of ``W`` and ``V``, by default U(-c, c)
                with ``c = 1/sqrt(k D)``.
            b_init: initialiser of ``b``, by default U(-c, c).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `window` is below 2.
        """
        if checks.positive("window", window) < 2:
            raise ValueError(f"window must be 2 steps or more, got {window}")
        bound = (window * checks.positive("input_size", input_size)) ** -0.5
        W_init = W_init or initializers.uniform(bound)
        b_init = b_init or initializers.uniform_bias(bound)
        super().__init__(
            input_size, hidden_size, W_init=W_init, b_init=b_init, rngs=rngs, **options
        )
        self.window = window
        shape = ((window - 1) * input_size, hidden_size)
        self.V = self._matrix(W_init, rngs, shape, None)

    def init_state(self, batch_size: int) -> QRNNState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return QRNNState(
            self.zeros(batch_size, self.hidden_size),
            self.zeros(batch_size, (self.window - 1) * self.input_size),
            self.zeros(batch_size, self.hidden_size),
        )

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b``, and x in `state_dtype`."""
        return super().project(x), x.astype(self.state_dtype)

    def recur(self, state: QRNNState) -> Array:
        """Return ``window V``."""
        return self.dot(state.x, self.V[...])

    def update(
        self,
        state: QRNNState,
        p: tuple[Array, Array],
        q: Array,
        keep: Array | None = None,
    ) -> QRNNState:
        """Return the new state."""
        a, x = p
        z, f, o = self.split(a + q)
        f, z = gate("f", f), jnp.tanh(z)
        z = drop_candidate(z, keep)
        c = f * state.c + (1 - f) * z
        window = jnp.concatenate([state.x[:, self.input_size :], x], axis=-1)
        return QRNNState(c, window, gate("o", o) * c)

    def output(self, state: QRNNState, p: Any) -> Array:
        """Return y ``[B, H]``."""
        return state.y
