"""Train a recurrent network on text: ``python train.py TASK [flags]``.

One loop for all tasks. An epoch trains on every batch, or on ``--eval-every`` batches,
and is scored on dev; the model of the best epoch is kept and scored once on test.
"""

import itertools
import math
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zoo.cli.commands import run as run_command

if __name__ == "__main__":
    # Reads the flags, and trains with this file as `zoo.train`: help texts and errors
    # in flags do not wait for the imports below.
    run_command("train", sys.argv[1:], "train.py")
    raise SystemExit

import jax
from tqdm import tqdm

from zoo import artifact
from zoo.cli import compile_cache
from zoo.registry import import_cell
from zoo.tasks import accumulate, layer_rates, optimizers, processes, ranges, transfer
from zoo.tasks.base import Task
from zoo.tasks.configs import Config
from zoo.tasks.layer_groups import LayerGroups
from zoo.tasks.layout import Layout
from zoo.tasks.processes import Votes
from zoo.tasks.program import Program, StepMetrics, TrainState
from zoo.tasks.registry import TASKS
from zoo.tasks.run import console, report
from zoo.tasks.run.errors import RunError
from zoo.tasks.run.folder import Run, save_best
from zoo.tasks.run.position import Length, Position
from zoo.tasks.scores import is_better

MIN_SECONDS = 10.0  # between checkpoints at the ends of epochs


class Interruption:
    """Ctrl-C and SIGTERM: in training finish the step, save a checkpoint, and exit.

    Attributes:
        signal: the number of the signal that came in training.
        in_training: whether there is something to save; otherwise the program ends
            immediately.
    """

    def __init__(self) -> None:
        """Install the handler of both signals."""
        self.signal: int | None = None
        self.in_training = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _: Any) -> None:
        if not self.in_training or self.signal is not None:
            raise KeyboardInterrupt(number)
        self.signal = number
        if processes.count() > 1:
            # A step that waits for another process would delay the second signal.
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)
        tqdm.write(
            "\nstopping after this step; repeat to stop immediately", file=sys.stderr
        )

    def exit(self, run: Run, number: int) -> None:
        """Exit the program after a signal, and print how to resume.

        Args:
            run: the run, whose checkpoint has been saved.
            number: of the signal, which another process may have received.
        """
        if processes.leads():
            console.interrupted(run)
        raise SystemExit(128 + number)


@dataclass
class Training:
    """A training run in progress.

    Attributes:
        num_batches: of a pass over the data.
        batches: those that are still to come.
        started: its start by ``time.monotonic``, moved forward by the pauses of a
            resumed run.
        saved: when the last checkpoint was saved, by ``time.monotonic``; in a new
            process when its training began.
        has_saved: whether this process has saved a checkpoint.
        unread: the metrics of the latest step, until `read`.
        votes: what all processes decide together.
        bar: of the epoch.
        clock: when the previous metrics were read, by ``time.monotonic``, moved forward
            by what is no part of a step: compilations and checkpoints.
    """

    config: Config
    run: Run
    task: Task
    program: Program
    state: TrainState
    position: Position
    length: Length
    num_batches: int
    batches: Iterator[Any]
    started: float
    saved: float
    interruption: Interruption
    has_saved: bool = False
    unread: StepMetrics | None = None
    clock: float = 0.0
    votes: Votes = field(default_factory=Votes)
    bar: tqdm | None = None

    def read(self) -> None:
        """Read the metrics of the latest step, if any, and advance the position.

        Raises:
            RunError: if the loss or the gradient is not finite.
        """
        if self.unread is None:
            return
        metrics, self.unread = self.unread, None
        total, count, tokens, norm = map(float, metrics)
        position = self.position
        if not math.isfinite(total) or not math.isfinite(norm):
            saved = ""
            if self.run.checkpoints.numbers():
                saved = f"{self.run.path} keeps the last good checkpoint; "
            raise RunError(
                f"the loss became {total} (gradient norm {norm}) in epoch "
                f"{position.epoch + 1}, batch {position.batch + 1}; {saved}try a "
                "smaller --learning-rate or --clip-norm with another --out"
            )
        seconds, self.clock = time.monotonic() - self.clock, time.monotonic()
        position.advance(total, int(count), int(tokens), seconds)
        assert self.bar is not None
        console.advance(self.bar, position)

    def save(self) -> None:
        """Save a checkpoint; the metrics of all steps must have been read."""
        assert self.unread is None, "the position would not be that of the state"
        begun = time.monotonic()
        self.position.elapsed = begun - self.started
        self.run.save(self.state, self.position, self.length.interval)
        self.saved, self.has_saved = time.monotonic(), True
        self.clock += self.saved - begun

    def save_or_exit(self, step: int, *, wanted: bool) -> None:
        """Save a checkpoint if any process wants to; exit if one has got a signal.

        Args:
            step: the same in all processes.
            wanted: whether this process wants to save.
        """
        received = self.interruption.signal or 0
        seconds = self.position.epoch_seconds / max(self.position.batch, 1)
        saves, number = self.votes.cast(step, wanted or received > 0, received, seconds)
        if saves:
            self.read()
            self.save()
        if number:
            self.interruption.exit(self.run, number)

    def save_at_end_of_epoch(self) -> None:
        """Save a checkpoint, unless another is recent and the run goes on."""
        interval = min(MIN_SECONDS, self.config.checkpoint_seconds)
        is_recent = self.has_saved and time.monotonic() - self.saved < interval
        wanted = is_complete(self) or not is_recent
        self.save_or_exit(self.position.step, wanted=wanted)


