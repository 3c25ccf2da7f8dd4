"""The tolerances of all tests, and the comparisons that use them.

An error is the largest difference, relative to the largest entry of the expected array
(or to one, if all entries are smaller).
"""

from typing import Any

import jax
import numpy as np

SCHEDULE = 1e-6  # the same arithmetic in another order: chunks, jit, unroll, remat
SCHEDULE_GRADIENT = 1e-5
REFERENCE = 1e-5  # another implementation in float32: PyTorch, a single row
FLOAT64 = 1e-10  # another implementation in float64: NumPy
FINITE_DIFFERENCE = 1e-6  # in float64
BFLOAT16 = 2e-2
BFLOAT16_GRADIENT = 1e-1


def error(actual: Any, expected: Any) -> float:
    """Return the error of one array."""
    exact = np.complex128 if np.iscomplexobj(expected) else np.float64
    actual, expected = np.asarray(actual, exact), np.asarray(expected, exact)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    if not actual.size:
        return 0.0
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(actual - expected).max()) / scale


def assert_close(actual: Any, expected: Any, tolerance: float, what: str = "") -> None:
    """Assert that no array of a tree has an error above the tolerance."""
    expected_leaves, expected_tree = jax.tree.flatten_with_path(expected)
    actual_leaves, actual_tree = jax.tree.flatten(actual)
    assert actual_tree == jax.tree.structure(expected), (actual_tree, expected_tree)
    for leaf, (path, expected_leaf) in zip(actual_leaves, expected_leaves, strict=True):
        value = error(leaf, expected_leaf)
        assert value <= tolerance, (
            f"{what}{jax.tree_util.keystr(path)}: error {value:.2e} > {tolerance:.0e}"
        )


def largest_error(actual: Any, expected: Any) -> float:
    """Return the largest error of the arrays of a tree."""
    pairs = zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True)
    return max(error(*pair) for pair in pairs)


def assert_identical(actual: Any, expected: Any, what: str = "") -> None:
    """Assert that two trees of arrays are equal bit for bit."""
    pairs = zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True)
    for leaf, expected_leaf in pairs:
        np.testing.assert_array_equal(np.asarray(leaf), np.asarray(expected_leaf), what)
