"""DeltaNet and gated DeltaNet: linear attention with the delta rule."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import gate
from zoo.cells.matrix.base import MatrixCell
from zoo.engine.broadcast import align
from zoo.engine.matrix_chunks import Write
from zoo.types import Array

__all__ = ["DeltaNetCell", "GatedDeltaNetCell"]


def unit(a: Array) -> Array:
    """Return vectors scaled to length one; zero vectors stay zero.

    Args:
        a: an array ``[..., K]``.
    """
    return a * jax.lax.rsqrt(jnp.square(a).sum(axis=-1, keepdims=True) + 1e-6)


class DeltaNetCell(MatrixCell):
    """Linear attention with the delta rule, which replaces the value of a key.

    ::

        q, k = unit(silu(x W_q)), unit(silu(x W_k)),    unit(a) = a / |a|
        v = silu(x W_v)
        beta = sigmoid(x W_beta)
        S' = S + beta * k (v - S^T k)^T
        r = S'^T q / sqrt(K)
        y = scale * r / rms(r)

    ``S^T k`` is the value stored for k. With beta = 1 the new value is v, and with beta
    = 0 the state does not change. An equivalent form is ``S' = (I - beta k k^T) S +
    beta k v^T``. The paper has a short convolution before each silu. It does not divide
    r by ``sqrt(K)``; the authors' code does, which matters only where r is so small
    that the epsilon of the norm counts. Source: Yang et al. 2024, arXiv:2406.06484, and
    fla-org/flash-linear-attention; the rule is from Schlag et al. 2021,
    arXiv:2102.11174.
    """

    name = "deltanet"
    paper = "Yang et al. 2024, arXiv:2406.06484"
    equation = (
        "q, k = unit(silu(x W)); v = silu(x W); beta = sigmoid(x W); "
        "S' = S + beta * k (v - S^T k)^T; r = S'^T q / sqrt(K); y = scale * r / rms(r)"
    )
    parameters = "D * (3*H + 1) + H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "beta": -1}
    sizes: ClassVar = {"q": "key", "k": "key", "v": "value", "beta": "one"}

    def query(self, p: dict[str, Array]) -> Array:
        """Return q, scaled to the length ``1 / sqrt(K)``."""
        return unit(jax.nn.silu(p["q"])) * self.key_size**-0.5

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, scaled to length one, v, the log decay and beta."""
        k, v = unit(jax.nn.silu(p["k"])), jax.nn.silu(p["v"])
        return Write(k, v, self.log_decay(p), gate("beta", p["beta"]))

    def log_decay(self, p: dict[str, Array]) -> Array:
        """Return the logarithm of the decay, ``[..., heads, 1]``: zero, for no decay.

        Args:
            p: the result of `project`.
        """
        return jnp.zeros_like(p["beta"])


class GatedDeltaNetCell(DeltaNetCell):
    """DeltaNet with a decay of the state that depends on the input.

    ::

        q, k = unit(silu(x W_q)), unit(silu(x W_k)),    unit(a) = a / |a|
        v = silu(x W_v)
        beta = sigmoid(x W_beta)
        alpha = exp(-exp(A_log) * softplus(x W_alpha + b_alpha))
        S' = alpha * S + beta * k (v - alpha * S^T k)^T
        r = S'^T q / sqrt(K)
        y = silu(x W_g) * scale * r / rms(r)

    The initialisation is that of the authors' code: ``exp(A_log)`` is uniform in (0,
    16], and ``softplus(b_alpha)`` is log-uniform in [0.001, 0.1]. The paper has a short
    convolution before the silu of q, k and v. Source: Yang et al. 2024,
    arXiv:2412.06464, and fla-org/flash-linear-attention.
    """

    name = "gated_deltanet"
    paper = "Yang et al. 2024, arXiv:2412.06464"
    equation = (
        "q, k = unit(silu(x W)); v = silu(x W); beta = sigmoid(x W); "
        "alpha = exp(-exp(A_log) * softplus(x W + b)); "
        "S' = alpha * S + beta * k (v - alpha * S^T k)^T; r = S'^T q / sqrt(K); "
        "y = silu(x W) * scale * r / rms(r)"
    )
    parameters = "D * (4*H + 2) + H + 2"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "beta": -1, "alpha": -1, "g": 0}
    sizes: ClassVar = {**DeltaNetCell.sizes, "alpha": "one", "g": "value"}
    bias_gates = ("alpha",)
    inits: ClassVar = {**DeltaNetCell.inits, "b": initializers.timescales(1e-3, 1e-1)}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            bias: whether alpha has a bias.
            rngs: random keys for the initialisation.
            **options: as for `MatrixCell`. By default `b_init` is
                ``zoo.initializers.timescales(1e-3, 1e-1)``.
        """
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)
        shape = (self.num_heads,)
        u = jax.random.uniform(rngs.params(), shape, self.draw_dtype)
        self.A_log = self._store(jnp.log(16 * (1 - u)))  # 1 - u is never zero

    def log_decay(self, p: dict[str, Array]) -> Array:
        """Return log alpha, ``[..., heads, 1]``.

        Args:
            p: the result of `project`.
        """
        rates = jnp.exp(self.in_state_dtype(self.A_log))[:, None]
        log_alpha = -align(rates, p["alpha"]) * jax.nn.softplus(p["alpha"])
        gate("alpha", log_alpha, jnp.exp)  # for diagnostics: only log alpha is used
        return log_alpha