def train(task_name: str, config: Config) -> None:
    """Train a task: from its data to a run folder with the best model.

    Args:
        task_name: a key of ``TASKS``.
        config: the flags.
    """
    ranges.check(config)
    optimizers.check(config)
    accumulate.check(config)
    if config.compile_cache:
        compile_cache.use()
    with processes.joined(config):
        import_cell(config.cell)
        Layout(config.mesh)  # an error comes before the run folder
        train_together(task_name, config)


def train_together(task_name: str, config: Config) -> None:
    """Train with all processes of the training, see `train`."""
    with Run(task_name, config) as run:
        training = prepare(run, config)
        try:
            if not is_complete(training):
                training.program.compile_ahead(training.state)
            training.interruption.in_training = True
            while not is_complete(training):
                train_epoch(training)
                evaluate_epoch(training)
            training.interruption.in_training = False
            finish(training)
        finally:
            training.program.close()


def prepare(run: Run, config: Config) -> Training:
    """Read the data, build the model and restore the last checkpoint, if any."""
    started = time.monotonic()
    interruption = Interruption()
    task = TASKS[run.task](config)
    num_batches = task.num_batches("train")
    num_steps = config.steps or num_batches * task.epochs()
    length = Length(num_steps, config.eval_every or num_batches)
    groups = LayerGroups.of(task.pipeline.params)
    tx = optimizers.make(config, num_steps, groups, length.interval)
    program = Program(task, tx, num_steps)
    program.trainable.round_stored(task.pipeline)
    trained = program.trainable.select(task.pipeline.params)
    task.notes += layer_rates.describe(
        config, trained, groups, num_steps, length.interval
    )
    run.begin(task.digests)
    transfer.keep(task, run.path)
    state = program.init_state(task.pipeline.params, config.seed)
    state, position = run.restore(state, length)
    devices = program.layout.describe(state.params)
    num_trained = sum(leaf.size for leaf in jax.tree.leaves(trained))
    console.begin(run, task, state.params, num_trained, position, devices)
    return Training(
        config=config,
        run=run,
        task=task,
        program=program,
        state=state,
        position=position,
        length=length,
        num_batches=num_batches,
        batches=batches_from(program, config.seed, position, num_batches),
        started=started - position.elapsed,  # the time of earlier sittings counts
        saved=time.monotonic(),
        interruption=interruption,
        votes=Votes(config.checkpoint_seconds),
    )


def batches_from(
    program: Program, seed: int, position: Position, num_batches: int
) -> Iterator[Any]:
    """Yield the batches from a position on, of one pass over the data after another.

    Args:
        program: places them on the devices.
        seed: of the first pass.
        position: of the first batch; its `stream` is kept up to date.
        num_batches: of a pass.
    """
    if (stream := program.task.stream) is not None:
        batches = stream.batches(position.stream, program.train_rows)
        for position.stream, batch in batches:
            yield program.place(batch)
    first, done = divmod(position.step, num_batches)
    for number in itertools.count(first):
        batches = program.batches("train", seed + 1_000_003 * number)
        yield from itertools.islice(batches, done if number == first else 0, None)


