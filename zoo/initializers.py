"""How parameters begin: gate by gate.

A weight initialiser is one of ``jax.nn.initializers``: ``(key, shape, dtype) ->
array``. A cell applies it to each gate's own ``[D, H]`` or ``[H, H]`` block, so that an
orthogonal recurrent matrix is orthogonal in every gate. A bias initialiser is told the
gates, ``(key, gates, size, dtype) -> [G*H]``, where ``gates`` maps each gate's name to
+1 if a large bias keeps the old state, to -1 if it overwrites the old state, and to 0
otherwise.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import jax
import jax.numpy as jnp

from zoo.types import Array, Key

Gates = Mapping[str, int]
Initializer = Callable[[Key, tuple[int, ...], Any], Array]
BiasInitializer = Callable[[Key, Gates, int, Any], Array]


class Initializers(TypedDict):
    """The three initialisers of a cell, to be passed as ``LSTM(..., **these)``."""

    W_init: Initializer
    U_init: Initializer
    b_init: BiasInitializer


lecun = jax.nn.initializers.lecun_normal()
glorot = jax.nn.initializers.glorot_uniform()
orthogonal = jax.nn.initializers.orthogonal()
embedding = jax.nn.initializers.variance_scaling(1.0, "fan_out", "normal")


def blocks(init: Initializer, key: Key, gates: int, shape: tuple[int, ...], dtype: Any):
    """Draw one block for each gate and set them side by side.

    Args:
        init: an initialiser of ``jax.nn.initializers``.
        key: a key.
        gates: how many blocks.
        shape: the shape ``[fan_in, H]`` of one block.
        dtype: of the result.

    Returns:
        An array ``[fan_in, gates*H]``.
    """
    keys = jax.random.split(key, gates)
    return jnp.concatenate([init(k, shape, dtype) for k in keys], axis=-1)


def zeros(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
    """Start every bias at zero; a bias initialiser itself.

    Args:
        key: not used.
        gates: of the cell.
        size: H.
        dtype: of the bias.
    """
    return jnp.zeros(len(gates) * size, dtype)


def retain(
    bias: float = 1.0, *, highest: float | None = None, overwrite: float = 0.0
) -> BiasInitializer:
    """Start the gates that keep the old state at `bias`, the neutral ones at zero.

    With 1 this is the forget-gate bias of Gers et al. (2000) and Jozefowicz et al.
    (2015): the state is kept until the network has learnt to forget.

    Args:
        bias: where the keeping gates start.
        highest: where the last unit starts, if they are to be spread evenly.
        overwrite: where the gates start that overwrite the old state.
    """

    def init(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        keep = jnp.linspace(bias, bias if highest is None else highest, size)
        start = {1: keep, 0: jnp.zeros(size), -1: jnp.full(size, overwrite)}
        return jnp.concatenate([start[sign] for sign in gates.values()]).astype(dtype)

    return init


def chrono(longest: int) -> BiasInitializer:
    """Spread the memory of the units over lags up to `longest` steps.

    A unit that keeps a share s of its state at each step remembers for about 1/(1-s)
    steps. With u ~ U(1, longest-1), the keeping gates start at log(u) and the
    overwriting gates at -log(u), the same u for one unit. Tallec and Ollivier 2018,
    arXiv:1804.11188.

    Args:
        longest: the longest lag in steps that is to be remembered, 3 or more.

    Raises:
        ValueError: if `longest` is below 3.
    """
    if longest < 3:
        raise ValueError(f"longest must be 3 steps or more, got {longest!r}")

    def init(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        bias = jnp.log(jax.random.uniform(key, (size,), dtype, 1.0, longest - 1.0))
        return jnp.concatenate([sign * bias for sign in gates.values()])

    return init


def timescales(shortest: float, longest: float) -> BiasInitializer:
    """Start gates that are the softplus of a time step log-uniform between two steps.

    Of the selective state space models, Gu and Dao 2023, arXiv:2312.00752.

    Args:
        shortest: least ``softplus(b)``, above 0.
        longest: greatest ``softplus(b)``.

    Raises:
        ValueError: if ``0 < shortest <= longest`` does not hold.
    """
    if not 0.0 < shortest <= longest:
        raise ValueError(
            f"0 < shortest <= longest must hold, got {shortest!r} and {longest!r}"
        )

    def init(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        low, high = math.log(shortest), math.log(longest)
        step = jnp.exp(jax.random.uniform(key, (len(gates) * size,), dtype, low, high))
        return step + jnp.log(-jnp.expm1(-step))  # softplus, solved for b

    return init


def identity(scale: float = 1.0) -> Initializer:
    """Start a recurrent matrix at `scale` times the identity (ReLU networks).

    Le, Jaitly and Hinton 2015, arXiv:1504.00941.

    Args:
        scale: the factor; below one the state decays.
    """

    def init(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
        return jnp.asarray(scale, dtype) * jnp.eye(*shape, dtype=dtype)

    return init


def torch_uniform(hidden_size: int) -> Initializers:
    """Start everything as ``torch.nn.RNN``, ``LSTM`` and ``GRU`` do.

    Every entry is drawn from U(-k, k) with k = 1/sqrt(H). torch adds up two bias
    vectors; the one vector here is drawn as the sum of two, but for the gate ``n`` of a
    GRU, which keeps both.

    Args:
        hidden_size: H.

    Returns:
        The arguments ``W_init``, ``U_init`` and ``b_init`` of a cell or layer:
        ``LSTM(50, 100, **torch_uniform(100), rngs=rngs)``.
    """
    k = 1.0 / math.sqrt(hidden_size)

    def weights(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
        return jax.random.uniform(key, shape, dtype, -k, k)

    def biases(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        two = jax.random.uniform(key, (2, len(gates), size), dtype, -k, k)
        # GRU's n and hn are the two vectors of one gate: each is one draw.
        alone = [name == "hn" or "h" + name in gates for name in gates]
        first, second = two
        both = jnp.where(jnp.array(alone)[:, None], first, first + second)
        return both.reshape(-1)

    return Initializers(W_init=weights, U_init=weights, b_init=biases)
