"""The dtype in which weights are stored, and one warning if that rounds them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import dtypes

_log = logging.getLogger(__name__)
_rounded: ContextVar[set[str] | None] = ContextVar("rounded", default=None)


def stored_dtype(dtype: Any) -> np.dtype:
    """Return the dtype that JAX stores for a dtype: without x64, float32 for float64.

    Args:
        dtype: of weights. Inside `one_warning` it is reported if JAX rounds it.
    """
    stored = dtypes.canonicalize_dtype(dtype)
    rounded = _rounded.get()
    if rounded is not None and stored != jnp.dtype(dtype):
        rounded.add(f"{jnp.dtype(dtype)} parameters are rounded to {stored}")
    return stored


@contextmanager
def one_warning() -> Iterator[None]:
    """Log once that weights are rounded, for however many cells of a conversion."""
    rounded: set[str] = set()
    token = _rounded.set(rounded)
    try:
        yield
    finally:
        _rounded.reset(token)
    for message in sorted(rounded):
        _log.warning(
            "%s: jax.config.update('jax_enable_x64', True), before the conversion, "
            "keeps their precision",
            message,
        )
