"""A task as ``train.py`` trains it."""

from typing import Any

import jax

from benchmarks.speed.programs.base import Program
from zoo.tasks import optimizers
from zoo.tasks.base import Batch
from zoo.tasks.program import Program as CompiledSteps


class Ours(Program):
    """The compiled steps of ``train.py``."""

    def build(self) -> int:
        """Build the training state; return the number of parameters."""
        config = self.task.config
        num_steps = self.task.num_batches("train") * self.task.epochs()
        optimizer = optimizers.make(config, num_steps)
        self.steps = CompiledSteps(self.task, optimizer, num_steps)
        params = self.task.pipeline.params
        self.state = self.steps.init_state(params, config.seed)
        self.step = 0
        self.eval_carry: Any = None
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    def train_batch(self, batch: Batch, reset: bool) -> float:
        """Train on a batch and return its loss per token.

        Args:
            batch: NumPy arrays.
            reset: whether a carried state starts at zero.
        """
        state = self.state
        if reset:
            state = state._replace(carry=self.steps.init_carry(state.params))
        placed = self.steps.place(batch)
        self.state, statistics = self.steps.train_step(state, placed, self.step)
        self.step += 1
        return float(statistics.total) / max(float(statistics.count), 1)

    def evaluate_batch(self, batch: Batch, reset: bool) -> float:
        """Predict a batch and return its loss per token.

        Args:
            batch: NumPy arrays.
            reset: whether a carried state starts at zero.
        """
        params = self.state.params
        if reset:
            self.eval_carry = self.steps.init_carry(params, len(batch["mask"]))
        placed = self.steps.place(batch)
        result, self.eval_carry = self.steps.eval_step(params, placed, self.eval_carry)
        result = jax.device_get(result)
        return float(result["loss"]) / max(int(result["count"]), 1)
