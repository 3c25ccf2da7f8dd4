"""``weights.safetensors``: arrays by path, such as ``params/layers/0/cell/W``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from zoo.artifact.error import ArtifactError

WEIGHTS = "weights.safetensors"
# Random state, such as the stream of dropout, does not belong to the trained model.
CONSTANTS = nnx.Not(nnx.Any(nnx.Param, nnx.RngState))
# The names of safetensors, whose `numpy.load` has no bfloat16.
DTYPES = {
    **{"BOOL": "bool", "BF16": "bfloat16", "C64": "complex64"},
    **{"F16": "float16", "F32": "float32", "F64": "float64"},
    **{"I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64"},
    **{"U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64"},
}
KINDS = (jnp.bool_, jnp.integer, jnp.floating, jnp.complexfloating)


def arrays_of(params: Any, model: nnx.Module) -> dict[str, np.ndarray]:
    """Return the arrays of a model by path, such as ``params/layers/0/cell/W``.

    Args:
        params: the parameters.
        model: the model, for its constants.
    """
    constants = nnx.to_pure_dict(nnx.state(model, CONSTANTS))
    return {
        # safetensors writes the memory of an array, whatever the order of its axes.
        name: np.asarray(leaf, order="C")
        for name, leaf in _flat({"params": params, "constants": constants}).items()
    }


def encode(params: Any, model: nnx.Module, dtypes: Mapping[str, str]) -> bytes:
    """Return the content of the file.

    Args:
        params: the parameters.
        model: the model, for its constants.
        dtypes: to which parameters are cast, by path, such as ``embedding/table``.

    Raises:
        ValueError: if a parameter has NaN or infinite values, after the cast too.
    """
    arrays = arrays_of(params, model)
    for name, dtype in dtypes.items():
        with np.errstate(over="ignore"):
            arrays[f"params/{name}"] = arrays[f"params/{name}"].astype(dtype)
    broken = _not_finite(arrays)
    if broken:
        raise ValueError(
            f"{broken} has NaN or infinite values, so the model is not saved: its "
            "training diverged"
        )
    return safetensors.numpy.save(arrays)


def decode(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Return the arrays from the content of the file.

    Args:
        content: of the file.
        path: of the file, for messages.

    Raises:
        ArtifactError: if it is damaged, or a parameter has NaN or infinite values.
    """
    try:
        arrays = {
            name: np.frombuffer(
                tensor["data"], jnp.dtype(DTYPES[tensor["dtype"]])
            ).reshape(tensor["shape"])
            for name, tensor in safetensors.deserialize(content)
        }
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be read, it may be truncated: {error}"
        ) from error
    broken = _not_finite(arrays)
    if broken:
        raise ArtifactError(f"{path}: {broken} has NaN or infinite values")
    return arrays


def fill(model: nnx.Module, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Set the parameters and constants of a model.

    Args:
        model: the model; its arrays may be shapes only.
        arrays: by path.
        path: of their file, for messages.

    Raises:
        ArtifactError: if the model has other arrays, or other shapes or kinds of
            numbers. The precision of floating-point arrays may differ: a model can be
            saved with its parameters cast.
    """
    params, constants = (nnx.state(model, kind) for kind in (nnx.Param, CONSTANTS))
    initial = {
        "params": nnx.to_pure_dict(params),
        "constants": nnx.to_pure_dict(constants),
    }
    expected = _flat(initial)
    for name in sorted(expected.keys() | arrays.keys()):
        shape = np.shape(expected[name]) if name in expected else "no such array"
        got = arrays[name].shape if name in arrays else "nothing"
        if shape != got:
            raise ArtifactError(f"{path}: {name} should be {shape}, got {got}")
        dtype = expected[name].dtype
        if _kind(dtype) != _kind(arrays[name].dtype):
            raise ArtifactError(
                f"{path}: {name} should be {dtype}, got {arrays[name].dtype}"
            )
    # `jnp.asarray` would compile a program for each shape.
    restored = jax.tree.unflatten(
        jax.tree.structure(initial),
        jax.device_put([arrays[name] for name in expected]),
    )
    nnx.replace_by_pure_dict(params, restored["params"])
    nnx.replace_by_pure_dict(constants, restored["constants"])
    nnx.update(model, params, constants)


def _kind(dtype: Any) -> Any:
    """Return the kind of numbers of a dtype."""
    return next(kind for kind in KINDS if jnp.issubdtype(dtype, kind))


def _not_finite(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the name of a parameter with NaN or infinite values; "" if none has."""
    # Constants come from code, and a mask may be infinite.
    for name, array in arrays.items():
        is_param = name.startswith("params/") and jnp.issubdtype(
            array.dtype, jnp.inexact
        )
        if is_param and not np.isfinite(array).all():
            return name
    return ""


def _flat(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by path, such as ``params/layers/0/cell/W``."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }
