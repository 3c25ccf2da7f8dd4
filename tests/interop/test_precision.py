"""Float64 weights: rounded with one warning, or kept under ``jax_enable_x64``."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.helpers.interop import assert_one_warning, rngs
from tests.helpers.tolerances import assert_identical
from zoo import interop

D, H = 3, 4


def lstm(**options: Any) -> zoo.LSTM:
    """Return LSTM layers with float64 parameters."""
    return zoo.LSTM(D, H, param_dtype=jnp.float64, rngs=rngs(), **options)


# Weights of several cells, where the form allows them, and the conversion back.
FORMS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch": (
        lambda: interop.to_torch(lstm(num_layers=2, bidirectional=True), "arrays"),
        interop.from_torch,
    ),
    "keras": (
        lambda: interop.to_keras(lstm()),
        lambda weights: interop.from_keras(weights, "lstm"),
    ),
    "flax": (
        lambda: interop.to_flax(lstm(num_layers=2, bidirectional=True)),
        interop.from_flax,
    ),
    "haiku": (
        lambda: interop.to_haiku(lstm(num_layers=2)),
        lambda params: interop.from_haiku(params, ["lstm", "lstm_1"]),
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FORMS)
def test_float64_is_rounded_with_one_warning_or_kept(name, caplog):
    export, convert = FORMS[name]
    with jax.enable_x64(True):
        weights = export()
        assert {a.dtype for a in jax.tree.leaves(weights)} == {np.dtype("float64")}
        exact = zoo.functional(convert(weights))[0]
        assert {a.dtype for a in jax.tree.leaves(exact)} == {jnp.dtype("float64")}
    assert not caplog.text
    rounded = zoo.functional(convert(weights))[0]
    assert_one_warning(caplog.text)
    expected = jax.tree.map(lambda a: np.asarray(a).astype(np.float32), exact)
    assert_identical(rounded, expected)
