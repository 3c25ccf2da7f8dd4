"""Initialisers of weights and biases, gate by gate.

A weight initialiser has the signature of ``jax.nn.initializers``: ``(key, shape, dtype)
-> array``. A cell calls it for each gate's ``[D, H]`` or ``[H, H]`` block, so that an
orthogonal recurrent matrix is orthogonal in every gate. A bias initialiser has the
signature ``(key, gates, size, dtype) -> [G*H]``. Its ``gates`` maps each gate's name to
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
    """The three initialisers of a cell, as keyword arguments of its constructor."""

    W_init: Initializer
    U_init: Initializer
    b_init: BiasInitializer


lecun = jax.nn.initializers.lecun_normal()
glorot = jax.nn.initializers.glorot_uniform()
orthogonal = jax.nn.initializers.orthogonal()
embedding = jax.nn.initializers.variance_scaling(1.0, "fan_out", "normal")


def blocks(
    init: Initializer, key: Key, gates: int, shape: tuple[int, ...], dtype: Any
) -> Array:
    """Initialise one block for each gate and concatenate them.

    Args:
        init: an initialiser of ``jax.nn.initializers``.
        key: a random key.
        gates: the number of blocks.
        shape: the shape ``[fan_in, H]`` of one block.
        dtype: of the result.

    Returns:
        An array ``[fan_in, gates*H]``.
    """
    keys = jax.random.split(key, gates)
    return jnp.concatenate([init(k, shape, dtype) for k in keys], axis=-1)


def zeros(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
    """Initialise every bias to zero; itself a bias initialiser.

    Args:
        key: not used.
        gates: of the cell.
        size: H.
        dtype: of the bias.
    """
    return jnp.zeros(len(gates) * size, dtype)


def uniform(bound: float) -> Initializer:
    """Initialise every entry of a matrix from U(-bound, bound).

    Args:
        bound: the largest absolute value.
    """

    def init(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def uniform_bias(bound: float) -> BiasInitializer:
    """Initialise every bias from U(-bound, bound).

    Args:
        bound: the largest absolute value.
    """

    def init(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        return jax.random.uniform(key, (len(gates) * size,), dtype, -bound, bound)

    return init


def retain(
    bias: float = 1.0, *, highest: float | None = None, overwrite: float = 0.0
) -> BiasInitializer:
    """Initialise the gates that keep the old state to `bias`, neutral ones to zero.

    With ``bias=1`` this is the forget-gate bias of Gers et al. (2000) and Jozefowicz et
    al. (2015): the network keeps its state until it learns to forget.

    Args:
        bias: the bias of the gates that keep the old state.
        highest: the bias of the last unit of these gates. The units in between are
            spaced evenly. By default all have `bias`.
        overwrite: the bias of the gates that overwrite the old state.
    """

    def init(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        keep = jnp.linspace(bias, bias if highest is None else highest, size)
        value = {1: keep, 0: jnp.zeros(size), -1: jnp.full(size, overwrite)}
        return jnp.concatenate([value[sign] for sign in gates.values()]).astype(dtype)

    return init


def chrono(longest: int) -> BiasInitializer:
    """Chrono initialisation: time scales of the units between 1 and `longest` steps.

    A unit that keeps a fraction s of its state at each step has a time scale of about
    1/(1-s) steps. With u ~ U(1, longest-1) for each unit, the gates that keep the state
    are initialised to log(u), and the gates that overwrite it to -log(u). Tallec and
    Ollivier 2018, arXiv:1804.11188.

    Args:
        longest: the longest dependency to be learnt, in steps, 3 or more.

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
    """Initialise b such that ``softplus(b)`` is log-uniform in [shortest, longest].

    The initialisation of the time step of selective state space models, Gu and Dao
    2023, arXiv:2312.00752.

    Args:
        shortest: smallest ``softplus(b)``, above 0.
        longest: largest ``softplus(b)``.

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
        return step + jnp.log(-jnp.expm1(-step))  # the inverse of softplus

    return init


def identity(scale: float = 1.0) -> Initializer:
    """Initialise a recurrent matrix to `scale` times the identity, for ReLU networks.

    Le, Jaitly and Hinton 2015, arXiv:1504.00941.

    Args:
        scale: the factor; with less than one the state decays.
    """

    def init(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
        return jnp.asarray(scale, dtype) * jnp.eye(*shape, dtype=dtype)

    return init


def torch_uniform(hidden_size: int) -> Initializers:
    """Initialise all parameters as ``torch.nn.RNN``, ``LSTM`` and ``GRU`` do.

    Every entry is drawn from U(-k, k) with k = 1/sqrt(H). torch adds two bias vectors,
    so the bias here is drawn as a sum of two such vectors. The gate ``n`` of a GRU
    keeps both of its vectors.

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
        shape = (2, len(gates), size)
        first, second = jax.random.uniform(key, shape, dtype, -k, k)
        # GRU's n and hn are the two bias vectors of one gate: neither is a sum.
        single = [name == "hn" or "h" + name in gates for name in gates]
        b = jnp.where(jnp.array(single)[:, None], first, first + second)
        return b.reshape(-1)

    return Initializers(W_init=weights, U_init=weights, b_init=biases)
