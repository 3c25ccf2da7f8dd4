"""DeltaNet and gated DeltaNet: linear attention with the delta rule."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import gate
from zoo.cells.matrix.base import MatrixCell
from zoo.engine.matrix_chunks import Write
from zoo.types import Array

__all__ = ["DeltaNetCell", "GatedDeltaNetCell"]


def unit(a: Array) -> Array:
    """Return vectors of length one, or zero where there is nothing.

    Args:
        a: ``[..., K]``.
    """
    return a * jax.lax.rsqrt(jnp.square(a).sum(axis=-1, keepdims=True) + 1e-6)


class DeltaNetCell(MatrixCell):
    """Linear attention that replaces what a key stands for: the delta rule.

    ::

        q, k = unit(silu(x W_q)), unit(silu(x W_k)),    unit(a) = a / |a|
        v = silu(x W_v)
        beta = sigmoid(x W_beta)
        S' = S + beta * k (v - S^T k)^T
        r = S'^T q
        y = scale * r / rms(r)

    ``S^T k`` is what is stored under k; with beta = 1 it is v afterwards, and with
    beta = 0 nothing changes. Equal to ``S' = (I - beta k k^T) S + beta k v^T``. The
    paper puts a short convolution before each silu. Source: Yang et al. 2024,
    arXiv:2406.06484; the rule is that of Schlag et al. 2021, arXiv:2102.11174.
    """

    name = "deltanet"
    paper = "Yang et al. 2024, arXiv:2406.06484"
    equation = (
        "q, k = unit(silu(x W)); v = silu(x W); beta = sigmoid(x W); "
        "S' = S + beta * k (v - S^T k)^T; r = S'^T q; y = scale * r / rms(r)"
    )
    parameters = "D * (3*H + 1) + H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "beta": -1}
    sizes: ClassVar = {"q": "key", "k": "key", "v": "value", "beta": "one"}

    def query(self, p: dict[str, Array]) -> Array:
        """Return q, of length one."""
        return unit(jax.nn.silu(p["q"]))

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, of length one, v and beta."""
        k, v = unit(jax.nn.silu(p["k"])), jax.nn.silu(p["v"])
        return Write(k, v, self.log_decay(p), gate("beta", p["beta"]))

    def log_decay(self, p: dict[str, Array]) -> Array:
        """Return the logarithm of the decay ``[..., heads, 1]``: zero, there is none.

        Args:
            p: what `project` made of the input.
        """
        return jnp.zeros_like(p["beta"])


class GatedDeltaNetCell(DeltaNetCell):
    """The delta rule on a state that can also be forgotten as a whole.

    ::

        q, k = unit(silu(x W_q)), unit(silu(x W_k)),    unit(a) = a / |a|
        v = silu(x W_v)
        beta = sigmoid(x W_beta)
        alpha = exp(-exp(A_log) * softplus(x W_alpha + b_alpha))
        S' = alpha * S + beta * k (v - alpha * S^T k)^T
        r = S'^T q
        y = silu(x W_g) * scale * r / rms(r)

    The decay begins as that of Mamba-2: rates uniform in [1, 16], and a time step
    log-uniform in [0.001, 0.1]. The paper puts a short convolution before the silu of
    q, k and v. Source: Yang et al. 2024, arXiv:2412.06464.
    """

    name = "gated_deltanet"
    paper = "Yang et al. 2024, arXiv:2412.06464"
    equation = (
        "q, k = unit(silu(x W)); v = silu(x W); beta = sigmoid(x W); "
        "alpha = exp(-exp(A_log) * softplus(x W + b)); "
        "S' = alpha * S + beta * k (v - alpha * S^T k)^T; r = S'^T q; "
        "y = silu(x W) * scale * r / rms(r)"
    )
    parameters = "D * (4*H + 2) + H + 2"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "beta": -1, "alpha": -1, "g": 0}
    sizes: ClassVar = {**DeltaNetCell.sizes, "alpha": "one", "g": "value"}
    bias_gates = ("alpha",)

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `MatrixCell`; `bias`, by default True, is that of alpha,
                and `b_init` by default ``zoo.initializers.timescales(1e-3, 1e-1)``.
        """
        options.setdefault("bias", True)
        options.setdefault("b_init", initializers.timescales(1e-3, 1e-1))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        shape = (self.num_heads,)
        rates = jax.random.uniform(rngs.params(), shape, self.param_dtype, 1.0, 16.0)
        self.A_log = nnx.Param(jnp.log(rates))

    def log_decay(self, p: dict[str, Array]) -> Array:
        """Return log alpha, ``[..., heads, 1]``.

        Args:
            p: what `project` made of the input.
        """
        rates = jnp.exp(self.A_log[...].astype(self.state_dtype))[:, None]
        log_alpha = -rates * jax.nn.softplus(p["alpha"])
        gate("alpha", log_alpha, jnp.exp)  # only its logarithm is written
        return log_alpha
