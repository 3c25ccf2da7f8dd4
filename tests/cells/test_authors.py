"""Cells equal recorded values of their authors' program, or of the best-known one."""

import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import assert_close

GOLDEN = Path(__file__).parents[1] / "golden"
SOURCES = tomllib.loads((GOLDEN / "authors.toml").read_text())
VALUES = np.load(GOLDEN / "authors.npz")
OUTPUTS, GRADIENTS = 1e-13, 1e-12


def part(name, prefix):
    """Return the arrays of a cell under a prefix."""
    prefix = f"{name}/{prefix}/"
    names = [key for key in VALUES.files if key.startswith(prefix)]
    return {key.removeprefix(prefix): VALUES[key] for key in names}


def test_every_recorded_cell_has_its_source():
    assert {key.split("/")[0] for key in VALUES.files} == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_cell_equals_its_authors_program_or_the_best_known(name, compared):
    """Outputs and gradients, in float64: of inputs and of every parameter."""
    source = SOURCES[name]
    x, w = VALUES[f"{name}/x"], VALUES[f"{name}/w"]
    params, constants = part(name, "params"), part(name, "constants")
    expected = VALUES[f"{name}/y"], VALUES[f"{name}/d_x"], part(name, "d_params")
    H = x.shape[-1]
    with jax.enable_x64(True):
        options = {**source.get("options", {}), "param_dtype": jnp.float64}
        cell = zoo.cells()[name](H, H, **options, rngs=nnx.Rngs(0))
        for key, value in constants.items():
            getattr(cell, key)[...] = jnp.asarray(value)
        initial, apply = zoo.functional(zoo.Recurrent(cell))
        nested = {"cell": params} if params else {}  # a reservoir has no parameters
        assert jax.tree.structure(initial) == jax.tree.structure(nested)

        def loss(nested, x):
            y = apply(nested, x)[1]
            return (y * w).sum(), y

        gradient = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
        (d_nested, d_x), y = gradient(nested, x)
    # NaN marks an entry that the program does not have.
    d_params = {
        key: np.where(np.isnan(expected[2][key]), np.nan, value)
        for key, value in d_nested.get("cell", {}).items()
    }
    gradients = jax.tree.map(np.nan_to_num, ((d_x, d_params), expected[1:]))
    commit = source["commit"][:7]
    peer = f"{source['repository']} `{source['file']}` at {commit}"
    compared(name, peer, (y, expected[0]), gradients)
    assert_close(y, expected[0], OUTPUTS)
    actual, recorded = gradients
    assert_close(actual, recorded, GRADIENTS)
