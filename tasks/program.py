"""The compiled steps of a task: one program for one device or many."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from zoo.engine.platform import platform
from zoo.tasks import lazy_embedding
from zoo.tasks.base import Task
from zoo.tasks.compile_ahead import CompileAhead
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
        grad_norm: global norm of the gradient before clipping.
    """

    total: jax.Array
    count: jax.Array
    grad_norm: jax.Array


class Program:
    """Training and evaluation steps, jit-compiled over all devices.

    Batches are sharded over the mesh axis ``data``; parameters are replicated.
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
        apply = task.pipeline.apply
        mesh = jax.make_mesh((jax.device_count(),), ("data",), (AxisType.Auto,))
        self.replicated = NamedSharding(mesh, PartitionSpec())
        # A step must return its state with the layout it received, or the second step
        # compiles again. With one device, jit returns a replicated layout.
        by_row = NamedSharding(mesh, PartitionSpec("data"))
        self._by_row = by_row if jax.device_count() > 1 else self.replicated

        def differentiate(
            params: Params, batch: Batch, carry: Any, key: Array, step: Array
        ) -> tuple[Params, Any, tuple[Array, Array], Array | None]:
            key = jax.random.fold_in(jax.random.wrap_key_data(key), step)
            inputs, ids = params, task.embedding_ids(batch)
            if ids is not None:
                num_embeddings = len(lazy_embedding.table(params))
                ids = lazy_embedding.unique(ids, num_embeddings)
                ids = jax.lax.with_sharding_constraint(ids, self.replicated)
                inputs = lazy_embedding.select(params, ids)

            def loss(inputs: Params) -> tuple[Array, Any]:
                method = task.loss
                if ids is not None:
                    rows = lazy_embedding.table(inputs)
                    method = lazy_embedding.restricted(method, ids, rows)
                    table = lazy_embedding.table(params)
                    inputs = lazy_embedding.with_table(inputs, table)
                (total, count), new = apply(
                    inputs,
                    batch,
                    carry,
                    key=key,
                    progress=step / num_steps,
                    method=method,
                )
                return total / jnp.maximum(count, 1), (total, count, new)

            grads, (total, count, new) = jax.grad(loss, has_aux=True)(inputs)
            return grads, jax.lax.stop_gradient(new), (total, count), ids

        def update(
            params: Params,
            average: Params,
            opt_state: Any,
            grads: Params,
            step: Array,
            ids: Array | None,
        ) -> tuple[Params, Params, Any, Array]:
            norm = optax.tree.norm(grads)
            if ids is None:
                updates, opt_state = tx.update(grads, opt_state, params)
                params = optax.apply_updates(params, updates)
            else:
                params, opt_state = lazy_embedding.update(
                    tx, params, opt_state, grads, ids
                )
            if task.config.ema:
                # A short average early in training, so that it forgets the initial
                # parameters.
                decay = jnp.minimum(task.config.ema, (1.0 + step) / (10.0 + step))
                average = optax.incremental_update(params, average, 1.0 - decay)
            return params, average, opt_state, norm

        def eval_step(params: Params, batch: Batch, carry: Any) -> Any:
            return apply(params, batch, carry, method=task.predict)

        def init_carry(params: Params, batch_size: int) -> Any:
            return apply(params, batch_size, method=task.init_carry)

        # Two programs: the update does not depend on the shape of the batch and is
        # compiled once, or for few numbers of rows of a lazy embedding.
        self.differentiate = jax.jit(differentiate)
        self._update = jax.jit(update, donate_argnums=(0, 1, 2))
        self.eval_step = jax.jit(eval_step)
        self._init_carry = jax.jit(init_carry, static_argnums=1)
        self.task = task
        self._tx = tx
        self._ahead = CompileAhead()

    def place(self, batch: Batch) -> Any:
        """Shard the rows of a batch over the devices.

        Args:
            batch: numpy arrays ``[B, ...]``.
        """
        # With one device the compiled step transfers the arrays itself, and faster.
        return self._shard(batch) if jax.device_count() > 1 else batch

    def _shard(self, rows: Any) -> Any:
        """Shard arrays by row; replicate them if the rows do not divide evenly."""
        leaves = jax.tree.leaves(rows)
        even = bool(leaves) and leaves[0].shape[0] % jax.device_count() == 0
        return jax.device_put(rows, self._by_row if even else self.replicated)

    def init_state(self, params: Any, seed: int) -> TrainState:
        """Return the state before the first step.

        Args:
            params: the initial parameters.
            seed: of the random key for dropout and other noise.
        """
        params = jax.device_put(params, self.replicated)
        # A copy, since the update donates both buffers.
        average = jax.tree.map(jnp.copy, params) if self.task.config.ema else ()
        key = jax.device_put(jax.random.key_data(jax.random.key(seed)), self.replicated)
        carry = self.init_carry(params, self.task.config.batch_size)
        opt_state = jax.device_put(self._tx.init(params), self.replicated)
        return TrainState(params, average, opt_state, carry, key)

    def init_carry(self, params: Any, batch_size: int) -> Any:
        """Return the carry before the first batch.

        Args:
            params: the parameters.
            batch_size: B.
        """
        return self._shard(self._init_carry(params, batch_size))

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
        start, replicated = self._ahead.start, self.replicated
        params, average, opt_state, carry, key = jax.tree.map(
            lambda a: _structure(a, a.sharding), state
        )

        def compile_step(batch: Any) -> None:
            traced = self.differentiate.trace(params, batch, carry, key, 0)
            outputs = jax.tree.map(lambda a: _structure(a, replicated), traced.out_info)
            grads, _, _, ids = outputs
            update = (params, average, opt_state, grads, 0, ids)
            start(self._update, ids, lambda: self._update.lower(*update).compile())
            traced.lower().compile()

        def compile_evaluation(batch: Any, carry: Any) -> None:
            self.eval_step.lower(params, batch, carry).compile()

        for batch in map(self.place, self.task.examples("train")):
            start(self.differentiate, batch, partial(compile_step, batch))
        for batch in map(self.place, self.task.examples("dev")):
            carry_of_dev = self.init_carry(state.params, len(batch["mask"]))
            job = partial(compile_evaluation, batch, carry_of_dev)
            start(self.eval_step, batch, job)

    def close(self) -> None:
        """Start no further compilation."""
        self._ahead.close()

    def train_step(
        self, state: TrainState, batch: Any, step: int
    ) -> tuple[TrainState, StepMetrics]:
        """Return the state after one batch, and the metrics of the step.

        Args:
            state: the state before it.
            batch: as `place` returned it.
            step: its number in the training run, from 0.
        """
        params, average, opt_state, carry, key = state
        self._ahead.wait(self.differentiate, batch)
        grads, carry, (total, count), ids = self.differentiate(
            params, batch, carry, key, step
        )
        self._ahead.wait(self._update, ids)
        params, average, opt_state, norm = self._update(
            params, average, opt_state, grads, step, ids
        )
        state = TrainState(params, average, opt_state, carry, key)
        return state, StepMetrics(total, count, norm)

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
        for batch in self.task.batches(split, None):
            if carry is None:
                carry = self.init_carry(params, len(batch["mask"]))
            placed = self.place(batch)
            self._ahead.wait(self.eval_step, placed)
            arrays, carry = self.eval_step(params, placed, carry)
            # One batch late: the device computes while the host reads the arrays.
            if previous is not None:
                yield previous[0], jax.device_get(previous[1])
            previous = batch, arrays
        if previous is not None:
            yield previous[0], jax.device_get(previous[1])

    def num_compilations(self) -> int:
        """Return the number of compiled training and evaluation programs."""
        steps: tuple[Any, ...] = (self.differentiate, self._update, self.eval_step)
        return sum(step._cache_size() for step in steps)


def _structure(array: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    """Return the shape, dtype and layout of an array, which a step may delete."""
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)
