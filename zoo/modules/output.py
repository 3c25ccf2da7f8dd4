"""The output layer over a vocabulary, with tied embeddings as an option."""

import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.modules.dense import affine
from zoo.modules.embedding import Embedding
from zoo.types import Array


class Output(nnx.Module):
    """Logits of all tokens: ``logits = y W + b``.

    With tied embeddings W is the transposed embedding table (Press and Wolf 2016,
    arXiv:1608.05859). A call receives the embedding, because only one module can own
    its parameters.
    """

    def __init__(
        self, input_size: int, embedding: Embedding, *, tied: bool, rngs: nnx.Rngs
    ):
        """Initialise W ``[H, V]``, Glorot-uniform, unless tied; b is zero.

        Args:
            input_size: H.
            embedding: of the same vocabulary; defines the sizes.
            tied: use the embedding table as W.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if `tied` and the sizes differ.
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

    @property
    def output_size(self) -> int:
        """V."""
        return self.b.shape[0]

    def __call__(self, y: Array, embedding: Embedding) -> Array:
        """Compute the logits.

        Args:
            y: ``[..., H]``.
            embedding: the one of the constructor.

        Returns:
            logits ``[..., V]``, float32 or wider.
        """
        W = embedding.table[...].T if self.W is None else self.W[...]
        return affine(y, W, self.b[...])
