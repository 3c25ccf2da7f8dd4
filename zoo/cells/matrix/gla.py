"""Gated linear attention."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import gate
from zoo.cells.matrix.base import MatrixCell
from zoo.engine.matrix_chunks import Write
from zoo.types import Array

__all__ = ["GLACell"]


class GLACell(MatrixCell):
    """Gated linear attention: each row of S has a decay that depends on the input.

    ::

        q, k, v = x W
        alpha = sigmoid(x W_alpha + b_alpha)^(1/16)
        S' = diag(alpha) S + k v^T
        r = S'^T q / sqrt(K)
        y = silu(x W_g + b_g) * scale * r / rms(r)

    The 16th root makes the initial decay slow. The paper's W_alpha is a product of two
    matrices, of rank 16, and its norm is a layer norm; the authors' code uses the root
    mean square, as here. Source: Yang et al. 2023, arXiv:2312.06635.
    """

    name = "gla"
    paper = "Yang et al. 2023, arXiv:2312.06635"
    equation = (
        "q, k, v = x W; alpha = sigmoid(x W + b)^(1/16); S' = diag(alpha) S + k v^T; "
        "r = S'^T q / sqrt(K); y = silu(x W + b) * scale * r / rms(r)"
    )
    parameters = "5*D*H + 3*H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "alpha": +1, "g": 0}
    sizes: ClassVar = {
        **{"q": "key", "k": "key", "v": "value"},
        **{"alpha": "key", "g": "value"},
    }
    bias_gates = ("alpha", "g")

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
            bias: whether alpha and g have a bias.
            rngs: random keys for the initialisation.
            **options: as for `MatrixCell`.
        """
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, v and log alpha."""
        log_alpha = jax.nn.log_sigmoid(p["alpha"]) / 16
        gate("alpha", log_alpha, jnp.exp)  # for diagnostics: only log alpha is used
        return Write(p["k"], p["v"], log_alpha)
