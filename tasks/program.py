"""The compiled steps of a task: one program for one device or many."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from zoo.engine.platform import platform
from zoo.tasks import accumulate, lazy_embedding
from zoo.tasks.base import Task
from zoo.tasks.compile_ahead import CompileAhead, program_key
from zoo.tasks.freezing import Trainable
from zoo.tasks.layout import Layout
from zoo.tasks.scores import Batch, Evaluation
from zoo.types import Array, Params


class TrainState(NamedTuple):
    """All that a training step changes: the content of a checkpoint.

    Attributes:
        params: the parameters.
        average: their running average; () without ``--ema``.
        opt_state: the optimiser's state.
        carry: the recurrent state of truncated backpropagation; () without one.
        key: data of the random key.
    """

    params: Any
    average: Any
    opt_state: Any
    carry: Any
    key: Any


class StepMetrics(NamedTuple):
    """Scalars of a training step.

    Attributes:
        total: sum of the loss over the batch.
        count: number of terms in that sum.
        tokens: number of tokens of the batch.
        grad_norm: global norm of the gradient before clipping.
    """

    total: jax.Array
    count: jax.Array
    tokens: jax.Array
    grad_norm: jax.Array


class Program:
    """Training and evaluation steps, jit-compiled over all devices.

    Attributes:
        layout: how arrays are divided over the devices.
        trainable: the parameters that are trained.
        train_rows: of each batch of train, those that this process computes.
    """

    def __init__(
        self, task: Task, tx: optax.GradientTransformation, num_steps: int = 1
    ) -> None:
        """Define the steps; each is compiled at its first call.

        Args:
            task: defines the loss, the predictions and the metrics.
            tx: the optimiser.
            num_steps: batches of the whole training run.
        """
        apply, config = task.pipeline.apply, task.config
        params = task.pipeline.params
        self.layout = Layout(config.mesh, shard_optimizer=config.shard_optimizer)
        self.train_rows = self.layout.own_rows.divided(config.accumulate)
        replicated = self.layout.replicated
        self.trainable = trainable = Trainable.of(task)
        self._of_params = self.layout.of_params(params)
        trained = trainable.select(params)
        self._of_opt_state = self.layout.of_opt_state(tx, trained)

        def differentiate(
            params: Params, batch: Batch, carry: Any, key: Array, step: Array
        ) -> tuple[Params, Any, tuple[Array, Array, Array], Array | None]:
            key = jax.random.fold_in(jax.random.wrap_key_data(key), step)
            inputs, ids = trainable.select(params), task.embedding_ids(batch)
            if ids is not None:
                num_embeddings = len(lazy_embedding.table(params))
                ids = lazy_embedding.unique(ids, num_embeddings)
                ids = jax.lax.with_sharding_constraint(ids, replicated)
                inputs = lazy_embedding.select(inputs, ids)

            def loss(
                inputs: Params, batch: Batch, carry: Any, key: Array
            ) -> tuple[Array, Any]:
                method = task.loss
                if ids is not None:
                    rows = lazy_embedding.table(inputs)
                    method = lazy_embedding.restricted(method, ids, rows)
                    table = lazy_embedding.table(params)
                    inputs = lazy_embedding.with_table(inputs, table)
                (total, count), new = apply(
                    trainable.replace(params, inputs),
                    batch,
                    carry,
                    key=key,
                    progress=step / num_steps,
                    method=method,
                )
                return total / jnp.maximum(count, 1), (total, count, new)

            # The state has a row for each row of the data, whatever divides the batch.
            B, padded = config.batch_size, len(batch["mask"])
            state = _resize(carry, padded)
            gradient = jax.grad(loss, has_aux=True)
            if config.accumulate == 1:
                grads, (total, count, new) = gradient(inputs, batch, state, key)
            else:
                grads, (total, count, new) = accumulate.gradient(
                    gradient, inputs, (batch, state), key, config.accumulate
                )
            new = _resize(jax.lax.stop_gradient(new), B)
            return grads, new, (total, count, batch["mask"].sum()), ids

        def update(
            params: Params,
            average: Params,
            opt_state: Any,
            grads: Params,
            step: Array,
            ids: Array | None,
        ) -> tuple[Params, Params, Any, Array]:
            norm = optax.tree.norm(grads)
            trained = trainable.select(params)
            if ids is None:
                updates, opt_state = tx.update(grads, opt_state, trained)
                trained = optax.apply_updates(trained, updates)
            else:
                trained, opt_state = lazy_embedding.update(
                    tx, trained, opt_state, grads, ids
                )
            params = trainable.replace(params, trained)
            if config.ema:
                # A short average early in training, so that it forgets the initial
                # parameters. That of a parameter that does not move is exact.
                rate = 1.0 - jnp.minimum(config.ema, (1.0 + step) / (10.0 + step))
                average = jax.tree.map(lambda p, a: a + rate * (p - a), params, average)
            return params, average, opt_state, norm

        def eval_step(params: Params, batch: Batch, carry: Any) -> Any:
            return apply(params, batch, carry, method=task.predict)

        @cache
        def init_carry(batch_size: int) -> Any:
            return jax.jit(
                lambda params: apply(params, batch_size, method=task.init_carry),
                out_shardings=self.layout.of_rows(batch_size),
            )

        # Two programs: the update does not depend on the shape of the batch and is
        # compiled once, or for few numbers of rows of a lazy embedding. They return the
        # state with the layout that they receive, or the second step would compile
        # again.
        self._of_grads = self.layout.of_params(trained)
        if getattr(config, "lazy_embedding", False):
            self._of_grads = lazy_embedding.with_table(self._of_grads, replicated)
        of_carry = self.layout.of_rows(config.batch_size)
        self.differentiate = jax.jit(
            differentiate,
            out_shardings=(self._of_grads, of_carry, replicated, replicated),
        )
        of_average = self._of_params if config.ema else ()
        self._update = jax.jit(
            update,
            donate_argnums=(0, 1, 2),
            out_shardings=(
                self._of_params,
                of_average,
                self._of_opt_state,
                replicated,
            ),
        )
        # Every process reads the predictions of all.
        of_predictions = replicated if jax.process_count() > 1 else None
        self.eval_step = jax.jit(
            eval_step, out_shardings=(of_predictions, self.layout.by_row)
        )
        self._init_carry = init_carry
        self.task = task
        self._tx = tx
        self._ahead = CompileAhead()
        self._used: set[Any] = set()  # programs of training steps

    def batches(self, split: str, seed: int | None) -> Iterator[Any]:
        """Yield the batches of an epoch for `train_step`: rows of this process.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles, see `Task.batches`.
        """
        for batch in self.task.batches(split, seed, self.train_rows):
            yield self.place(batch)

    def place(self, batch: Batch) -> Any:
        """Put the rows of this process onto its devices.

        Args:
            batch: numpy arrays of the rows `train_rows` of a batch.
        """
        return self.layout.place_rows(batch, self.train_rows)

    def place_params(self, params: Any) -> Any:
        """Put parameters onto the devices.

        Args:
            params: arrays of this process.
        """
        return self.layout.place(params, self._of_params)

    def init_state(self, params: Any, seed: int) -> TrainState:
        """Return the state before the first step.

        Args:
            params: the initial parameters.
            seed: of the random key for dropout and other noise.
        """
        params = self.place_params(params)
        # A copy, since the update donates both buffers.
        average = jax.tree.map(jnp.copy, params) if self.task.config.ema else ()
        key = jax.random.key_data(jax.random.key(seed))
        key = self.layout.place(key, self.layout.replicated)
        carry = self.init_carry(params)
        trained = self.trainable.select(params)
        opt_state = jax.jit(self._tx.init, out_shardings=self._of_opt_state)(trained)
        return TrainState(params, average, opt_state, carry, key)

    def init_carry(self, params: Any, batch_size: int | None = None) -> Any:
        """Return the carry before the first batch.

        Args:
            params: the parameters.
            batch_size: B; that of train by default.
        """
        return self._init_carry(batch_size or self.task.config.batch_size)(params)

    def compile_ahead(self, state: TrainState) -> None:
        """Start to compile all programs of train and dev, in threads.

        A step waits for its program, so that none is compiled twice. Only for CPUs: the
        compiler for a GPU measures variants of a program, on a device without other
        work.

        Args:
            state: the state before the first step.
        """
        if platform() != "cpu":
            return
        start, task, layout = self._ahead.start, self.task, self.layout
        params, average, opt_state, carry, key = jax.tree.map(
            lambda a: _structure(a, a.sharding), state
        )

        def compile_step(batch: Any) -> None:
            traced = self.differentiate.trace(params, batch, carry, key, 0)
            grads, _, _, ids = traced.out_info
            grads = jax.tree.map(_structure, grads, self._of_grads)
            ids = jax.tree.map(lambda a: _structure(a, layout.replicated), ids)
            update = (params, average, opt_state, grads, 0, ids)
            start(self._update, ids, lambda: self._update.lower(*update).compile())
            traced.lower().compile()

        def compile_evaluation(batch: Any, carry: Any) -> None:
            self.eval_step.lower(params, batch, carry).compile()

        for example in task.examples("train", self.train_rows):
            batch = layout.place_rows(example, self.train_rows)
            start(self.differentiate, batch, partial(compile_step, batch))
        for example in task.examples("dev", layout.all_rows):
            batch = layout.place_rows(example, layout.all_rows)
            carry_of_dev = self.init_carry(state.params, len(batch["mask"]))
            job = partial(compile_evaluation, batch, carry_of_dev)
            start(self.eval_step, batch, job)

    def close(self) -> None:
        """Start no further compilation."""
        self._ahead.close()

    def is_compiled(self, batch: Any) -> bool:
        """Return whether `train_step` has its program, so that it does not wait.

        Args:
            batch: from `batches`.
        """
        is_used = program_key(self.differentiate, batch) in self._used
        return is_used or self._ahead.is_done(self.differentiate, batch)

    def train_step(
        self, state: TrainState, batch: Any, step: int
    ) -> tuple[TrainState, StepMetrics]:
        """Return the state after one batch, and the metrics of the step.

        Args:
            state: the state before it.
            batch: from `batches`.
            step: its number in the training run, from 0.
        """
        params, average, opt_state, carry, key = state
        self._used.add(program_key(self.differentiate, batch))
        self._ahead.wait(self.differentiate, batch)
        grads, carry, (total, count, tokens), ids = self.differentiate(
            params, batch, carry, key, step
        )
        self._ahead.wait(self._update, ids)
        params, average, opt_state, norm = self._update(
            params, average, opt_state, grads, step, ids
        )
        state = TrainState(params, average, opt_state, carry, key)
        return state, StepMetrics(total, count, tokens, norm)

    def evaluate(self, params: Any, split: str, *, keep: bool = False) -> Evaluation:
        """Evaluate a whole split.

        Args:
            params: the parameters.
            split: ``"train"``, ``"dev"`` or ``"test"``.
            keep: return the batches and the predictions too, which need memory in
                proportion to the split; otherwise only what the metrics keep does.
        """
        total, count, kept = 0.0, 0, []

        def summed() -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
            nonlocal total, count
            for batch, arrays in self._predictions(params, split):
                total += float(arrays["loss"])
                count += int(arrays["count"])
                if keep:
                    kept.append((batch, arrays))
                yield batch, arrays

        pairs = summed()
        scores = self.task.metrics(pairs)
        for _ in pairs:  # that the metrics did not read
            pass
        return Evaluation(scores, total / max(count, 1), kept)

    def _predictions(
        self, params: Any, split: str
    ) -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
        """Yield the batches of a split, each with the arrays of `Task.predict`."""
        carry, previous = None, None
        rows = self.layout.all_rows  # the metrics need those of all processes
        for batch in self.task.batches(split, None, rows):
            if carry is None:
                carry = self.init_carry(params, len(batch["mask"]))
            placed = self.layout.place_rows(batch, rows)
            self._ahead.wait(self.eval_step, placed)
            arrays, carry = self.eval_step(params, placed, carry)
            # One batch late: the device computes while the host reads the arrays.
            if previous is not None:
                yield previous[0], jax.device_get(previous[1])
            previous = self.task.scored(batch), arrays
        if previous is not None:
            yield previous[0], jax.device_get(previous[1])

    def num_compilations(self) -> int:
        """Return the number of compiled training and evaluation programs."""
        steps: tuple[Any, ...] = (self.differentiate, self._update, self.eval_step)
        return sum(step._cache_size() for step in steps)


def _resize(rows: Any, size: int) -> Any:
    """Return arrays with `size` rows: without the last ones, or with zeros added."""

    def resize(array: Array) -> Array:
        missing = max(size - len(array), 0)
        return jnp.pad(array[:size], [(0, missing)] + [(0, 0)] * (array.ndim - 1))

    return jax.tree.map(resize, rows)


def _structure(array: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    """Return the shape, dtype and layout of an array, which a step may delete."""
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)
