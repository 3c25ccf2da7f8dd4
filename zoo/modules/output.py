"""From hidden vectors to the tokens of a vocabulary."""

import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.modules.dense import affine
from zoo.modules.embedding import Embedding
from zoo.types import Array


class Output(nnx.Module):
    """A score for each token: ``logits = y W + b``.

    With tied embeddings W is the transposed table of the embedding (Press and Wolf
    2016, arXiv:1608.05859), which a call is given: a module is owned by one other.
    """

    def __init__(
        self, input_size: int, embedding: Embedding, *, tied: bool, rngs: nnx.Rngs
    ):
        """Draw W ``[H, V]``, Glorot-uniform, unless it is tied; b begins at zero.

        Args:
            input_size: H.
            embedding: of the same vocabulary; its sizes are used.
            tied: score with the table of the embedding.
            rngs: keys of the initialisation.

        Raises:
            ValueError: if `tied` does not fit.
        """
        V = embedding.num_embeddings
        if tied and input_size != embedding.embedding_dim:
            raise ValueError(
                f"tied needs embedding_dim = {input_size}, the size of the layers' "
                f"output, got {embedding.embedding_dim}"
            )
        if tied:
            self.W = None
        else:
            self.W = nnx.Param(
                initializers.glorot(rngs.params(), (input_size, V), jnp.float32)
            )
        self.b = nnx.Param(jnp.zeros(V))

    def __call__(self, y: Array, embedding: Embedding) -> Array:
        """Score tokens.

        Args:
            y: ``[..., H]``.
            embedding: the one it was built for.

        Returns:
            logits ``[..., V]``, in float32 at least.
        """
        W = embedding.table[...].T if self.W is None else self.W[...]
        return affine(y, W, self.b[...])
