"""The echo state network: an RNN with fixed random weights."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell, HiddenState
from zoo.initializers import Initializer
from zoo.types import Array, Constant, Key

__all__ = ["ESNCell"]


def sparse_reservoir(connectivity: float, spectral_radius: float) -> Initializer:
    """Return an initialiser of sparse normal matrices with a given spectral radius.

    Args:
        connectivity: the share of nonzero entries. Each column has at least one.
        spectral_radius: the largest modulus of the eigenvalues.
    """

    def init(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
        size = shape[0]
        value_key, mask_key = jax.random.split(key)
        values = jax.random.normal(value_key, (size, size), dtype)
        ranks = jax.random.uniform(mask_key, (size, size))
        count = max(1, round(connectivity * size))
        # Each column keeps the entries with its smallest ranks.
        largest = jnp.sort(ranks, axis=0)[count - 1 : count]
        U = jnp.where(largest >= ranks, values, 0)
        radius, nilpotent = _spectral_radius(U)
        # The radius of a nilpotent matrix is zero: it cannot be scaled.
        return jnp.where(nilpotent, U, U * (spectral_radius / radius))

    return init


def _spectral_radius(U: Array) -> tuple[Array, Array]:
    """Return the spectral radius of U, and whether a power of U is zero.

    Gelfand's formula: the radius is the limit of ``|U^k|^(1/k)``. U is squared 12
    times, and divided by its norm before each time.
    """
    power, log_norm = U, jnp.zeros((), U.dtype)
    for _ in range(12):
        norm = jnp.maximum(jnp.linalg.norm(power), 1e-30)
        power = power / norm
        log_norm = 2 * (log_norm + jnp.log(norm))
        power = power @ power
    norm = jnp.linalg.norm(power)
    return jnp.exp((log_norm + jnp.log(norm + 1e-30)) / 2**12), norm == 0


class ESNCell(Cell):
    """The echo state network: fixed random weights; only later layers are trained.

    ::

        h' = (1 - leak) * h + leak * tanh(x W + h U + b)

    ``U`` is sparse and scaled to a given spectral radius; below one, the influence of
    past inputs usually decays. W, U and b are constants: the cell has no parameters.
    tensorflow/addons, ``esn_cell.py``, has the same step, but draws W and U uniformly.
    Source: Jaeger 2001, "The echo state approach to analysing and training recurrent
    neural networks".
    """

    name = "esn"
    family = "elman"
    paper = "Jaeger 2001"
    equation = "h' = (1 - leak) * h + leak * tanh(x W + h U + b), nothing trained"
    parameters = "0"
    gates: ClassVar = {"h": 0}
    inits: ClassVar = {**Cell.inits, "W": initializers.uniform(1.0)}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        leak: float = 1.0,
        spectral_radius: float = 0.9,
        connectivity: float = 0.1,
        U_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            leak: the leaking rate, in (0, 1]: the weight of the new activation.
            spectral_radius: the largest modulus of the eigenvalues of ``U``.
            connectivity: the share of nonzero entries of ``U``, in (0, 1].
            U_init: initialiser of ``U``, by default the sparse matrix of both options.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` is U(-1, 1) by default.

        Raises:
            ValueError: if an argument is out of its range.
        """
        if not 0 < leak <= 1:
            raise ValueError(f"leak must lie in (0, 1], got {leak!r}")
        if not 0 < connectivity <= 1:
            raise ValueError(f"connectivity must lie in (0, 1], got {connectivity!r}")
        if not spectral_radius > 0:
            raise ValueError(
                f"spectral_radius must be above 0, got {spectral_radius!r}"
            )
        checks.positive("hidden_size", hidden_size)
        self.leak = float(leak)
        U_init = U_init or sparse_reservoir(connectivity, spectral_radius)
        super().__init__(input_size, hidden_size, U_init=U_init, rngs=rngs, **options)
        self.W, self.U = Constant(self.W[...]), Constant(self.U[...])
        self.b = None if self.b is None else Constant(self.b[...])

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        activation = jnp.tanh(p + q)
        return HiddenState((1 - self.leak) * state.h + self.leak * activation)
