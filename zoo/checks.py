"""Checks of arguments, whose messages name the argument, its value and the rule."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

FLOATS = ("bfloat16", "float16", "float32", "float64")
LONGEST_MESSAGE = 500


def one_line(message: str) -> str:
    """Return a message as one line of at most `LONGEST_MESSAGE` characters.

    Args:
        message: of an error; what it quotes from a file may hold anything.
    """
    text = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in message
    )
    is_long = len(text) > LONGEST_MESSAGE
    return text[: LONGEST_MESSAGE - 3] + "..." if is_long else text


def positive(name: str, value: Any) -> int:
    """Return `value` if it is an int of 1 or more.

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
    return value


def sizes(name: str, value: Any, count_name: str, count: int) -> list[int]:
    """Return the size of each layer.

    Args:
        name: of the argument, for the message.
        value: one size for all layers, or a list of sizes.
        count_name: of the number of layers, for the message.
        count: how many layers.

    Raises:
        ValueError: if `count` or a size is not a positive integer, or there is not one
            size per layer.
    """
    positive(count_name, count)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [positive(name, value)] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must be one size or {count} sizes, as {count_name}, got {value!r}"
        )
    return [positive(f"{name}[{k}]", size) for k, size in enumerate(value)]


def seed(name: str, value: Any) -> int:
    """Return `value` if it is an int from 0 to 2**32 - 1, a seed of ``jax.random``.

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ValueError(f"{name} must be an int from 0 to 2**32 - 1, got {value!r}")
    return value


def divisor(name: str, value: Any, dividend_name: str, dividend: int) -> int:
    """Return `value` if it is an int of 1 or more that divides another argument.

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.
        dividend_name: the name of the other argument, for the message.
        dividend: the value of the other argument.

    Raises:
        ValueError: if it is not such an int.
    """
    positive(name, value)
    if dividend % value:
        raise ValueError(
            f"{name} must divide {dividend_name} = {dividend}, got {value!r}"
        )
    return value


def rate(name: str, value: Any) -> float:
    """Return `value` as a float if it is a probability in [0, 1).

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number in [0, 1), got {value!r}")
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must lie in [0, 1), got {value!r}")
    return float(value)


