"""The echo state network: a reservoir that is never trained."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState
from zoo.types import Array, Constant, Key


class ESNCell(Cell):
    """The echo state network: random and fixed; what reads it is trained.

    ::

        h' = (1 - leak) * h + leak * tanh(x W + h U + b)

    ``U`` is sparse and scaled to a spectral radius below one, so that what is long past
    fades. W, U and b are constants: the cell has no parameters. Source: Jaeger 2001,
    "The echo state approach to analysing and training recurrent neural networks".
    """

    name = "esn"
    family = "elman"
    paper = "Jaeger 2001"
    equation = "h' = (1 - leak) * h + leak * tanh(x W + h U + b), nothing trained"
    parameters = "0"
    gates: ClassVar = {"h": 0}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        leak: float = 1.0,
        spectral_radius: float = 0.9,
        connectivity: float = 0.1,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            leak: how much of a unit moves in a step, in (0, 1].
            spectral_radius: the greatest modulus of the eigenvalues of ``U``.
            connectivity: the share of ``U`` that is not zero, in (0, 1].
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init` is by default U(-1, 1), and `U_init` the
                sparse matrix.

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

        def sparse(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
            return reservoir(key, shape[0], connectivity, spectral_radius, dtype)

        def wide(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
            return jax.random.uniform(key, shape, dtype, -1.0, 1.0)

        options.setdefault("W_init", wide)
        options.setdefault("U_init", sparse)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.W, self.U = Constant(self.W[...]), Constant(self.U[...])
        self.b = None if self.b is None else Constant(self.b[...])

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        moved = jnp.tanh(p + q)
        return HiddenState((1 - self.leak) * state.h + self.leak * moved)


def reservoir(
    key: Key, size: int, connectivity: float, spectral_radius: float, dtype: Any
) -> Array:
    """Draw a sparse matrix of a given spectral radius.

    Args:
        key: a key.
        size: H.
        connectivity: the share of its entries that is not zero, rounded up to one a
            column.
        spectral_radius: the greatest modulus of its eigenvalues.
        dtype: of the result.
    """
    of_values, of_places = jax.random.split(key)
    values = jax.random.normal(of_values, (size, size), dtype)
    places = jax.random.uniform(of_places, (size, size))
    count = max(1, round(connectivity * size))
    U = jnp.where(jnp.sort(places, axis=0)[count - 1] >= places, values, 0)
    # Gelfand: the radius is the limit of |U^k|^(1/k). U is squared again and again,
    # scaled back each time.
    power, log_size = U, jnp.zeros((), dtype)
    for _ in range(12):
        norm = jnp.maximum(jnp.linalg.norm(power), 1e-30)
        power = power / norm
        log_size = 2 * (log_size + jnp.log(norm))
        power = power @ power
    radius = jnp.exp((log_size + jnp.log(jnp.linalg.norm(power) + 1e-30)) / 2**12)
    # A matrix all of whose powers vanish has no radius to scale.
    return jnp.where(jnp.linalg.norm(power) > 0, U * (spectral_radius / radius), U)
