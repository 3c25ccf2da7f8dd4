"""The decoder: generates a sequence from a state and, with attention, a memory."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, regularizers
from zoo.cells import Cell
from zoo.engine.varying import vary_over, varying_axes
from zoo.models.stack import stack
from zoo.modules.attention import Attention, Memory
from zoo.modules.dense import Linear
from zoo.modules.embedding import Embedding
from zoo.modules.output import Output
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key, State


class DecoderState(NamedTuple):
    """The state of a decoder.

    Attributes:
        layers: the state of the recurrent layers.
        fed: the attentional vector of the previous step, ``[B, H]``; None without input
            feeding.
    """

    layers: State
    fed: Array | None


class Decoder(Stochastic):
    """Embedding, recurrent layers, attention, and logits of the next token.

    ::

        h_t = layers(E[w_t])                            without attention
        logits_t = h_t W + b

        h_t = layers(E[w_t])                            with attention
        h_t = layers([E[w_t]; v_{t-1}])                 ... and input feeding, v_0 = 0
        c_t, a_t = attention(h_t, memory)
        v_t = tanh([c_t; h_t] W_v + b_v)
        logits_t = v_t W + b

    Source: Luong et al. 2015, arXiv:1508.04025. The query of all scores of
    `zoo.attention` is h_t, the state after the step.

    Without attention the decoder depends on its initial state alone: that of an encoder
    (Sutskever et al. 2014, arXiv:1409.3215), or a projection of any vector by a
    `zoo.models.Bridge`::

        state = decoder.init_state(B, bridge(vector, decoder.layers.init_state(B)))
    """

    draws_on_request: ClassVar[bool] = True  # scheduled sampling

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 256,
        cell: str | type[Cell] = "lstm",
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
        """Build the modules and initialise their parameters.

        Args:
            vocab_size: V.
            embedding_dim: embedding size of a token.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of each layer.
            num_layers: number of layers.
            attention: one of ``zoo.attention.KINDS``, or None.
            memory_size: M of the memory, required with `attention`.
            input_feeding: the layers also read the attentional vector of the previous
                step.
            tied: use the embedding table in the output layer.
            dropout: rate on the input of the layers, between them, and before the
                output layer.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `zoo.make`; the layers must run forward.

        Raises:
            ValueError: if an argument is out of its range, or two are incompatible.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        if (attention is None) != (memory_size is None):
            raise ValueError(
                "attention and memory_size must be given together, got "
                f"{attention!r} and {memory_size!r}"
            )
        if input_feeding and attention is None:
            raise ValueError("input_feeding needs attention, got None")
        self.dropout = checks.rate("dropout", dropout)
        self._fork_stream(rngs)
        self.input_feeding = input_feeding
        self.embedding = Embedding(vocab_size, embedding_dim, rngs=rngs)
        self.layers = stack(
            self,
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
                "the layers of a decoder must run forward, got "
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
            layers: the state of the layers; by default their initial state.
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
        """Compute the logits of the next token at each step.

        Without input feeding and sampling, the layers and attention process all tokens
        in one call. Otherwise each step depends on the output of the previous one: the
        layers are called step by step, and noise that is constant over a sequence
        elsewhere, such as recurrent dropout, is drawn at every step.

        Args:
            ids: ints ``[B, T]``, the tokens to read: the begin token, then all tokens
                but the last.
            mask: bool ``[B, T]``, True = a real token; by default all are.
            state: the state before the first token; by default `init_state`.
            memory: from ``decoder.attention.remember``, required with attention.
            sampling: scheduled sampling, in training only: the probability, in [0, 1],
                that a token other than the first is replaced by one drawn from the
                previous step's distribution. Bengio et al. 2015, arXiv:1506.03099. An
                array can change without recompilation.
            key: of dropout and sampling; with None: no noise in evaluation mode, the
                next key of the stream in training mode.

        Returns:
            The state after the last token, and logits ``[B, T, V]``.

        Raises:
            ValueError: if a shape is wrong, or `memory` is missing, or not expected.
            TypeError: if `ids` are not ints, or `mask` is not bool.
        """
        return self.reduce_logits(
            None, (), ids, mask, state, memory, sampling=sampling, key=key
        )

    def reduce_logits(
        self,
        function: Callable[..., Any] | None,
        arrays: Sequence[ArrayLike],
        ids: ArrayLike,
        mask: ArrayLike | None = None,
        state: DecoderState | None = None,
        memory: Memory | None = None,
        *,
        sampling: float | Array | None = None,
        key: Key | None = None,
    ) -> tuple[DecoderState, Any]:
        """Compute ``function(logits, *arrays)`` without storing large logits.

        Args:
            function: of each step, as for `zoo.modules.output.Output.reduce`: the loss
                of labels, for example. None for the logits themselves.
            arrays: ``[B, T, ...]``.
            ids: as for a call.
            mask: as for a call.
            state: as for a call.
            memory: as for a call.
            sampling: as for a call.
            key: as for a call.

        Returns:
            The state after the last token, and the result of the function.
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
        key = self._noise_key(key, requested=sampling is not None)
        if self.input_feeding or (sampling is not None and key is not None):
            in_loop = function is None or not self.output.is_large(*ids.shape)
            state, y = self._loop(ids, mask, state, memory, sampling, key, in_loop)
            if in_loop:
                return state, y if function is None else function(y, *arrays)
        else:
            state, y = self._read(ids, mask, state, memory, key)
        if function is None:
            return state, self.output(y, self.embedding)
        return state, self.output.reduce(function, y, self.embedding, *arrays)

    def step(
        self, state: DecoderState, memory: Memory | None, ids: ArrayLike
    ) -> tuple[DecoderState, Array, Array | None]:
        """Read one token and compute the logits of the next, without dropout.

        Args:
            state: the state before the token.
            memory: as for a call; None without attention.
            ids: ints ``[B]``.

        Returns:
            The state after the token, logits ``[B, V]``, and attention weights ``[B,
            S]``, None without attention.

        Raises:
            ValueError: if a shape is wrong, or `memory` is missing, or not expected.
        """
        x = self.embedding(ids)
        if state.fed is not None:
            x = jnp.concatenate([x, state.fed], axis=-1)
        layers, y = self.layers.step(state.layers, x)
        vector, weights = self._attend(y, memory)
        fed = None if state.fed is None else vector.astype(state.fed.dtype)
        return DecoderState(layers, fed), self.output(vector, self.embedding), weights

    def _read(
        self,
        ids: Array,
        mask: ArrayLike,
        state: DecoderState,
        memory: Memory | None,
        key: Key | None,
    ) -> tuple[DecoderState, Array]:
        """Read tokens [B, T] in one call of the layers; T = 1 with input feeding.

        Returns the state and the inputs of the output layer.
        """
        input_key, layers_key, output_key = regularizers.split(key, 3)
        x = self.embedding(ids, mask)
        if state.fed is not None:
            x = jnp.concatenate([x, state.fed[:, None]], axis=-1)
        x = regularizers.dropout(input_key, x, self.dropout)
        layers, y = self.layers(x, mask, state.layers, key=layers_key)
        vector, _ = self._attend(y, memory)
        fed = state.fed
        if fed is not None:
            fed = jnp.where(mask, vector[:, 0].astype(fed.dtype), fed)
        return DecoderState(layers, fed), regularizers.dropout(
            output_key, vector, self.dropout
        )

    def _attend(self, y: Array, memory: Memory | None) -> tuple[Array, Array | None]:
        """Return the input of the output layer, and the attention weights."""
        if self.attention is None or self.join is None:
            if memory is not None:
                raise ValueError("memory must be None: this decoder has no attention")
            return y, None
        if memory is None:
            raise ValueError("memory is missing: this decoder has attention")
        context, weights = self.attention(y, memory)
        joined = jnp.concatenate([context.astype(y.dtype), y], axis=-1)
        return jnp.tanh(self.join(joined)), weights

    def _loop(
        self,
        ids: Array,
        mask: ArrayLike,
        state: DecoderState,
        memory: Memory | None,
        sampling: float | Array | None,
        key: Key | None,
        in_loop: bool,
    ) -> tuple[DecoderState, Array]:
        """Read tokens [B, T] step by step.

        Returns the state and the logits if they are computed `in_loop`, otherwise the
        inputs of the output layer.
        """
        replace = jnp.zeros(ids.shape, bool)
        keys = None
        if key is not None:
            replace_key, steps_key = jax.random.split(key)
            keys = jax.random.split(steps_key, ids.shape[1])
            if sampling is not None:
                # Replace a token only after a real one: a token drawn at padding, or
                # before the first step, is meaningless.
                follows = jnp.pad(jnp.asarray(mask)[:, :-1], ((0, 0), (1, 0)))
                drawn = regularizers.bernoulli(replace_key, sampling, ids.shape)
                replace = drawn & follows

        graph, variables = nnx.split(self)
        inputs = ids, mask, replace, keys, state, memory
        axes = varying_axes(inputs, variables)
        inputs, variables = vary_over(axes, (inputs, variables))
        ids, mask, replace, keys, state, memory = inputs
        decoder = nnx.merge(graph, variables) if axes else self

        def body(
            carry: tuple[DecoderState, Array], step: tuple[Any, ...]
        ) -> tuple[tuple[DecoderState, Array], Array]:
            state, drawn = carry
            ids, mask, replace, key = step
            read_key, draw_key = regularizers.split(key, 2)
            ids = jnp.where(replace, drawn, ids)[:, None]
            state, y = decoder._read(ids, mask[:, None], state, memory, read_key)
            if in_loop:
                y = decoder.output(y, decoder.embedding)
            if sampling is not None and draw_key is not None:
                # No gradient passes a drawn token, and no logits are stored for one.
                logits = y if in_loop else decoder.output(y, decoder.embedding)
                logits = jax.lax.stop_gradient(logits[:, 0])
                drawn = jax.random.categorical(draw_key, logits).astype(drawn.dtype)
            return (state, drawn), y[:, 0]

        steps = jax.tree.map(lambda a: jnp.moveaxis(a, 1, 0), (ids, mask, replace))
        (state, _), y = jax.lax.scan(body, (state, ids[:, 0]), (*steps, keys))
        return state, jnp.moveaxis(y, 0, 1)
