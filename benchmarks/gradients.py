"""Gradients formed after the time loop, against those that JAX forms in it.

``python benchmarks/gradients.py`` prints, for cells and shapes, the median seconds of a
training step (gradients of inputs and weights) of one layer in both ways, measured
alternately, and their ratio.
"""

import time
from statistics import median

import jax
from flax import nnx

import zoo

SHAPES = [  # (B, T, D, H)
    (32, 64, 100, 128),
    (32, 128, 256, 256),
    (64, 128, 128, 512),
    (8, 64, 100, 200),
    (1, 256, 256, 256),
]
CELLS = ("rnn", "lstm", "peephole_lstm", "gru")
ROUNDS = 9


def step(cell, D, H, gradient):
    """Return a compiled training step of one layer, and its parameters."""
    layer = zoo.make(cell, D, H, rngs=nnx.Rngs(0), gradient=gradient)
    params, apply = zoo.functional(layer)

    def loss(params, x):
        return (apply(params, x)[1] ** 2).sum()

    return jax.jit(jax.grad(loss, argnums=(0, 1))), params


def main():
    """Measure and print."""
    print(f"{'shape':>20} {'cell':>14} {'after':>8} {'loop':>8} {'loop/after':>11}")
    for B, T, D, H in SHAPES:
        x = jax.random.normal(jax.random.key(0), (B, T, D))
        for cell in CELLS:
            steps = {way: step(cell, D, H, way) for way in ("after", "loop")}
            seconds = {way: [] for way in steps}
            for _ in range(ROUNDS + 1):  # the first compiles
                for way, (run, params) in steps.items():
                    begun = time.perf_counter()
                    jax.block_until_ready(run(params, x))
                    seconds[way].append(time.perf_counter() - begun)
            after, loop = (median(seconds[way][1:]) for way in ("after", "loop"))
            print(
                f"{(B, T, D, H)!s:>20} {cell:>14} {after:8.4f} {loop:8.4f} "
                f"{loop / after:11.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
