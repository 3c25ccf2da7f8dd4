"""Strict types and numbers for the whole suite."""

import os

# The suite compiles many small programs and runs each for microseconds. Set XLA_FLAGS
# to nothing to test with full optimisation, as `.ci/run` does for the contract.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import hypothesis
import jax
import pytest

# How long an example takes says more of the machine, and of what is compiled first.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def strict_promotion():
    """Make every silent change of a dtype an error, as in user code it may be."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def standard_promotion():
    """Allow the usual promotion again: optax needs it."""
    with jax.numpy_dtype_promotion("standard"):
        yield