def train_epoch(training: Training) -> None:
    """Train on the batches of an epoch that are still to come."""
    config, program, position = training.config, training.program, training.position
    training.bar = bar = console.bar(
        position, training.length, is_first=program.num_compilations() == 0
    )
    training.clock = time.monotonic()
    for step in range(position.step, training.length.start(position.epoch + 1)):
        batch = next(training.batches)
        if step % training.num_batches == 0:
            carry = program.init_carry(training.state.params)
            training.state = training.state._replace(carry=carry)
        is_compiled = program.is_compiled(batch)
        if not is_compiled:
            training.read()  # the time of the step before is not that of compiling
        begun = time.monotonic()
        training.state, metrics = program.train_step(training.state, batch, step)
        if not is_compiled:
            seconds = time.monotonic() - begun
            training.clock += seconds
            console.leave_out(bar, seconds)
        # One step late: the device computes while the host prepares the next batch.
        training.read()
        training.unread = metrics
        if training.votes.due(step):
            overdue = time.monotonic() - training.saved > config.checkpoint_seconds
            training.save_or_exit(step, wanted=overdue)
    training.read()
    bar.close()


def evaluate_epoch(training: Training) -> None:
    """Score the epoch on dev, keep the model if it is the best, and log both."""
    config, run, position = training.config, training.run, training.position
    params = training.state.average if config.ema else training.state.params
    scores, dev_loss, _ = training.program.evaluate(params, "dev")
    name, direction = training.task.monitor
    value = dev_loss if name == "loss" else scores.values[name]
    # Equal in all processes up to the order in which Python adds.
    value, dev_loss = processes.of_leader([float(value), float(dev_loss)])
    is_best = is_better(value, dev_loss, position.best, position.best_loss, direction)
    if is_best:
        position.best, position.best_loss = value, dev_loss
        position.best_epoch = position.epoch
        about = {f"dev_{name}": value, "epoch": position.epoch + 1}
        about |= training.program.trainable.about(params)
        save_best(run, training.task.pipeline, params, about)
    line = {
        "epoch": position.epoch + 1,
        "step": position.step,
        "train_loss": position.total / max(position.count, 1),
        "dev_loss": dev_loss,
        **{f"dev_{key}": score for key, score in scores.values.items()},
        "seconds": position.epoch_seconds,
        "tokens_per_second": position.tokens_per_second(),
    }
    run.log(line)
    console.epoch(line, is_best)
    position.begin_epoch()
    training.save_at_end_of_epoch()


def is_complete(training: Training) -> bool:
    """Return whether all epochs are done, or dev is no better since ``--patience``."""
    position, patience = training.position, training.config.patience
    stops_early = 0 < patience <= position.epoch - 1 - position.best_epoch
    return position.epoch == training.length.num_epochs or stops_early


def finish(training: Training) -> None:
    """Score the best model on dev and test, and write the results and the report."""
    run, task, program = training.run, training.task, training.program
    processes.wait()  # until the model is written
    saved = jax.tree.map(  # some may be stored in half precision
        lambda param, like: param.astype(like.dtype),
        artifact.load(run.model).params,
        training.state.params,
    )
    best = program.place_params(saved)
    evaluations = {
        "dev": program.evaluate(best, "dev"),
        "test": program.evaluate(best, "test", keep=True),  # for the report
    }
    scores = {}
    for split, (split_scores, loss, _) in evaluations.items():
        if task.monitor[0] == "loss":
            split_scores = split_scores._replace(
                values={**split_scores.values, "loss": loss}
            )
        scores[split] = split_scores
    if processes.leads():
        compilations = program.num_compilations()
        position, started = training.position, training.started
        console.finish(run, task, scores, position, compilations, started)
        report.write(run, task, saved, evaluations["test"])
        run.checkpoints.keep(training.config.keep_checkpoints)
    processes.wait()  # until all is written