def one_of(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is one of `options`.

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.
        options: the allowed values.

    Raises:
        ValueError: if it is not one of them. The message suggests the most similar one.
    """
    options = list(options)
    if value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, options))
    raise ValueError(f"{name} must be one of {listed}, got {value!r}{hint}")


def fields(
    name: str,
    value: Any,
    required: Mapping[str, type | tuple[type, ...]],
    optional: Mapping[str, type | tuple[type, ...]] | None = None,
) -> dict[str, Any]:
    """Return `value` if it is a JSON object with given keys and types of values.

    Args:
        name: the name of the object, for the message.
        value: as `json.loads` returns it.
        required: the type of the value of each key, or several types. The type must
            be the same: a bool is no int here.
        optional: the same for keys that may be missing.

    Raises:
        TypeError: if it is not an object, or a value has another type.
        ValueError: if a key is missing or unknown.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a JSON object, got {type(value).__name__}")
    types = {**required, **(optional or {})}
    for key in value:
        one_of(f"a key of {name}", key, types)
    for key, kinds in types.items():
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        if key in value and type(value[key]) not in kinds:
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{name}.{key} must be {expected}, got {value[key]!r}")
        if key in required and key not in value:
            raise ValueError(f"{name} has no {key}")
    return value


def items(name: str, value: Iterable[Any], kind: type) -> None:
    """Check that all items of a JSON array have one type.

    Args:
        name: the name of the array, for the message.
        value: the array.
        kind: the type.

    Raises:
        TypeError: if an item has another type.
    """
    for item in value:
        if type(item) is not kind:
            raise TypeError(
                f"{name} must have items of type {kind.__name__}, got {item!r}"
            )


def float_dtype(name: str, value: Any) -> np.dtype:
    """Return a dtype if it is one that cells compute in.

    Args:
        name: the name of the argument, for the message.
        value: a dtype, or its name.

    Raises:
        TypeError: if it is not bfloat16, float16, float32 or float64.
    """
    try:
        dtype = None if value is None else jnp.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or dtype.name not in FLOATS:
        raise TypeError(f"{name} must be one of {', '.join(FLOATS)}, got {value!r}")
    return dtype


def key(name: str, value: Any) -> Any:
    """Return `value` if it is one random key of JAX, of the new or the legacy form.

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.

    Raises:
        TypeError: if it is not.
    """
    got = repr(value) if isinstance(value, int | str) else type(value).__name__
    if isinstance(value, jax.Array | np.ndarray):
        is_new = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        is_legacy = value.dtype == np.uint32
        if (is_new and value.ndim == 0) or (is_legacy and value.ndim == 1):
            return value
        got = f"{value.dtype}{list(value.shape)}"
    raise TypeError(
        f"{name} must be a key of JAX, such as jax.random.key(0), got {got}"
    )


def function(name: str, value: Any, example: str) -> Any:
    """Return `value` if it can be called.

    Args:
        name: the name of the argument, for the message.
        value: the value of the argument.
        example: a function to write instead, for the message.

    Raises:
        TypeError: if it cannot.
    """
    if not callable(value):
        raise TypeError(f"{name} must be a function, such as {example}, got {value!r}")
    return value


def shape(name: str, value: Any, expected: tuple[int, ...], axes: str) -> None:
    """Check the shape of an array.

    Args:
        name: the name of the argument, for the message.
        value: the array.
        expected: the expected shape.
        axes: the names of the axes, such as ``"[B, T]"``.

    Raises:
        ValueError: if the array has another shape.
    """
    if jnp.shape(value) != expected:
        raise ValueError(
            f"{name} must have shape {axes} = {expected}, got {jnp.shape(value)}"
        )


def floating(name: str, value: Any, *, for_ints: str = "") -> None:
    """Check that an array has a real floating-point dtype.

    Args:
        name: the name of the argument, for the message.
        value: the array.
        for_ints: what to write if the array has ints, for the message.

    Raises:
        TypeError: if it has another dtype.
    """
    dtype = jnp.result_type(value)
    if not jnp.issubdtype(dtype, jnp.floating):
        are_ints = jnp.issubdtype(dtype, jnp.integer)
        hint = f"; {for_ints}" if for_ints and are_ints else ""
        raise TypeError(f"{name} must be floating point, got {dtype}{hint}")


def auto_mesh(name: str, value: Any) -> None:
    """Check that an array is not divided over explicit axes of a mesh.

    Args:
        name: the name of the argument, for the message.
        value: the array.

    Raises:
        ValueError: if it is; the message says how to make the mesh.
    """
    sharding = getattr(jax.typeof(value), "sharding", None)
    spec = () if sharding is None else sharding.spec
    if any(axis is not None for axis in spec):
        raise ValueError(
            f"{name} is divided over explicit axes of a mesh, {spec}, whose types a "
            "time loop cannot keep: make the mesh with axis_types="
            "(jax.sharding.AxisType.Auto,) for each axis"
        )


def mask(name: str, value: Any, expected: tuple[int, ...], axes: str) -> None:
    """Check that an array is a mask.

    Args:
        name: the name of the argument, for the message.
        value: the array.
        expected: the expected shape.
        axes: the names of the axes, such as ``"[B, T]"``.

    Raises:
        ValueError: if the array has another shape.
        TypeError: if it is not bool. Numbers are refused because they could be lengths,
            or an additive mask of -inf.
    """
    if isinstance(value, list):
        value = np.asarray(value)
    if not hasattr(value, "dtype"):
        raise TypeError(
            f"{name} must be bool {axes}, got {type(value).__name__}; write state= "
            "before a state"
        )
    dtype = jnp.result_type(value)
    is_row = len(expected) == 2 and jnp.shape(value) == expected[:1]
    if is_row and jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(
            f"{name} must be bool {axes}, got {dtype} {list(jnp.shape(value))}; if "
            f"these are lengths, write {name}=zoo.mask_from_lengths(lengths, "
            f"{expected[1]})"
        )
    shape(name, value, expected, axes)
    if dtype != jnp.bool_:
        raise TypeError(
            f"{name} must be bool (True = a real token), got {dtype}; if 1 is a real "
            f"token and 0 is padding, write {name}.astype(bool)"
        )
