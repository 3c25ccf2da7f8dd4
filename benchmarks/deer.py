"""Time Newton's method against the loop: ``docs/generated/deer.md``.

``python benchmarks/deer.py`` measures the rows that the table lacks; ``--page`` only
writes the page.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

sys.path.insert(0, str(Path(__file__).parents[1]))

import zoo  # noqa: E402
from benchmarks.csv_table import Row, Table  # noqa: E402
from benchmarks.environment import describe_machines, machine_columns  # noqa: E402
from benchmarks.pages import markdown_table, read_template  # noqa: E402
from benchmarks.paths import PAGES, RESULTS  # noqa: E402

TABLE = RESULTS / "deer.csv"
PAGE = PAGES / "deer.md"
CELLS, SIZES, LENGTHS, BATCH = ("rnn", "gru", "lstm"), (4, 16, 64), (64, 256, 1024), 4
MAX_ENTRIES = 5e7  # of the Jacobians of all steps: a gigabyte with copies
ROUNDS = 7
Jacobian = Literal["full", "diagonal"]
JACOBIANS: tuple[Jacobian, ...] = ("full", "diagonal")
KEY = ("cell", "H", "T", "jacobian")
COLUMNS = [
    *(*KEY, "iterations", "forward_ms", "loop_forward_ms", "step_ms", "loop_step_ms"),
    *("backend", "cores", "machine", "versions"),
]


class Programs(NamedTuple):
    """The compiled programs of one method.

    Attributes:
        forward: ``(params, x) -> (state, y, iterations)``.
        step: ``(params, x) -> gradients`` with respect to both.
    """

    forward: Callable[[Any, jax.Array], Any]
    step: Callable[[Any, jax.Array], Any]


def compile_programs(
    apply: Callable[..., Any], method: Callable[[Any, jax.Array], Any]
) -> Programs:
    """Return the forward pass and the training step of a method, to be compiled.

    Args:
        apply: from `zoo.functional`.
        method: ``(layer, x) -> (state, y, iterations)``.
    """

    def forward(params: Any, x: jax.Array) -> Any:
        return apply(params, x, method=method)

    def loss(params: Any, x: jax.Array) -> jax.Array:
        return (forward(params, x)[1] ** 2).mean()

    return Programs(jax.jit(forward), jax.jit(jax.grad(loss, argnums=(0, 1))))


def run_loop(layer: zoo.Recurrent, x: jax.Array) -> tuple[Any, jax.Array, int]:
    """Return the state and the outputs of the loop, and zero iterations.

    Args:
        layer: with ``backend="scan"``.
        x: inputs ``[B, T, D]``.
    """
    state, y = layer(x)
    return state, y, 0


def solver(jacobian: Jacobian) -> Callable[[zoo.Recurrent, jax.Array], Any]:
    """Return `zoo.deer` with one kind of Jacobian.

    Args:
        jacobian: full or diagonal.
    """
    return lambda layer, x: zoo.deer(layer, x, jacobian=jacobian)


def time_call(program: Callable[..., Any], params: Any, x: jax.Array) -> float:
    """Return the seconds of one call.

    Args:
        program: what to call.
        params: parameters.
        x: inputs.
    """
    start = time.perf_counter()
    jax.block_until_ready(program(params, x))
    return time.perf_counter() - start


def measure(name: str, size: int, length: int) -> list[Row]:
    """Return a row for each kind of Jacobian that fits into memory.

    Args:
        name: of the cell.
        size: D and H.
        length: T.
    """
    cell = zoo.cells()[name](size, size, rngs=nnx.Rngs(0))
    layer = zoo.Recurrent(cell, backend="scan")
    params, apply = zoo.functional(layer)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(BATCH, length, size)), jnp.float32)
    state_size = sum(part.size for part in jax.tree.leaves(layer.init_state(1)))
    jacobians: list[Jacobian] = [
        jacobian
        for jacobian in JACOBIANS
        if jacobian == "diagonal" or BATCH * length * state_size**2 <= MAX_ENTRIES
    ]
    programs = {"loop": compile_programs(apply, run_loop)}
    programs |= {j: compile_programs(apply, solver(j)) for j in jacobians}
    for program in programs.values():  # compile, untimed
        jax.block_until_ready((program.forward(params, x), program.step(params, x)))
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for method, program in programs.items():
            for kind, call in program._asdict().items():
                times = seconds.setdefault((method, kind), [])
                times.append(time_call(call, params, x))
    median_ms = {
        key: f"{1e3 * statistics.median(times):.3f}" for key, times in seconds.items()
    }
    return [
        {
            "cell": name,
            "H": str(size),
            "T": str(length),
            "jacobian": jacobian,
            "iterations": str(int(programs[jacobian].forward(params, x)[2])),
            "forward_ms": median_ms[jacobian, "forward"],
            "loop_forward_ms": median_ms["loop", "forward"],
            "step_ms": median_ms[jacobian, "step"],
            "loop_step_ms": median_ms["loop", "step"],
            "backend": jax.default_backend(),
            **machine_columns(["jax", "flax"]),
        }
        for jacobian in jacobians
    ]


def page(rows: list[Row]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    header = ["cell", "H", "T", "Jacobian", "iterations"]
    header += ["forward ms", "ratio", "step ms", "ratio"]
    lines = []
    for row in rows:
        line = [row[name] for name in (*KEY, "iterations")]
        for kind in ("forward", "step"):
            solver_ms, loop_ms = float(row[f"{kind}_ms"]), float(row[f"loop_{kind}_ms"])
            line += [f"{solver_ms:.2f}", f"{loop_ms / solver_ms:.2g}"]
        lines.append(line)
    text = read_template("deer.md").format(
        table=markdown_table(header, lines), machines=describe_machines(rows)
    )
    return text + "\n"


def main() -> None:
    """Measure unless ``--page`` is set, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    table = Table(TABLE, KEY, COLUMNS)
    if not arguments.page:
        for size, length, cell in itertools.product(SIZES, LENGTHS, CELLS):
            if table.contains({"cell": cell, "H": str(size), "T": str(length)}):
                continue
            rows = measure(cell, size, length)
            table.merge(rows)
            for row in rows:
                print(", ".join(row.values()), flush=True)
            jax.clear_caches()
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
