"""Arrays of other libraries: read them, and build cells with them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import dtypes

from zoo import checks
from zoo.cells import Cell, GRUCell, ResetAfterMGUCell
from zoo.interop.precision import stored_dtype

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
}


def array(value: Any) -> np.ndarray:
    """Return a tensor of any library as a numpy array in the byte order of the machine.

    Args:
        value: a numpy or jax array, a flax variable, a torch tensor on any device.
            NumPy has no bfloat16: such a tensor becomes float32, without rounding.

    Raises:
        ValueError: if `value` is a torch tensor without data.
    """
    if getattr(value, "is_meta", False):
        raise ValueError("the weights have no data: their device is 'meta'")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.numpy()
    if isinstance(value, nnx.Variable):
        value = value[...]
    value = np.asarray(value)
    native = value.dtype.isnative
    return value if native else value.astype(value.dtype.newbyteorder("="))


def fill(cell: Cell, **arrays: np.ndarray | None) -> Cell:
    """Set the parameters of a cell, and return the cell.

    Args:
        cell: a cell.
        **arrays: values by name; None for a parameter that the cell lacks.

    Raises:
        ValueError: if a shape differs from that of the parameter.
        TypeError: if an array is not floating point, for example quantised.
    """
    for name, value in arrays.items():
        if value is None:
            continue
        param = getattr(cell, name)
        checks.floating(f"{type(cell).__name__}.{name}", value)
        checks.shape(name, value, param.shape, f"of {type(cell).__name__}.{name}")
        param[...] = jnp.asarray(value, param.dtype)
    return cell


def new_cell(
    cell_class: type[Cell],
    arrays: Mapping[str, np.ndarray | None],
    *,
    dtype: Any = None,
    **options: Any,
) -> Cell:
    """Return a new cell with given parameters, in the widest dtype of them.

    Args:
        cell_class: its class.
        arrays: values by name: ``W [D, G*H]``, ``U [H, G*H]`` and others; None for a
            parameter that the cell lacks.
        dtype: of the products; by default that of the parameters.
        **options: of the cell.

    Raises:
        ValueError: if a shape is unexpected.
        TypeError: if an array is not floating point.
    """
    values = {name: value for name, value in arrays.items() if value is not None}
    for name, value in values.items():
        checks.floating(f"{cell_class.__name__}.{name}", value)
    widest = max((value.dtype for value in values.values()), key=lambda d: d.itemsize)
    cell = cell_class(
        values["W"].shape[0],
        values["U"].shape[0],
        bias="b" in values,
        dtype=None if dtype is None else dtypes.canonicalize_dtype(dtype),
        param_dtype=stored_dtype(widest),
        rngs=nnx.Rngs(0),
        **options,
    )
    return fill(cell, **values)


def join_biases(
    cell_class: type[Cell], first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the parameters ``b`` and ``b_hn`` for two biases that a library adds.

    ``b`` is their sum, except for the candidate of a cell that multiplies
    ``h U + b_hn`` by its reset gate: there ``b_hn`` is the second bias.

    Args:
        cell_class: the class of the cell; one without ``b_hn`` gets None for it.
        first: ``[G*H]``, of the product with x, the candidate last.
        second: ``[G*H]``, of the product with h.
    """
    if not issubclass(cell_class, GRUCell | ResetAfterMGUCell):
        return first + second, None
    H = second.shape[0] // len(cell_class.gates)
    b_hn = second[-H:]
    return first + np.concatenate([second[:-H], np.zeros_like(b_hn)]), b_hn


def first_bias(cell: Cell) -> np.ndarray:
    """Return a copy of ``b``, or zeros if the cell has none.

    Args:
        cell: with one bias for each column of ``W``.
    """
    W = array(cell.W)
    return np.zeros(W.shape[1], W.dtype) if cell.b is None else array(cell.b).copy()


def second_bias(cell: Cell) -> np.ndarray:
    """Return the bias of the product with h: ``b_hn`` of the candidate, else zeros.

    Args:
        cell: as for `first_bias`.
    """
    bias = np.zeros_like(first_bias(cell))
    b_hn = getattr(cell, "b_hn", None)
    if b_hn is not None:
        bias[-cell.hidden_size :] = array(b_hn)
    return bias


def samples(*shape: int) -> np.ndarray:
    """Return numbers on which functions are compared.

    They have both signs and magnitudes from 1e-4 to 1e6: a clipped function differs at
    large numbers only, and one with a threshold may differ at small ones only.

    Args:
        *shape: of the array.
    """
    rng = np.random.default_rng(0)
    magnitudes = rng.permutation(np.geomspace(1e-4, 1e6, math.prod(shape)))
    signs = rng.choice([-1.0, 1.0], magnitudes.size)
    return (signs * magnitudes).astype(np.float32).reshape(shape)


def matching(
    function: Callable[..., Any],
    candidates: Mapping[str, Callable[..., np.ndarray]],
    *inputs: np.ndarray,
) -> str | None:
    """Return the name of the candidate that computes the same as a function.

    The names of functions are no evidence: anyone may write another ``tanh``.

    Args:
        function: of any library, elementwise or of two arrays.
        candidates: functions of numpy arrays by name.
        *inputs: what the functions are compared on.
    """
    value = array(function(*inputs))
    for name, candidate in candidates.items():
        expected = candidate(*inputs)
        if value.shape == expected.shape and np.allclose(value, expected, atol=1e-5):
            return name
    return None


def activation(
    name: str, function: Callable[..., Any], allowed: tuple[str, ...]
) -> str:
    """Return which activation a function computes.

    Args:
        name: of the option, for the message.
        function: of any library.
        allowed: some of ``"tanh"``, ``"relu"`` and ``"sigmoid"``.

    Raises:
        ValueError: if it computes none of those allowed.
    """
    inputs = samples(2, 64)
    inputs = np.concatenate([inputs, -inputs])
    detected = matching(function, {n: _ACTIVATIONS[n] for n in allowed}, inputs)
    if detected is None:
        raise ValueError(
            f"{name} must be {' or '.join(allowed)}, got {function}, which computes "
            "something else"
        )
    return detected
