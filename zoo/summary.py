"""A table of a model's modules and parameters."""

import math
from typing import Any

from flax import nnx

from zoo.types import Constant


def summary(model: nnx.Module) -> str:
    """Return a table of a model's modules, with their sizes and parameters.

    ::

        print(zoo.summary(zoo.LSTM(50, 100, rngs=nnx.Rngs(0))))

    Args:
        model: any module.

    Returns:
        A table to print. A row has the path and the class of a module, the sizes of one
        step's input and output, the module's own arrays with their shapes (constants in
        parentheses), and its number of parameters. The last row has the total, and its
        size in memory.
    """
    modules = {
        path: module
        for path, module in nnx.iter_modules(model)
        if not isinstance(module, nnx.List | nnx.Dict)
    }
    arrays: dict[Any, list[str]] = {path: [] for path in modules}
    counts = dict.fromkeys(modules, 0)
    size = 0
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        owner = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in modules)
        shape = "x".join(map(str, variable.shape)) or "scalar"
        label = f"{_join(path[len(owner) :])} {shape}"
        if isinstance(variable, Constant):
            arrays[owner].append(f"({label})")
        else:
            arrays[owner].append(label)
            counts[owner] += math.prod(variable.shape)
            size += math.prod(variable.shape) * variable.dtype.itemsize
    rows = [("module", "class", "in", "out", "arrays", "parameters")]
    for path in sorted(modules, key=lambda path: tuple(map(str, path))):
        module = modules[path]
        out = getattr(module, "output_shape", None) or getattr(
            module, "output_size", ""
        )
        rows.append(
            (
                _join(path) or "(model)",
                type(module).__name__,
                str(getattr(module, "input_size", "")),
                "x".join(map(str, out)) if isinstance(out, tuple) else str(out),
                ", ".join(arrays[path]),
                f"{counts[path]:,}" if counts[path] else "",
            )
        )
    rows.append(("total", "", "", "", _bytes(size), f"{sum(counts.values()):,}"))
    return _table(rows)


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
