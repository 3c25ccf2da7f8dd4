"""The training loop reads the metrics of a step while the next one is computed."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from zoo import train
from zoo.tasks.program import StepMetrics, TrainState
from zoo.tasks.run import console
from zoo.tasks.run.errors import RunError
from zoo.tasks.run.position import Length, Position

NUM_BATCHES, NUM_TOKENS = 5, 3


@dataclass
class Metric:
    """A loss on the device, which records when the host reads it."""

    fake: "Fake"
    step: int
    value: float

    def __float__(self) -> float:
        self.fake.events.append(f"read {self.step}")
        self.fake.now += 1
        return self.value


@dataclass
class Fake:
    """A run, a task and a program that record what the loop calls.

    Attributes:
        bad: the step whose loss is not finite.
        new_shape: another step that compiles, besides the first.
        signal_in: the step in which a signal comes.
        now: the time; the compilation takes 100 seconds, a step one until its metrics
            can be read, a checkpoint 1000.
        saved: the step of the state and the position of each checkpoint.
    """

    bad: int | None = None
    new_shape: int | None = None
    signal_in: int | None = None
    now: float = 0.0
    events: list[str] = field(default_factory=list)
    saved: list[tuple[int, Position]] = field(default_factory=list)
    path: Path = Path("a-run")

    task = SimpleNamespace(stream=None)

    def __post_init__(self) -> None:
        self.interruption: Any = SimpleNamespace(signal=None, exit=self.exit)
        self.checkpoints = SimpleNamespace(numbers=lambda: self.saved)

    def batches(self, split: str, seed: int) -> Any:
        yield from range(NUM_BATCHES)

    def is_compiled(self, batch: int) -> bool:
        return batch not in (0, self.new_shape)

    def init_carry(self, params: Any) -> Any:
        return ()

    def num_compilations(self) -> int:
        return 0

    def train_step(self, state: TrainState, batch: Any, step: int) -> Any:
        self.events.append(f"step {step}")
        if not self.is_compiled(batch):
            self.now += 100
        if step == self.signal_in:
            self.interruption.signal = 2
        total = Metric(self, step, np.nan if step == self.bad else 1.5)
        metrics: Any = StepMetrics(total, 2, NUM_TOKENS, 1.0)  # pyright: ignore
        return state._replace(params=step + 1), metrics

    def save(self, state: TrainState, position: Position, interval: int) -> None:
        self.events.append("save")
        self.saved.append((state.params, Position(**vars(position))))
        self.now += 1000

    def exit(self, run: Any, number: int) -> None:
        assert number == self.interruption.signal
        raise SystemExit

    def training(self, checkpoint_seconds: float, position: Position) -> train.Training:
        flags: Any = SimpleNamespace(
            seed=0, batch_size=1, checkpoint_seconds=checkpoint_seconds
        )
        this: Any = self
        return train.Training(
            config=flags,
            run=this,
            task=this,
            program=this,
            state=TrainState(position.step, (), (), (), ()),
            position=position,
            length=Length(2 * NUM_BATCHES, NUM_BATCHES),
            num_batches=NUM_BATCHES,
            batches=train.batches_from(this, 0, position, NUM_BATCHES),
            started=0.0,
            saved=0.0,
            interruption=self.interruption,
        )


@pytest.fixture
def epoch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that trains an epoch, and returns its fake and position."""

    def epoch(
        checkpoint_seconds: float = 1e9,
        position: Position | None = None,
        **options: Any,
    ) -> tuple[Fake, Position]:
        fake = Fake(**options)
        clock = SimpleNamespace(monotonic=lambda: fake.now)
        monkeypatch.setattr(train, "time", clock)
        training = fake.training(checkpoint_seconds, position or Position())
        try:
            train.train_epoch(training)
        except (RunError, SystemExit) as error:
            fake.events.append(str(error))
        return fake, training.position

    return epoch


def test_metrics_are_read_one_step_late(epoch: Any) -> None:
    fake, position = epoch()
    expected = ["step 0"]
    for step in range(1, NUM_BATCHES):
        expected += [f"step {step}", f"read {step - 1}"]
    assert fake.events == [*expected, f"read {NUM_BATCHES - 1}"]
    assert (position.batch, position.step) == (NUM_BATCHES, NUM_BATCHES)
    assert (position.total, position.count) == (1.5 * NUM_BATCHES, 2 * NUM_BATCHES)


def test_a_checkpoint_waits_for_the_metrics_of_its_step(epoch: Any) -> None:
    fake, _ = epoch(checkpoint_seconds=-1.0)
    assert fake.events[:6] == ["step 0", "read 0", "save", "step 1", "read 1", "save"]
    assert [state for state, _ in fake.saved] == [1, 2, 3, 4, 5]
    assert [position.step for _, position in fake.saved] == [1, 2, 3, 4, 5]


def test_an_interruption_saves_the_latest_step(epoch: Any) -> None:
    fake, position = epoch(signal_in=2)
    assert fake.events[-4:-1] == ["read 1", "read 2", "save"]
    assert fake.saved == [(3, position)] and position.batch == 3


@pytest.mark.parametrize("bad", range(NUM_BATCHES))
@pytest.mark.parametrize("checkpoint_seconds", [-1.0, 1e9])
def test_a_loss_that_is_not_finite_names_its_batch(
    epoch: Any, bad: int, checkpoint_seconds: float
) -> None:
    step = NUM_BATCHES + bad
    begin = Position(epoch=1, step=NUM_BATCHES)
    fake, _ = epoch(checkpoint_seconds, begin, bad=step)
    message = fake.events[-1]
    assert message.startswith("the loss became nan (gradient norm 1.0) in epoch 2, ")
    assert f"batch {bad + 1};" in message
    assert ("a-run keeps the last good checkpoint" in message) == bool(fake.saved)
    # No checkpoint holds what the bad step computed.
    assert all(state <= step for state, _ in fake.saved)


def test_the_speed_is_of_the_epoch_without_compilations_and_checkpoints(
    epoch: Any,
) -> None:
    before = Position(epoch=1, step=NUM_BATCHES, tokens=1000, seconds=50.0)
    fake, position = epoch(-1.0, before)
    assert fake.now == 100 + 1001 * NUM_BATCHES
    assert position.epoch_seconds == NUM_BATCHES
    assert position.tokens_per_second() == NUM_TOKENS
    assert (position.seconds, position.tokens) == (
        50 + NUM_BATCHES,
        1000 + NUM_BATCHES * NUM_TOKENS,
    )
    position.begin_epoch()
    assert (position.epoch_seconds, position.epoch_tokens) == (0, 0)
    assert (position.epoch, position.batch, position.total) == (2, 0, 0)


def test_the_step_before_a_compilation_counts(epoch: Any) -> None:
    fake, position = epoch(new_shape=3)
    # Step 2 is read before the compilation of step 3, which would hide its time.
    expected = ["step 2", "read 1", "read 2", "step 3", "step 4", "read 3", "read 4"]
    assert fake.events[-7:] == expected
    assert fake.now == 200 + NUM_BATCHES
    assert position.tokens_per_second() == NUM_TOKENS


def test_the_time_left_does_not_count_compilations() -> None:
    bar = tqdm(total=4, file=io.StringIO(), mininterval=0)
    bar.start_t -= 100  # as if 100 seconds had passed since the start
    bar.last_print_t -= 100
    console.leave_out(bar, 99)
    bar.update(1)
    assert 1 <= bar.format_dict["elapsed"] < 99
    assert 1 / 99 < bar.format_dict["rate"] <= 1
    bar.close()
    console.leave_out(tqdm(disable=True), 99)
