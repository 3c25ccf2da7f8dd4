"""The embedding layer."""

from typing import Any

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers, regularizers
from zoo.initializers import Initializer
from zoo.modules.dense import Linear
from zoo.stochastic import Stochastic, check_rngs
from zoo.types import Array, ArrayLike, Key


class Embedding(Stochastic):
    """The embedding layer: ``y = table[ids]``, with a projection ``table[ids] W + b``.

    The vector of padding is zero and is not trained. An ID outside the table returns
    NaN, so that the loss shows the error.

    Example::

        embedding = Embedding(10_000, 100, padding_idx=0, rngs=nnx.Rngs(0))
        x = embedding(ids)      # [B, T] -> [B, T, 100]

    Attributes:
        table: the vectors ``[V, D]``.
    """

    _subset: tuple[Array, Array] | None = None  # see `restrict`

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        word_dropout: float = 0.0,
        unknown_idx: int | None = None,
        projection: int | None = None,
        init: Initializer = initializers.embedding,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Initialise the table ``[V, D]``.

        Args:
            num_embeddings: V.
            embedding_dim: D.
            padding_idx: the ID of padding.
            word_dropout: rate at which tokens become `unknown_idx` in training.
            unknown_idx: the ID of the unknown token, for `word_dropout`.
            projection: P, the size of the result of a linear map of the vectors, for a
                table of pretrained ones; by default there is no map.
            init: initialiser of the table, by default N(0, 1/D).
            dtype: of the result; by default `param_dtype`.
            param_dtype: of the table.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        check_rngs(rngs)
        self.num_embeddings = checks.positive("num_embeddings", num_embeddings)
        self.embedding_dim = checks.positive("embedding_dim", embedding_dim)
        for name, token in (("padding_idx", padding_idx), ("unknown_idx", unknown_idx)):
            if token is not None and not 0 <= token < num_embeddings:
                raise ValueError(
                    f"{name} must lie in [0, num_embeddings = {num_embeddings}), got "
                    f"{token!r}"
                )
        self.padding_idx = padding_idx
        self.unknown_idx = unknown_idx
        self.word_dropout = checks.rate("word_dropout", word_dropout)
        if self.word_dropout and unknown_idx is None:
            raise ValueError("word_dropout needs unknown_idx, got None")
        self._fork_stream(rngs)
        self.dtype = jnp.dtype(param_dtype if dtype is None else dtype)
        shape = (num_embeddings, embedding_dim)
        self.table = nnx.Param(init(rngs.params(), shape, param_dtype))
        self.projection = (
            None if projection is None else Linear(embedding_dim, projection, rngs=rngs)
        )

    @property
    def is_noisy(self) -> bool:
        """Whether there is word dropout."""
        return self.word_dropout > 0

    @property
    def output_size(self) -> int:
        """The size of a vector: P with a projection, D without."""
        if self.projection is not None:
            return self.projection.output_size
        return self.embedding_dim

    def __call__(
        self,
        ids: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        key: Key | None = None,
    ) -> Array:
        """Look up the vectors of tokens.

        Args:
            ids: ints of any shape ``[...]``, from 0 to V-1.
            mask: bool ``[...]``, True = a real token. Where it is False, `ids` may hold
                anything and the vector is zero.
            key: of word dropout; with None: no noise in evaluation mode, the next
                key of the stream in training mode.

        Returns:
            ``[..., D]``, or ``[..., P]`` with a projection.

        Raises:
            TypeError: if `ids` are not ints, or `mask` is not bool.
            ValueError: if `mask` has another shape.
        """
        ids = jnp.asarray(ids)
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            raise TypeError(f"ids must be ints, got {ids.dtype}")
        real = None
        if mask is not None:
            checks.mask("mask", mask, ids.shape, "[...] of ids")
            real = jnp.asarray(mask)
        if self.padding_idx is not None:
            token = ids != self.padding_idx
            real = token if real is None else real & token
        if self.unknown_idx is not None:
            ids = regularizers.word_dropout(
                self._noise_key(key), ids, self.word_dropout, self.unknown_idx
            )
        if real is None:
            return self._look_up(ids)
        y = self._look_up(jnp.where(real, ids, jnp.zeros((), ids.dtype)))
        return jnp.where(real[..., None], y, jnp.zeros((), y.dtype))

    def restrict(self, ids: Array, rows: Array) -> None:
        """Look up rows of this array instead of the table, inside a pure function.

        The gradient with respect to the rows costs nothing for the rest of the table.
        The vector of any other ID is NaN.

        Args:
            ids: ints ``[U]`` in ascending order, of the rows; V and above for none.
            rows: ``[U, D]``.
        """
        self._subset = nnx.data((ids, rows))

    def _look_up(self, ids: Array) -> Array:
        """Return rows of the table, projected; NaN for an ID outside it."""
        # A negative index would count from the end, as in numpy: move it out of range.
        ids = jnp.where(ids < 0, jnp.asarray(self.num_embeddings, ids.dtype), ids)
        table = self.table[...]
        if self._subset is not None:
            some, table = self._subset
            rank = jnp.searchsorted(some, ids)
            is_row = (some.at[rank].get(mode="clip") == ids) & (
                ids < self.num_embeddings
            )
            ids = jnp.where(is_row, rank, len(some))
        rows = jnp.take(table, ids, axis=0, mode="fill", fill_value=jnp.nan)
        rows = rows.astype(self.dtype)
        if self.projection is None:
            return rows
        return self.projection(rows).astype(self.dtype)
