"""Train one cell on one problem, all seeds together in one program."""

import math
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import zoo
from benchmarks.compare.problems import Examples, Problem
from zoo.modules.dense import Linear

SEEDS = (0, 1, 2)
EMBEDDING = 64
LEARNING_RATE = 3e-3
CLIP_NORM = 1.0
LIMIT = 40.0  # seconds of training; a cell that needs more is stopped, and it is said


class Reader(nnx.Module):
    """Vectors of what is read, one layer of a cell, and scores.

    Of each step, or of the last output. The vectors come from tables, or, of numbers,
    from a linear map.
    """

    def __init__(self, cell: str, hidden_size: int, problem: Problem, rngs: nnx.Rngs):
        """Build the parts.

        Args:
            cell: one of ``zoo.cells()``.
            hidden_size: H.
            problem: what is learnt.
            rngs: keys of the initialisation.
        """
        self.tables = nnx.List(
            [zoo.Embedding(size, EMBEDDING, rngs=rngs) for size in problem.tables]
        )
        # Otherwise a cell without recurrent matrices would be a thousand units wide.
        self.lift = None if problem.tables else Linear(1, EMBEDDING, rngs=rngs)
        self.layers = zoo.make(
            cell,
            EMBEDDING,
            hidden_size,
            bidirectional=problem.bidirectional,
            rngs=rngs,
        )
        self.scores = Linear(self.layers.output_size, problem.classes, rngs=rngs)
        self.each = problem.train.targets.ndim == 2

    def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
        """Return ``[B, T, K]``, or ``[B, K]`` of the last step.

        Args:
            inputs: as in `Examples`.
            mask: bool ``[B, T]``.
        """
        if self.lift is None:
            x = sum(table(inputs[..., k]) for k, table in enumerate(self.tables))
        else:
            x = self.lift(inputs)
        _, y = self.layers(x, mask)
        return self.scores(y if self.each else y[:, -1])


class Result(NamedTuple):
    """How it went.

    Attributes:
        hidden_size: H.
        parameters: of the layer and of what reads it.
        scores: of each seed, on the test split.
        steps: batches that were trained on.
        steps_per_second: once compiled; each step trains all seeds.
        compile_seconds: of the training step.
        temporary_mb: memory of the training step beside parameters and data.
    """

    hidden_size: int
    parameters: int
    scores: list[float]
    steps: int
    steps_per_second: float
    compile_seconds: float
    temporary_mb: float


def size(cell: str, hidden_size: int, problem: Problem) -> int:
    """Return how many numbers a layer and what reads it have, constants included.

    Args:
        cell: one of ``zoo.cells()``.
        hidden_size: H.
        problem: what is learnt.
    """
    model = nnx.eval_shape(lambda: Reader(cell, hidden_size, problem, nnx.Rngs(0)))
    parts = nnx.state((model.layers, model.scores))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(parts))


def fitting(cell: str, problem: Problem) -> int:
    """Return the greatest hidden size within the parameters: a multiple of 4, to 512.

    Args:
        cell: one of ``zoo.cells()``.
        problem: what is learnt.
    """
    low, high = 1, 128
    while low < high:
        middle = (low + high + 1) // 2
        if size(cell, 4 * middle, problem) <= problem.parameters:
            low = middle
        else:
            high = middle - 1
    return 4 * low


def losses(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the cross entropy of each answer; a target of -1 is never right.

    Args:
        logits: ``[..., K]``.
        targets: ``[...]``.
    """
    return optax.softmax_cross_entropy_with_integer_labels(
        logits, jnp.maximum(targets, 0)
    )


def run(cell: str, problem: Problem) -> Result:
    """Train and score.

    Args:
        cell: one of ``zoo.cells()``.
        problem: what is learnt.
    """
    hidden_size = fitting(cell, problem)
    made = [
        zoo.functional(Reader(cell, hidden_size, problem, nnx.Rngs(seed)))
        for seed in SEEDS
    ]
    # Constants, such as a reservoir, are those of the first seed for all.
    apply = made[0][1]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(p for p, _ in made))
    optimizer = optax.chain(
        optax.clip_by_global_norm(CLIP_NORM),
        optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, problem.steps)),
    )

    def loss(params: Any, batch: Examples) -> jax.Array:
        logits = apply(params, batch.inputs, batch.mask)
        weight = batch.mask if batch.targets.ndim == 2 else jnp.ones(logits.shape[0])
        return (losses(logits, batch.targets) * weight).sum() / weight.sum()

    def step(params: Any, state: Any, batch: Examples) -> tuple[Any, Any]:
        grads = jax.grad(loss)(params, batch)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    state = jax.vmap(optimizer.init)(params)
    batches = _batches(problem)
    began = time.perf_counter()
    compiled = (
        jax.jit(jax.vmap(step), donate_argnums=(0, 1))
        .lower(params, state, next(batches))
        .compile()
    )
    compile_seconds = time.perf_counter() - began
    began, steps = time.perf_counter(), 0
    while steps < problem.steps and time.perf_counter() - began < LIMIT:
        params, state = compiled(params, state, next(batches))
        jax.block_until_ready(params)
        steps += 1
    seconds = time.perf_counter() - began
    memory = compiled.memory_analysis()
    return Result(
        hidden_size,
        size(cell, hidden_size, problem),
        _scores(apply, params, problem),
        steps,
        steps / seconds,
        compile_seconds,
        memory.temp_size_in_bytes / 1e6 if memory else math.nan,
    )


def _batches(problem: Problem):
    """Yield batches without end, ``[S, B, ...]``: each seed has its own order."""
    generators = [np.random.default_rng(seed) for seed in SEEDS]
    count, size = len(problem.train.mask), problem.batch_size
    while True:
        orders = np.stack([generator.permutation(count) for generator in generators])
        for at in range(0, count - size + 1, size):
            rows = orders[:, at : at + size]
            yield Examples(*(part[rows] for part in problem.train))


def _scores(apply: Any, params: Any, problem: Problem) -> list[float]:
    """Return the accuracy, or the nats an answer, of each seed."""

    def judge(params: Any, batch: Examples) -> jax.Array:
        logits = apply(params, batch.inputs, batch.mask)
        if problem.score == "nats":
            found = losses(logits, batch.targets)
        else:
            found = (logits.argmax(axis=-1) == batch.targets).astype(jnp.float32)
        return (found * batch.mask if batch.targets.ndim == 2 else found).sum()

    judged = jax.jit(jax.vmap(judge, in_axes=(0, None)))
    total, count = np.zeros(len(SEEDS)), 0
    test, size = problem.test, 8 * problem.batch_size
    for at in range(0, len(test.mask), size):
        batch = Examples(*(part[at : at + size] for part in test))
        short = size - len(batch.mask)
        real = batch.mask.sum() if batch.targets.ndim == 2 else len(batch.mask)
        if short and batch.targets.ndim == 2:  # one shape is compiled
            batch = Examples(
                *(np.pad(p, [(0, short)] + [(0, 0)] * (p.ndim - 1)) for p in batch)
            )
        total += np.asarray(judged(params, batch), np.float64)
        count += int(real)
    return [float(score) for score in total / count]
