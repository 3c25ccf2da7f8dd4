"""The table of kernels, shared by the C++ code, this package and `zoo`.

``kernels.json`` lists the kernels and the calls by which XLA reaches them. The build
generates a C++ header from it, so the libraries cannot disagree with Python about the
order of arguments or the layout of biases. Increase its ``revision`` if the meaning of
an array changes without a change of names.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple


class Kernel(NamedTuple):
    """What a kernel computes.

    Attributes:
        cell: the C++ class.
        planes: what it computes for each unit of a token, in the order of the blocks
            of the bias. ``hU_n`` is a product that a gate multiplies, ``rh`` and ``fh``
            the state times a gate.
        gates: how many of the planes, the first ones, have a block of W and of U.
        cell_state: whether the state has a part c.
        staged: whether the last gate multiplies the last plane with U, not the state.
    """

    cell: str
    planes: list[str]
    gates: int
    cell_state: bool
    staged: bool


class Call(NamedTuple):
    """The signature of an XLA custom call.

    Attributes:
        attributes: the type of each attribute.
        arguments: the type of each argument, in order.
        results: the results, in order, all of them float32.
        aliases: for an argument the result that reuses its memory.
    """

    attributes: dict[str, str]
    arguments: dict[str, str]
    results: list[str]
    aliases: dict[str, str]


class Table(NamedTuple):
    """The contents of ``kernels.json``."""

    interface: str
    kernels: dict[str, Kernel]
    calls: dict[str, Call]


def read() -> Table:
    """Read the table. Its interface is a hash of its contents."""
    path = Path(__file__).with_name("kernels.json")
    contents: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    canonical = json.dumps(contents, separators=(",", ":")).encode()
    return Table(
        hashlib.sha256(canonical).hexdigest()[:12],
        {name: Kernel(**kernel) for name, kernel in contents["kernels"].items()},
        {name: Call(**call) for name, call in contents["calls"].items()},
    )


# The C++ types of attributes, and of arguments.
CPP_TYPES = {"string": "std::string_view", "bool": "bool"}
CPP_BUFFERS = {"float32": "zoo::FloatBuffer", "bool": "zoo::BoolBuffer"}


def header(table: Table) -> str:
    """Return the C++ header ``kernel_table.h``."""
    lines = [
        "// Generated from zoo_native/kernels.json by zoo_native/table.py.",
        "#pragma once",
        "",
        "namespace zoo {",
        f'constexpr char INTERFACE[] = "{table.interface}";',
        "// What Python and C++ must agree about, besides the order of arguments.",
        "struct KernelShape {",
        "  int planes, gates;",
        "  bool cell_state, staged;",
        "  bool operator==(const KernelShape&) const = default;",
        "};",
        "}  // namespace zoo",
        "",
        "// KERNEL(name, cell, shape) for each kernel.",
        "#define ZOO_KERNELS(KERNEL) \\",
    ]
    for name, kernel in table.kernels.items():
        shape = (
            f".planes = {len(kernel.planes)}, .gates = {kernel.gates}, "
            f".cell_state = {str(kernel.cell_state).lower()}, "
            f".staged = {str(kernel.staged).lower()}"
        )
        lines.append(
            f'  KERNEL("{name}", {kernel.cell}, (zoo::KernelShape{{{shape}}})) \\'
        )
    lines.append("")
    for name, call in table.calls.items():
        lines.append(f"#define {name.upper()}_SIGNATURE \\")
        for attribute, kind in call.attributes.items():
            lines.append(f'  .Attr<{CPP_TYPES[kind]}>("{attribute}") \\')
        for argument, kind in call.arguments.items():
            lines.append(f"  .Arg<{CPP_BUFFERS[kind]}>() /* {argument} */ \\")
        for result in call.results:
            lines.append(f"  .Ret<zoo::FloatBuffer>() /* {result} */ \\")
        lines.append("")
    return "\n".join(lines) + "\n"
