"""A writer of sequences, from a state and, with attention, from a memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, regularizers
from zoo.models.stack import stack
from zoo.modules.attention import Attention, Memory
from zoo.modules.dense import Linear
from zoo.modules.embedding import Embedding
from zoo.modules.output import Output
from zoo.types import Array, ArrayLike, Key, State


class DecoderState(NamedTuple):
    """What a decoder carries from step to step.

    Attributes:
        layers: the state of the recurrent layers.
        fed: the attentional vector of the step before, ``[B, H]``; None without input
            feeding.
    """

    layers: State
    fed: Array | None


class Decoder(nnx.Module):
    """Embedding, recurrent layers, attention, and a score for each token that may come.

    ::

        h_t = layers(E[w_t])                            without attention
        logits_t = h_t W + b

        h_t = layers(E[w_t])                            with attention
        h_t = layers([E[w_t]; v_{t-1}])                 ... and input feeding, v_0 = 0
        c_t, a_t = attention(h_t, memory)
        v_t = tanh([c_t; h_t] W_v + b_v)
        logits_t = v_t W + b

    Source: Luong et al. 2015, arXiv:1508.04025; every score of `zoo.attention` asks
    with h_t, after the step.

    Without a memory it writes from its first state alone, that of an encoder (Sutskever
    et al. 2014, arXiv:1409.3215) or one made of any vector by a `zoo.models.Bridge`::

        state = decoder.init_state(B, bridge(vector, decoder.layers.init_state(B)))
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 256,
        cell: str = "lstm",
        hidden_size: int = 256,
        num_layers: int = 1,
        attention: str | None = None,
        memory_size: int | None = None,
        input_feeding: bool = False,
        tied: bool = False,
        dropout: float = 0.3,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the parts.

        Args:
            vocab_size: V.
            embedding_dim: size of a token's vector.
            cell: one of ``zoo.cells()``.
            hidden_size: H of each layer.
            num_layers: how many layers.
            attention: one of ``zoo.attention.KINDS``; None means none.
            memory_size: M of the memory, needed with `attention`.
            input_feeding: the layers also read the attentional vector of the step
                before.
            tied: score with the table of the embedding.
            dropout: rate of dropout on the input of the layers, between them, and on
                what is scored.
            rngs: keys of the initialisation.
            **options: as for `zoo.make`; the layers must run forwards.

        Raises:
            ValueError: if an argument is out of its range, or some do not fit together.
        """
        if (attention is None) != (memory_size is None):
            raise ValueError(
                "attention and memory_size must be given together, got "
                f"{attention!r} and {memory_size!r}"
            )
        if input_feeding and attention is None:
            raise ValueError("input_feeding needs attention, got None")
        self.dropout = checks.rate("dropout", dropout)
        self.input_feeding = input_feeding
        self.embedding = Embedding(vocab_size, embedding_dim, rngs=rngs)
        self.layers = stack(
            cell,
            embedding_dim + (hidden_size if input_feeding else 0),
            hidden_size,
            num_layers,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        if self.layers.direction != "forward":
            raise ValueError(
                "a decoder's layers must run forwards, got "
                f"direction={self.layers.direction!r}"
            )
        size = self.layers.output_size
        if attention is None or memory_size is None:
            self.attention = self.join = None
        else:
            self.attention = Attention(attention, size, memory_size, rngs=rngs)
            self.join = Linear(memory_size + size, hidden_size, rngs=rngs)
            size = hidden_size
        self.size = size
        self.output = Output(size, self.embedding, tied=tied, rngs=rngs)

    def init_state(self, batch_size: int, layers: State = None) -> DecoderState:
        """Return the state before the first token.

        Args:
            batch_size: B.
            layers: the state of the layers; by default the one they begin with.
        """
        if layers is None:
            layers = self.layers.init_state(batch_size)
        if not self.input_feeding:
            return DecoderState(layers, None)
        fed = jnp.zeros((batch_size, self.size), self.embedding.dtype)
        return DecoderState(layers, fed)

    def __call__(
        self,
        ids: ArrayLike,
        mask: ArrayLike | None = None,
        state: DecoderState | None = None,
        memory: Memory | None = None,
        *,
        sampling: float | Array | None = None,
        key: Key | None = None,
    ) -> tuple[DecoderState, Array]:
        """Score what comes next, at each token.

        Without input feeding and sampling the layers run over all tokens in one call,
        and attention is asked once for all steps. Else each step needs what the one
        before gave: the layers are called a step at a time, and their noise that lasts
        a sequence (such as recurrent dropout) is drawn anew at each.

        Args:
            ids: ints ``[B, T]``, the tokens to read: a mark of the beginning, then all
                tokens but the last.
            mask: bool ``[B, T]``, True = a real token; by default all are.
            state: the state before the first token; by default `init_state`.
            memory: made by ``decoder.attention.remember``, needed with attention.
            sampling: the probability, in [0, 1], that a token but the first is not that
                of `ids` but drawn from the scores of the step before: scheduled
                sampling, in training only. Bengio et al. 2015, arXiv:1506.03099. As an
                array it may change without a new compilation.
            key: draws the dropout and the samples of training; None means evaluation.

        Returns:
            The state after the last token, and logits ``[B, T, V]``.

        Raises:
            ValueError: if a shape is not as told, or the memory is missing or idle.
            TypeError: if `ids` are not ints, or `mask` is not bool.
        """
        ids = jnp.asarray(ids)
        if ids.ndim != 2:
            raise ValueError(f"ids must have shape [B, T], got {ids.shape}")
        if mask is None:
            mask = jnp.ones(ids.shape, bool)
        if state is None:
            state = self.init_state(ids.shape[0])
        if isinstance(sampling, float | int) and not 0 <= sampling <= 1:
            raise ValueError(f"sampling must lie in [0, 1], got {sampling!r}")
        if self.input_feeding or (sampling is not None and key is not None):
            return self._loop(ids, mask, state, memory, sampling, key)
        state, logits, _ = self._read(ids, mask, state, memory, key)
        return state, logits

    def step(
        self, state: DecoderState, memory: Memory | None, ids: ArrayLike
    ) -> tuple[DecoderState, Array, Array | None]:
        """Read one token and score the next, as at evaluation.

        Args:
            state: the state before the token.
            memory: as for a call; None without attention.
            ids: ints ``[B]``.

        Returns:
            The state after the token, logits ``[B, V]``, and the weights of attention
            ``[B, S]``, None without it.

        Raises:
            ValueError: if a shape is not as told, or the memory is missing or idle.
        """
        ids = jnp.asarray(ids)[:, None]
        mask = jnp.ones(ids.shape, bool)
        state, logits, weights = self._read(ids, mask, state, memory, None)
        return state, logits[:, 0], None if weights is None else weights[:, 0]

    def _read(self, ids, mask, state, memory, key):
        """Read tokens [B, T] in one call of the layers; one token with input feeding.

        Returns the state, logits [B, T, V] and weights [B, T, S] or None.
        """
        of_input, of_layers, of_output = regularizers.split(key, 3)
        x = self.embedding(ids, mask)
        if state.fed is not None:
            x = jnp.concatenate([x, state.fed[:, None]], axis=-1)
        x = regularizers.dropout(of_input, x, self.dropout)
        layers, y = self.layers(x, mask, state.layers, key=of_layers)
        vector, weights = self._attend(y, memory)
        fed = state.fed
        if fed is not None:
            fed = jnp.where(mask, vector[:, 0].astype(fed.dtype), fed)
        vector = regularizers.dropout(of_output, vector, self.dropout)
        logits = self.output(vector, self.embedding)
        return DecoderState(layers, fed), logits, weights

    def _attend(self, y: Array, memory: Memory | None) -> tuple[Array, Array | None]:
        """Return what is scored, and the weights of attention."""
        if self.attention is None or self.join is None:
            if memory is not None:
                raise ValueError("memory must be None: this decoder has no attention")
            return y, None
        if memory is None:
            raise ValueError("memory must be given: this decoder has attention")
        context, weights = self.attention(y, memory)
        joined = jnp.concatenate([context.astype(y.dtype), y], axis=-1)
        return jnp.tanh(self.join(joined)), weights

    def _loop(self, ids, mask, state, memory, sampling, key):
        """Read tokens [B, T] step by step."""
        own = jnp.zeros(ids.shape, bool)
        keys = None
        if key is not None:
            of_own, of_steps = jax.random.split(key)
            keys = jax.random.split(of_steps, ids.shape[1])
            if sampling is not None:
                # A token is replaced only where the one before was real: what was drawn
                # at padding, or before the first token, means nothing.
                follows = jnp.pad(jnp.asarray(mask)[:, :-1], ((0, 0), (1, 0)))
                own = regularizers.bernoulli(of_own, sampling, ids.shape) & follows

        def body(carry, step):
            state, drawn = carry
            ids, mask, own, key = step
            of_read, of_draw = regularizers.split(key, 2)
            ids = jnp.where(own, drawn, ids)[:, None]
            state, logits, _ = self._read(ids, mask[:, None], state, memory, of_read)
            logits = logits[:, 0]
            if sampling is not None and of_draw is not None:
                drawn = jax.random.categorical(of_draw, logits).astype(drawn.dtype)
            return (state, drawn), logits

        by_step = jax.tree.map(lambda a: jnp.moveaxis(a, 1, 0), (ids, mask, own))
        (state, _), logits = jax.lax.scan(body, (state, ids[:, 0]), (*by_step, keys))
        return state, jnp.moveaxis(logits, 0, 1)
