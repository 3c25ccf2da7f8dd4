"""Train a recurrent network on text: ``python train.py TASK [flags]``.

One loop for every task: build the task, compile one training step and one evaluation
step, go through the batches, judge each epoch on dev, keep the best model, score it on
test once.
"""

import itertools
import math
import signal
import sys
import time
from typing import Annotated, Any, NamedTuple, Union

import jax
import jax.numpy as jnp
import optax
import tyro
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from tqdm import tqdm

from tasks import optimizers
from tasks.base import Config, Evaluation, Task
from tasks.registry import TASKS
from tasks.run import console, report
from tasks.run.folder import Position, Run, RunError, save_best
from zoo import artifact


class State(NamedTuple):
    """What training changes, and a checkpoint holds."""

    params: Any
    average: Any  # of the parameters; () where none is kept
    opt_state: Any
    carry: Any
    key: Any


class Program:
    """The compiled steps of a task, over all devices."""

    def __init__(
        self, task: Task, tx: optax.GradientTransformation, steps: int = 1
    ) -> None:
        """Compile nothing yet.

        Args:
            task: gives the loss.
            tx: the optimiser.
            steps: batches of the whole training.
        """
        apply = task.pipeline.apply
        mesh = jax.make_mesh((jax.device_count(),), ("data",), (AxisType.Auto,))
        self.whole = NamedSharding(mesh, PartitionSpec())
        # What one device returns is whole. All of a state must be laid out before the
        # first step as after it, or the second is compiled anew.
        dealt = NamedSharding(mesh, PartitionSpec("data"))
        self.rows = dealt if jax.device_count() > 1 else self.whole

        def loss(params, batch, carry, key, progress):
            (total, count), carry = apply(
                params, batch, carry, key=key, progress=progress, method=task.loss
            )
            return total / jnp.maximum(count, 1), (total, count, carry)

        def differentiate(params, batch, carry, key, step):
            key = jax.random.fold_in(jax.random.wrap_key_data(key), step)
            grad = jax.grad(loss, has_aux=True)
            grads, (total, count, carry) = grad(params, batch, carry, key, step / steps)
            return grads, jax.lax.stop_gradient(carry), (total, count)

        def update(params, average, opt_state, grads, step):
            norm = optax.tree.norm(grads)
            updates, opt_state = tx.update(grads, opt_state, params)
            params = optax.apply_updates(params, updates)
            if task.config.ema:
                # While training is young the average is short, and forgets the start.
                kept = jnp.minimum(task.config.ema, (1.0 + step) / (10.0 + step))
                average = optax.incremental_update(params, average, 1.0 - kept)
            return params, average, opt_state, norm

        def eval_step(params, batch, carry):
            return apply(params, batch, carry, method=task.predict)

        def init_carry(params, batch_size):
            return apply(params, batch_size, method=task.init_carry)

        # Two programs: the update is compiled once, not again for each shape of batch.
        self.differentiate = jax.jit(differentiate)
        self._update = jax.jit(update, donate_argnums=(0, 1, 2))
        self.eval_step = jax.jit(eval_step)
        self._init_carry = jax.jit(init_carry, static_argnums=1)
        self.task = task
        self._tx = tx

    def place(self, batch: Any) -> Any:
        """Lay the rows of a batch out over the devices."""
        # A compiled step takes it to the only device by itself, and sooner.
        return self._lay_out(batch) if jax.device_count() > 1 else batch

    def _lay_out(self, batch: Any) -> Any:
        """Lay rows out over the devices, if they can be dealt evenly."""
        B = jax.tree.leaves(batch)[0].shape[0] if jax.tree.leaves(batch) else 0
        even = B % jax.device_count() == 0
        return jax.device_put(batch, self.rows if even else self.whole)

    def train_step(self, state: State, batch: Any, step: int) -> tuple[State, Any]:
        """Return the state after a batch; the loss, what it is a sum of, the norm."""
        params, average, opt_state, carry, key = state
        grads, carry, found = self.differentiate(params, batch, carry, key, step)
        params, average, opt_state, norm = self._update(
            params, average, opt_state, grads, step
        )
        return State(params, average, opt_state, carry, key), (*found, norm)

    def begin(self, params: Any, seed: int) -> State:
        """Return the state before the first step."""
        params = jax.device_put(params, self.whole)
        # A copy: the update is given both to overwrite.
        average = jax.tree.map(jnp.copy, params) if self.task.config.ema else ()
        key = jax.device_put(jax.random.key_data(jax.random.key(seed)), self.whole)
        carry = self.fresh(params, self.task.config.batch_size)
        opt_state = jax.device_put(self._tx.init(params), self.whole)
        return State(params, average, opt_state, carry, key)

    def fresh(self, params: Any, batch_size: int) -> Any:
        """Return the carry before the first batch."""
        return self._lay_out(self._init_carry(params, batch_size))

    def evaluate(self, params: Any, split: str) -> Evaluation:
        """Return the scores of a split, its loss a token, and what was predicted."""
        pairs, total, count, carry = [], 0.0, 0, None
        for batch in self.task.batches(split, None):
            if carry is None:
                carry = self.fresh(params, len(batch["mask"]))
            found, carry = self.eval_step(params, self.place(batch), carry)
            pairs.append((batch, found))
        pairs = [(batch, jax.device_get(found)) for batch, found in pairs]
        for _, found in pairs:
            total, count = total + float(found["loss"]), count + int(found["count"])
        return Evaluation(self.task.metrics(pairs), total / max(count, 1), pairs)

    def compilations(self) -> int:
        """Return how many programs were compiled."""
        steps: tuple[Any, ...] = (self.differentiate, self._update, self.eval_step)
        return sum(step._cache_size() for step in steps)


