"""Sampling draws from the distribution it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo import decoding

LOGITS = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))


def kept(**options):
    """Return which tokens may be drawn."""
    return np.isfinite(decoding.restrict(LOGITS, **options)).tolist()


def test_restrict():
    assert kept(top_k=2) == [True, True, False, False]
    assert kept(top_k=9) == [True] * 4
    assert kept(top_p=0.5) == [True, False, False, False]
    assert kept(top_p=0.6) == [True, True, False, False]
    assert kept(top_p=1.0) == [True] * 4
    assert kept(top_k=3, top_p=0.99) == [True, True, True, False]


def test_draws_have_their_frequencies():
    draw = decoding.sampler(temperature=0.5, top_k=3)
    many = draw(jax.random.key(0), jnp.tile(LOGITS, (20_000, 1)))
    shares = np.bincount(np.asarray(many), minlength=4) / 20_000
    expected = np.array([0.5, 0.3, 0.15, 0.0]) ** 2
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.015)


def test_temperature_zero_takes_the_likeliest():
    draw = decoding.sampler(temperature=0.0)
    assert draw(jax.random.key(0), LOGITS[None]).tolist() == [0]


@pytest.mark.parametrize(
    "options", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}]
)
def test_errors(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        decoding.sampler(**options)
