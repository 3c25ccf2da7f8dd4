"""Whether a library computes the same function as ours."""

from collections.abc import Mapping

import numpy as np

from benchmarks.speed.cases import Case
from benchmarks.speed.worker import WorkerError

Arrays = Mapping[str, np.ndarray]


def tolerance(case: Case) -> float:
    """Return the largest error of a library that computes the same function.

    Args:
        case: the network and the batch.
    """
    if case.dtype == "bfloat16":
        # 8 bits of mantissa, rounded at other places by each library, at every step.
        return 5e-2
    # A GPU multiplies float32 as TF32, with 11 bits, by default: JAX in all products,
    # PyTorch in cuDNN. Each library keeps its default.
    return 1e-4 if case.device == "cpu" else 5e-3


def relative_error(actual: Arrays, expected: Arrays) -> float:
    """Return the largest error, relative to the largest entry of each array.

    Args:
        actual: the arrays that the peer has, by name.
        expected: all arrays of ours, by name.

    Raises:
        WorkerError: if a name is unknown or a shape differs.
    """
    worst = 0.0
    for name, value in actual.items():
        if name not in expected or np.shape(value) != np.shape(expected[name]):
            raise WorkerError(f"returns {name} {np.shape(value)}, ours does not")
        scale = float(np.abs(expected[name]).max()) or 1.0
        error = float(np.abs(value - expected[name]).max()) / scale
        # max() ignores NaN.
        worst = max(worst, np.inf if np.isnan(error) else error)
    return worst
