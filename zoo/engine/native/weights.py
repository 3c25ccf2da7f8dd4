"""The matrices and biases of a cell, in the layout that the kernels read."""

from typing import Any

import jax.numpy as jnp

from zoo.engine.native.call import bias_blocks
from zoo.types import Array

# The parameters that hold biases: that of the input products, then that of the
# recurrent product which a reset gate multiplies.
BIASES = ("b", "b_hn")


def kernel_weights(name: str, params: dict[str, Any]) -> tuple[Array, Array, Array]:
    """Return W, U and b for a kernel, in float32.

    b has `bias_blocks` blocks of H entries: the biases of the cell in their order, then
    zeros.

    Args:
        name: of the kernel.
        params: the parameters of the cell, by name.

    Returns:
        W ``[D, G*H]``, U ``[H, G*H]`` and b ``[blocks*H]``.
    """
    W, U = params["W"], params["U"]
    biases = [params[bias] for bias in BIASES if bias in params]
    b = jnp.concatenate([*biases, jnp.zeros(0, W.dtype)])
    b = jnp.pad(b, (0, bias_blocks(name) * len(U) - len(b)))
    # The parameters may have another dtype than they were initialised with.
    return W.astype(jnp.float32), U.astype(jnp.float32), b.astype(jnp.float32)
