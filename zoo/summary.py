"""A table of a model's modules and parameters."""

import math
from typing import Any

from flax import nnx

# The attributes with the sizes of a step's input and output, in zoo and in flax.nnx.
_INPUT_SIZES = ("input_size", "in_features")
_OUTPUT_SIZES = ("output_shape", "output_size", "out_features", "features")


def summary(model: nnx.Module) -> str:
    """Return a table of a model's modules, with their sizes and parameters.

    ::

        print(zoo.summary(zoo.LSTM(50, 100, rngs=nnx.Rngs(0))))

    Args:
        model: a layer, a model, or any module of ``flax.nnx``, with layers of zoo or
            without.

    Returns:
        A table to print. A row has the path and the class of a module, the sizes of one
        step's input and output, the module's own arrays with their shapes (those that
        are not trained in parentheses), and its number of parameters. The last row has
        the total, and its size in memory.
    """
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"model must be a module of flax.nnx, got {type(model).__name__}; of a "
            "trained pipeline, pass pipeline.model"
        )
    tree = dict(nnx.iter_modules(model))
    modules = {
        path: tree[path]
        for path in sorted(tree, key=lambda path: _position(tree, path))
        if not isinstance(tree[path], nnx.List | nnx.Dict)
    }
    arrays: dict[Any, list[str]] = {path: [] for path in modules}
    counts = dict.fromkeys(modules, 0)
    size = 0
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        if isinstance(variable, nnx.RngState):
            continue
        owner = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in modules)
        shape = "x".join(map(str, variable.shape)) or "scalar"
        label = f"{_join(path[len(owner) :])} {shape}"
        if isinstance(variable, nnx.Param):
            arrays[owner].append(label)
            counts[owner] += math.prod(variable.shape)
            size += math.prod(variable.shape) * variable.dtype.itemsize
        else:
            arrays[owner].append(f"({label})")
    rows = [("module", "class", "in", "out", "arrays", "parameters")]
    for path, module in modules.items():
        rows.append(
            (
                _join(path) or "(model)",
                type(module).__name__,
                _size(module, _INPUT_SIZES),
                _size(module, _OUTPUT_SIZES),
                ", ".join(arrays[path]),
                f"{counts[path]:,}" if counts[path] else "",
            )
        )
    rows.append(("total", "", "", "", _bytes(size), f"{sum(counts.values()):,}"))
    return _table(rows)


def _position(tree: dict[Any, nnx.Module], path: tuple[Any, ...]) -> list[int]:
    """Return the place of a module: a module comes before its parts, in their order."""
    place = []
    for n, name in enumerate(path):
        names = list(vars(tree[path[:n]])) if path[:n] in tree else []
        place.append(names.index(str(name)) if str(name) in names else 0)
    return place


def _size(module: nnx.Module, names: tuple[str, ...]) -> str:
    """Return the first attribute that a module has of these, as text."""
    size = next((getattr(module, name) for name in names if hasattr(module, name)), "")
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


def _join(path: tuple[Any, ...]) -> str:
    """Return a path with dots between its entries."""
    return ".".join(map(str, path))


def _bytes(size: int) -> str:
    """Return a number of bytes with a suitable unit."""
    amount, unit = float(size), "bytes"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"


def _table(rows: list[tuple[str, ...]]) -> str:
    """Align rows in columns, the last one to the right, with rules around the body."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for *cells, last in rows:
        left = "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=False))
        lines.append(f"{left}  {last.rjust(widths[-1])}")
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
