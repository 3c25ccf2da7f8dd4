"""Updates of only those rows of an embedding table that a batch looks up.

The gradient of a table ``[V, D]`` and the optimiser's update cost time in proportion to
V, although a batch looks up few of its rows. A lazy update computes both for these rows
alone. The others keep their parameters and their moments, where a dense update of Adam
would decay the moments and move the parameters by what is left of them.

The norm of the gradient is that of the whole table, so that clipping is the same.
Weight decay applies to the rows of the batch. The state of the optimiser is that of
dense updates.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from zoo.tasks.base import Config
from zoo.tasks.optimizer_state import map_params
from zoo.types import Array, Params

NOT_ELEMENTWISE = ("lamb", "novograd")  # optimisers that use norms of the whole table


def check(config: Config) -> None:
    """Check that the other flags allow lazy updates.

    Args:
        config: the flags.

    Raises:
        ValueError: if one does not; the message names it.
    """
    if config.ema:
        raise ValueError("--lazy-embedding needs --ema 0: an average moves all rows")
    if config.optimizer in NOT_ELEMENTWISE:
        raise ValueError(
            f"--lazy-embedding is not for --optimizer {config.optimizer}, which uses "
            "the norm of the whole table"
        )


def unique(ids: Array, num_embeddings: int) -> Array:
    """Return different IDs in ascending order, ``[U]``, filled up with V.

    U is a power of two, or V, so that batches of similar sizes share a program.

    Args:
        ids: ints of any shape.
        num_embeddings: V.
    """
    size = min(1 << (ids.size - 1).bit_length(), num_embeddings)
    return jnp.unique(ids, size=size, fill_value=num_embeddings)


def table(params: Params) -> Array:
    """Return the table ``[V, D]`` of ``model.embedding``."""
    return params["embedding"]["table"]


def with_table(params: Params, new: Any) -> Params:
    """Return parameters with another table."""
    return {**params, "embedding": {**params["embedding"], "table": new}}


def select(params: Params, ids: Array) -> Params:
    """Return parameters with the rows ``[U, D]`` of `ids` in place of the table.

    Args:
        params: the parameters.
        ids: from `unique`.
    """
    return with_table(params, _rows(table(params), ids))


def restricted(function: Callable[..., Any], ids: Array, rows: Array) -> Any:
    """Return a function of a model whose embedding looks up `rows`.

    Args:
        function: ``f(model, *args, **kwargs)``.
        ids: of the rows, from `unique`.
        rows: ``[U, D]``.
    """

    def f(model: Any, *args: Any, **kwargs: Any) -> Any:
        model.embedding.restrict(ids, rows)
        return function(model, *args, **kwargs)

    return f


def update(
    tx: optax.GradientTransformation,
    params: Params,
    opt_state: Any,
    grads: Params,
    ids: Array,
) -> tuple[Params, Any]:
    """Return the parameters and the optimiser's state after a lazy update.

    Args:
        tx: the optimiser, elementwise except for the global norm of the gradient.
        params: the parameters.
        opt_state: its state for `params`.
        grads: the gradient with respect to the result of `select`.
        ids: from `unique`.
    """
    is_table = with_table(jax.tree.map(lambda _: False, params), True)
    of_state = map_params(
        lambda _, flag: flag, opt_state, is_table, other=lambda _: False
    )

    def rows(flag: bool, leaf: Array) -> Array:
        return _rows(leaf, ids) if flag else leaf

    def put(flag: bool, leaf: Array, new: Array) -> Array:
        return leaf.at[ids].set(new, mode="drop") if flag else new

    some, state = select(params, ids), jax.tree.map(rows, of_state, opt_state)
    updates, state = tx.update(grads, state, some)
    some = optax.apply_updates(some, updates)
    return (
        jax.tree.map(put, is_table, params, some),
        jax.tree.map(put, of_state, opt_state, state),
    )


def _rows(array: Array, ids: Array) -> Array:
    """Return rows; zeros for an ID outside the array."""
    return array.at[ids].get(mode="fill", fill_value=0)