def train(task_name: str, config: Config) -> None:
    """Train a task from its data to its artifact."""
    started = time.monotonic()
    stop = Interruption()
    optimizers.check(config)
    run = Run(task_name, config)
    task = TASKS[task_name](config)
    run.begin()
    batches = task.num_batches("train")
    epochs = task.epochs()
    tx = optimizers.make(config, batches * epochs)
    program = Program(task, tx, batches * epochs)
    state, at = run.restore(program.begin(task.pipeline.params, config.seed))
    started -= at.elapsed  # what the runs took that this one goes on with
    console.begin(run, task, state.params, at)
    name, direction = task.monitor

    while at.epoch < epochs and not _patience_ends(config, at):
        if at.batch == 0:
            state = state._replace(carry=program.fresh(state.params, config.batch_size))
        source = task.batches("train", config.seed + 1_000_003 * at.epoch)
        bar = console.bar(at, batches, epochs)
        saved = begun = time.monotonic()
        for batch in itertools.islice(source, at.batch, None):
            state, found = program.train_step(state, program.place(batch), at.step)
            total, count, norm = map(float, found)
            if not math.isfinite(total) or not math.isfinite(norm):
                raise RunError(
                    f"the loss became {total} (norm of the gradient {norm}) in epoch "
                    f"{at.epoch + 1}, batch {at.batch + 1}; {run.path / 'checkpoints'} "
                    "keeps the last good checkpoint; try a smaller --learning-rate or "
                    "--clip-norm in another --out"
                )
            at.batch, at.step = at.batch + 1, at.step + 1
            at.total, at.count = at.total + total, at.count + int(count)
            at.tokens += int(batch["mask"].sum())
            now = time.monotonic()
            at.seconds, begun = at.seconds + now - begun, now
            console.advance(bar, at)
            if stop.asked or now - saved > config.checkpoint_seconds:
                at.elapsed = now - started
                run.save(state, at, batches)
                saved = time.monotonic()
            stop.leave(run)
        bar.close()
        judged = state.average if config.ema else state.params
        scores, dev_loss, _ = program.evaluate(judged, "dev")
        value = scores.values[name]
        better = at.best is None or (
            value > at.best if direction == "max" else value < at.best
        )
        if better:
            at.best, at.best_epoch = value, at.epoch
            save_best(
                run,
                task.pipeline,
                judged,
                {f"dev_{name}": value, "epoch": at.epoch + 1},
            )
        line = {"epoch": at.epoch + 1, "step": at.step}
        line |= {"train_loss": at.total / max(at.count, 1), "dev_loss": dev_loss}
        line |= {f"dev_{key}": found for key, found in scores.values.items()}
        line |= {"seconds": at.seconds, "tokens_per_second": at.tokens / at.seconds}
        run.log(line)
        console.epoch(line, better)
        at.epoch, at.batch, at.total, at.count = at.epoch + 1, 0, 0.0, 0
        at.elapsed = time.monotonic() - started
        run.save(state, at, batches)
        stop.leave(run)

    best = jax.device_put(artifact.load(run.model).params, program.whole)
    found = {split: program.evaluate(best, split) for split in ("dev", "test")}
    scores = {split: seen.scores for split, seen in found.items()}
    console.finish(run, task, scores, at, program.compilations(), started)
    report.write(run, task, best, found["test"])
    run.close()


def _patience_ends(config: Config, at: Position) -> bool:
    """Return whether dev has not become better for long enough."""
    return 0 < config.patience <= at.epoch - 1 - at.best_epoch


class Interruption:
    """Ctrl-C and SIGTERM: the step is finished, a checkpoint saved, then the end."""

    def __init__(self) -> None:
        """Listen to both signals."""
        self.asked: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _: Any) -> None:
        if self.asked is not None:
            raise KeyboardInterrupt
        self.asked = number
        tqdm.write("\nsaving a checkpoint; once more to stop at once", file=sys.stderr)

    def leave(self, run: Run) -> None:
        """End the program if it was asked to, and say how to go on."""
        if self.asked is not None:
            run.close()
            console.interrupted(run)
            raise SystemExit(128 + self.asked)


def main() -> None:
    """Read the command line and train."""
    commands = [
        Annotated[task.Config, tyro.conf.subcommand(name)]
        for name, task in TASKS.items()
    ]
    config = tyro.cli(
        Union[tuple(commands)],  # pyright: ignore  # noqa: UP007
        description=__doc__,
    )
    names = {task.Config: name for name, task in TASKS.items()}
    with console.errors(config.debug):
        train(names[type(config)], config)


if __name__ == "__main__":
    main()
