"""Character-level word encoders: CNN and LSTM."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers, regularizers
from zoo.cells.lstm import LSTMCell
from zoo.engine.broadcast import align
from zoo.layers import Bidirectional, Recurrent
from zoo.modules.embedding import Embedding
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key


class CharEncoder(Stochastic):
    """The base of the word encoders: an embedding of characters, with dropout.

    Attributes:
        output_size: the size of a word vector.
    """

    output_size: int

    def __init__(
        self,
        num_chars: int,
        char_dim: int,
        *,
        dropout: float = 0.0,
        padding_idx: int | None = 0,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Initialise the embedding of the characters.

        Args:
            num_chars: size of the vocabulary of characters.
            char_dim: embedding size of a character.
            dropout: dropout rate of the character embeddings.
            padding_idx: the ID that pads short words.
            dtype: of the products and the result; by default `param_dtype`.
            param_dtype: of the parameters.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        self.embedding = Embedding(
            num_chars,
            char_dim,
            padding_idx=padding_idx,
            dtype=dtype,
            param_dtype=param_dtype,
            rngs=rngs,
        )
        self.dropout = checks.rate("dropout", dropout)
        self._fork_stream(rngs)

    def __call__(
        self,
        chars: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        key: Key | None = None,
    ) -> Array:
        """Encode words.

        Args:
            chars: ints ``[..., C]``, the character IDs of each word.
            mask: bool ``[..., C]``, True = a real character; by default all but
                `padding_idx`.
            key: of dropout; with None: no noise in evaluation mode, the next key of the
                stream in training mode.

        Returns:
            ``[..., output_size]``; zeros for a word without characters.

        Raises:
            TypeError: if `chars` are not ints, or `mask` is not bool.
            ValueError: if `mask` has another shape.
        """
        chars = jnp.asarray(chars)
        if mask is not None:
            checks.mask("mask", mask, chars.shape, "[..., C]")
            real = jnp.asarray(mask)
        elif self.embedding.padding_idx is not None:
            real = chars != self.embedding.padding_idx
        else:
            real = jnp.ones(chars.shape, bool)
        key = self._noise_key(key)
        e = regularizers.dropout(key, self.embedding(chars, real), self.dropout)
        return self._encode(e, real)

    def _encode(self, e: Array, real: Array) -> Array:
        """Return word vectors ``[..., output_size]`` of embeddings ``[..., C, D]``."""
        raise NotImplementedError(f"{type(self).__name__} must define _encode")


class CharCNN(CharEncoder):
    """A convolution over the characters of a word, with max pooling.

    ``y_k = max_t relu(b_k + sum_j e[t + j] W_k[j])`` over windows centred at the
    characters of the word, with zero padding. Source: Ma and Hovy 2016,
    arXiv:1603.01354; several widths as in Kim et al. 2015, arXiv:1508.06615.
    """

    def __init__(
        self,
        num_chars: int,
        char_dim: int,
        num_filters: int,
        *,
        kernel_sizes: Sequence[int] = (3,),
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Initialise the embedding and the filters.

        Args:
            num_chars: size of the vocabulary of characters.
            char_dim: embedding size of a character.
            num_filters: number of filters of each width.
            kernel_sizes: the widths in characters, odd.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `CharEncoder`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        super().__init__(num_chars, char_dim, rngs=rngs, **options)
        checks.positive("num_filters", num_filters)
        self.kernel_sizes = tuple(kernel_sizes)
        if not self.kernel_sizes or any(k < 1 or k % 2 == 0 for k in self.kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd, got {self.kernel_sizes}")
        self.output_size = num_filters * len(self.kernel_sizes)
        dtype = self.embedding.table.dtype
        shapes = [(size * char_dim, num_filters) for size in self.kernel_sizes]
        self.W = nnx.List(
            [nnx.Param(initializers.glorot(rngs.params(), s, dtype)) for s in shapes]
        )
        self.b = nnx.Param(jnp.zeros(self.output_size, dtype))

    def _encode(self, e: Array, real: Array) -> Array:
        C = e.shape[-2]
        convolved = []
        for size, W in zip(self.kernel_sizes, self.W, strict=True):
            # Windows as rows of a matrix: the convolution is one product.
            ends = [(0, 0)] * (e.ndim - 2) + [(size // 2, size // 2), (0, 0)]
            padded = jnp.pad(e, ends)
            windows = [padded[..., j : j + C, :] for j in range(size)]
            convolved.append(jnp.concatenate(windows, axis=-1) @ W[...].astype(e.dtype))
        y = jnp.concatenate(convolved, axis=-1)
        y = jax.nn.relu(y + align(self.b[...].astype(e.dtype), y))
        # relu is never negative: zeros at padding do not change the maximum.
        return jnp.where(real[..., None], y, jnp.zeros((), y.dtype)).max(axis=-2)


class CharLSTM(CharEncoder):
    """A bidirectional LSTM over the characters of a word: its two final states.

    Source: Lample et al. 2016, arXiv:1603.01360.
    """

    def __init__(
        self,
        num_chars: int,
        char_dim: int,
        hidden_size: int,
        *,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Initialise the embedding and the cells.

        Args:
            num_chars: size of the vocabulary of characters.
            char_dim: embedding size of a character.
            hidden_size: hidden units of each direction.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `CharEncoder`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        super().__init__(num_chars, char_dim, rngs=rngs, **options)
        dtypes = {
            "dtype": self.embedding.dtype,
            "param_dtype": self.embedding.table.dtype,
        }

        def direction(reverse: bool) -> Recurrent:
            cell = LSTMCell(char_dim, hidden_size, rngs=rngs, **dtypes)
            return Recurrent(cell, reverse=reverse)

        self.layer = Bidirectional(direction(False), direction(True))
        self.output_size = self.layer.output_size

    def _encode(self, e: Array, real: Array) -> Array:
        *words, C, D = e.shape
        state, _ = self.layer(e.reshape(-1, C, D), real.reshape(-1, C))
        y = jnp.concatenate([state.forward.h, state.backward.h], axis=-1)
        return y.reshape(*words, self.output_size).astype(e.dtype)
