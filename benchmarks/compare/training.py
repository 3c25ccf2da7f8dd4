"""Train one cell on one problem: choose the learning rate, then train all seeds.

Several trainings run in parallel in one program, by ``jax.vmap``.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import zoo
from benchmarks.compare.problems import Examples, Problem
from zoo.modules.dense import Linear
from zoo.types import ArrayLike

SEEDS = (0, 1, 2)
EMBEDDING_SIZE = 64
LEARNING_RATES = (2e-3, 6e-3, 2e-2, 6e-2)
CLIP_NORM = 1.0


class Model(nnx.Module):
    """Input embedding, one layer of a cell, and the scores of the classes.

    The scores are those of each step, or of the last output. The embedding is the sum
    of tables, or a linear map if the inputs are numbers.
    """

    def __init__(
        self, cell: str, hidden_size: int, problem: Problem, rngs: nnx.Rngs
    ) -> None:
        """Build the parts.

        Args:
            cell: one of ``zoo.cells()``.
            hidden_size: H.
            problem: its sizes.
            rngs: random keys for the initialisation.
        """
        self.tables = nnx.List(
            [
                zoo.Embedding(size, EMBEDDING_SIZE, rngs=rngs)
                for size in problem.vocabulary_sizes
            ]
        )
        # Without it a cell without recurrent matrices would have a thousand units.
        self.linear_input = (
            None if problem.vocabulary_sizes else Linear(1, EMBEDDING_SIZE, rngs=rngs)
        )
        self.layers = zoo.make(
            cell,
            EMBEDDING_SIZE,
            hidden_size,
            bidirectional=problem.bidirectional,
            rngs=rngs,
        )
        self.output = Linear(self.layers.output_size, problem.classes, rngs=rngs)
        self.every_step = problem.train.targets.ndim == 2

    def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
        """Return the logits ``[B, T, K]``, or ``[B, K]`` of the last step.

        Args:
            inputs: as in `Examples`.
            mask: bool ``[B, T]``.
        """
        if self.linear_input is None:
            vectors = [table(inputs[..., k]) for k, table in enumerate(self.tables)]
            x = sum(vectors[1:], start=vectors[0])
        else:
            x = self.linear_input(inputs)
        _, y = self.layers(x, mask)
        return self.output(y if self.every_step else y[:, -1])


class Training(NamedTuple):
    """What differs between the trainings of a cell.

    Attributes:
        rate: learning rate of the first step.
        seed: of the weights and of the order of the data.
    """

    rate: float
    seed: int


class Scores(NamedTuple):
    """Scores of a training.

    Attributes:
        dev: on the dev examples.
        test: on the test examples.
    """

    dev: float
    test: float


class Result(NamedTuple):
    """Scores of a cell.

    Attributes:
        hidden_size: H.
        parameters: of the layer and the output.
        dev_scores: of each of `LEARNING_RATES`, with the first seed.
        rate: the learning rate with the best of them.
        scores: of each seed, on the test examples.
    """

    hidden_size: int
    parameters: int
    dev_scores: list[float]
    rate: float
    scores: list[float]


def count_parameters(cell: str, hidden_size: int, problem: Problem) -> int:
    """Return the number of parameters and constants of the layer and the output.

    Args:
        cell: one of ``zoo.cells()``.
        hidden_size: H.
        problem: its sizes.
    """
    model = nnx.eval_shape(lambda: Model(cell, hidden_size, problem, nnx.Rngs(0)))
    parts = nnx.state((model.layers, model.output))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(parts))


def largest_hidden_size(cell: str, problem: Problem) -> int:
    """Return the largest multiple of 4, up to 512, within the number of parameters.

    Args:
        cell: one of ``zoo.cells()``.
        problem: its sizes.
    """
    low, high = 1, 128
    while low < high:
        middle = (low + high + 1) // 2
        if count_parameters(cell, 4 * middle, problem) <= problem.max_parameters:
            low = middle
        else:
            high = middle - 1
    return 4 * low


def cross_entropy(logits: jax.Array, targets: ArrayLike) -> jax.Array:
    """Return the cross-entropy of each prediction; a target of -1 counts as 0.

    Args:
        logits: ``[..., K]``.
        targets: ``[...]``.
    """
    return optax.softmax_cross_entropy_with_integer_labels(
        logits, jnp.maximum(targets, 0)
    )


def compare(cell: str, problem: Problem) -> Result:
    """Choose the learning rate of a cell by the dev score, then train all seeds.

    Args:
        cell: one of ``zoo.cells()``.
        problem: data and sizes.
    """
    hidden_size = largest_hidden_size(cell, problem)
    tried = [Training(rate, SEEDS[0]) for rate in LEARNING_RATES]
    first = train(cell, hidden_size, problem, tried)
    best = max(range(len(tried)), key=lambda i: _quality(first[i].dev, problem))
    rate = tried[best].rate
    others = [Training(rate, seed) for seed in SEEDS[1:]]
    results = [first[best], *train(cell, hidden_size, problem, others)]
    return Result(
        hidden_size=hidden_size,
        parameters=count_parameters(cell, hidden_size, problem),
        dev_scores=[scores.dev for scores in first],
        rate=rate,
        scores=[scores.test for scores in results],
    )


def _quality(score: float, problem: Problem) -> float:
    """Return a score of which more is better; a diverged training is the worst."""
    if not math.isfinite(score):
        return -math.inf
    return -score if problem.score == "nats" else score


def train(
    cell: str, hidden_size: int, problem: Problem, trainings: Sequence[Training]
) -> list[Scores]:
    """Train and score a cell several times, in parallel.

    Args:
        cell: one of ``zoo.cells()``.
        hidden_size: H.
        problem: data and sizes.
        trainings: their learning rates and seeds.
    """
    models = [
        zoo.functional(Model(cell, hidden_size, problem, nnx.Rngs(training.seed)))
        for training in trainings
    ]
    # All trainings share the constants of the first, such as a reservoir.
    apply = models[0][1]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(p for p, _ in models))
    optimizer = optax.chain(
        optax.clip_by_global_norm(CLIP_NORM),
        optax.scale_by_adam(),
        optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, problem.steps)),
    )
    rates = jnp.array([training.rate for training in trainings])

    def loss(params: Any, batch: Examples) -> jax.Array:
        logits = apply(params, batch.inputs, batch.mask)
        weight = batch.mask if batch.targets.ndim == 2 else jnp.ones(logits.shape[0])
        return (cross_entropy(logits, batch.targets) * weight).sum() / weight.sum()

    def step(
        rate: jax.Array, params: Any, state: Any, batch: Examples
    ) -> tuple[Any, Any]:
        grads = jax.grad(loss)(params, batch)
        updates, state = optimizer.update(grads, state, params)
        updates = jax.tree.map(lambda update: -rate * update, updates)
        return optax.apply_updates(params, updates), state

    state = jax.vmap(optimizer.init)(params)
    batches = _batches(problem, [training.seed for training in trainings])
    steps = jax.jit(jax.vmap(step), donate_argnums=(1, 2))
    for _ in range(problem.steps):
        params, state = steps(rates, params, state, next(batches))
    dev, test = (
        _scores(apply, params, problem, part) for part in (problem.dev, problem.test)
    )
    return [Scores(*pair) for pair in zip(dev, test, strict=True)]


def _batches(problem: Problem, seeds: Sequence[int]) -> Iterator[Examples]:
    """Yield batches ``[S, B, ...]`` without end; each seed has its own order."""
    generators = [np.random.default_rng(seed) for seed in seeds]
    count, size = len(problem.train.mask), problem.batch_size
    while True:
        orders = np.stack([generator.permutation(count) for generator in generators])
        for start in range(0, count - size + 1, size):
            rows = orders[:, start : start + size]
            yield Examples(*(part[rows] for part in problem.train))


def _scores(
    apply: Callable[..., jax.Array], params: Any, problem: Problem, examples: Examples
) -> list[float]:
    """Return the accuracy, or the nats per prediction, of each training."""

    def score(params: Any, batch: Examples) -> jax.Array:
        logits = apply(params, batch.inputs, batch.mask)
        if problem.score == "nats":
            values = cross_entropy(logits, batch.targets)
        else:
            values = (logits.argmax(axis=-1) == batch.targets).astype(jnp.float32)
        return (values * batch.mask if batch.targets.ndim == 2 else values).sum()

    score_all = jax.jit(jax.vmap(score, in_axes=(0, None)))
    total, count = np.zeros(()), 0
    size = 8 * problem.batch_size
    for start in range(0, len(examples.mask), size):
        batch = Examples(*(part[start : start + size] for part in examples))
        per_token = batch.targets.ndim == 2
        count += int(batch.mask.sum()) if per_token else len(batch.mask)
        missing = size - len(batch.mask)
        if missing and per_token:  # pad: only one shape is compiled
            batch = Examples(
                *(np.pad(p, [(0, missing)] + [(0, 0)] * (p.ndim - 1)) for p in batch)
            )
        total = total + np.asarray(score_all(params, batch), np.float64)
    return [float(value) for value in total / count]
