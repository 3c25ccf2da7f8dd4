"""Newton's method against the loop: ``docs/generated/deer.md``.

``python benchmarks/deer.py`` measures the rows that the table lacks; ``--page`` only
writes the page.
"""

import csv
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

sys.path.insert(0, str(Path(__file__).parent.parent))

import zoo  # noqa: E402

DOCS = Path(__file__).parent.parent / "docs"
TABLE = DOCS.parent / "benchmarks" / "results" / "deer.csv"
PAGE = DOCS / "generated" / "deer.md"
CELLS, SIZES, LENGTHS, ROWS = ("rnn", "gru", "lstm"), (4, 16, 64), (64, 256, 1024), 4
MAX_ENTRIES = 5e7  # of the Jacobians of all steps: a gigabyte with copies
ROUNDS = 7
COLUMNS = [
    *("cell", "H", "T", "jacobian", "iterations", "forward_ms", "loop_forward_ms"),
    *("step_ms", "loop_step_ms", "backend", "cores", "machine", "versions"),
]
HEAD = """\
# Newton's method against the loop

`zoo.deer` computes all steps of a non-linear cell in parallel; the loop
(`backend="scan"`) computes them one by one. Written by `benchmarks/deer.py` from
`benchmarks/results/deer.csv`: medians of 7 alternated rounds in one process, 4 rows,
D = H, freshly initialised cells, inputs from N(0, 1), tolerance 1e-6. A ratio is the
time of the loop divided by that of the solver: **above 1 the solver is faster**. More
than 50 iterations mean that the solver did not converge and fell back to the loop. Full
Jacobians with more than 50 million entries are omitted. These CPUs have few cores, and
compute the linear recurrence of each iteration step by step; a GPU is not in the table
yet.
""".splitlines()


def read() -> list[dict[str, str]]:
    """Return the table, empty where there is none."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="") as file:
        return list(csv.DictReader(file))


def measure(rows: list[dict[str, str]]) -> None:
    """Measure the rows that the table lacks, and append them.

    Args:
        rows: of the table.
    """
    done = {(row["cell"], row["H"], row["T"]) for row in rows}
    for cell, size, length in (
        (cell, size, length) for size in SIZES for length in LENGTHS for cell in CELLS
    ):
        if (cell, str(size), str(length)) in done:
            continue
        made = zoo.cells()[cell](size, size, rngs=nnx.Rngs(0))
        layer = zoo.Recurrent(made, backend="scan")
        params, apply = zoo.functional(layer)
        x = np.random.default_rng(0).normal(size=(ROWS, length, size))
        x = jnp.asarray(x, jnp.float32)
        numbers = sum(part.size for part in jax.tree.leaves(layer.init_state(1)))
        runs = {"loop": programs(apply, lambda layer, x: (*layer(x), 0))}
        for jacobian in ("full", "diagonal"):
            if jacobian == "diagonal" or ROWS * length * numbers**2 <= MAX_ENTRIES:
                runs[jacobian] = programs(
                    apply,
                    lambda layer, x, j=jacobian: zoo.deer(layer, x, jacobian=j),
                )
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for forward, step in runs.values():  # compile, untimed
            jax.block_until_ready((forward(params, x), step(params, x)))
        for _ in range(ROUNDS):
            for name, run in runs.items():
                seconds[name].append(tuple(timed(one, params, x) for one in run))  # pyright: ignore[reportArgumentType]
        medians = {
            name: [
                f"{1e3 * statistics.median(t):.3f}" for t in zip(*times, strict=True)
            ]
            for name, times in seconds.items()
        }
        for jacobian in list(runs)[1:]:
            row = {
                "cell": cell,
                "H": size,
                "T": length,
                "jacobian": jacobian,
                "iterations": int(runs[jacobian][0](params, x)[2]),
                "forward_ms": medians[jacobian][0],
                "loop_forward_ms": medians["loop"][0],
                "step_ms": medians[jacobian][1],
                "loop_step_ms": medians["loop"][1],
                "backend": jax.default_backend(),
                "cores": len(os.sched_getaffinity(0)),
                "machine": platform.machine(),
                "versions": f"jax {version('jax')}, flax {version('flax')}",
            }
            fresh = not TABLE.exists()
            with TABLE.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(row)
            print(", ".join(map(str, row.values())), flush=True)
        jax.clear_caches()


def programs(apply, method):
    """Return the compiled forward pass and training step.

    Args:
        apply: of `zoo.functional`.
        method: ``(layer, x) -> (state, y, iterations)``.
    """

    def forward(params, x):
        return apply(params, x, method=method)

    def loss(params, x):
        return (forward(params, x)[1] ** 2).mean()

    return jax.jit(forward), jax.jit(jax.grad(loss, argnums=(0, 1)))


def timed(run, params, x) -> float:
    """Return the time of one call in seconds.

    Args:
        run: a program.
        params: its parameters.
        x: its inputs.
    """
    began = time.perf_counter()
    jax.block_until_ready(run(params, x))
    return time.perf_counter() - began


def page(rows: list[dict[str, str]]) -> str:
    """Return the page.

    Args:
        rows: of the table.
    """
    lines = [
        *HEAD,
        "",
        "| cell | H | T | Jacobian | iterations | forward ms | ratio | step ms "
        "| ratio |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        facts = [row[name] for name in ("cell", "H", "T", "jacobian", "iterations")]
        for kind in ("forward", "step"):
            ours, loop = float(row[f"{kind}_ms"]), float(row[f"loop_{kind}_ms"])
            facts += [f"{ours:.2f}", f"{loop / ours:.2g}"]
        lines.append(f"| {' | '.join(facts)} |")
    machines = {
        f"{row['backend']}, {row['machine']}, {row['cores']} core(s); {row['versions']}"
        for row in rows
    }
    return "\n".join(
        [*lines, "", *(f"Machine: {one}." for one in sorted(machines)), ""]
    )


def main() -> None:
    """Measure unless ``--page`` is set, and write the page."""
    if "--page" not in sys.argv[1:]:
        measure(read())
    PAGE.write_text(page(read()))


if __name__ == "__main__":
    main()
