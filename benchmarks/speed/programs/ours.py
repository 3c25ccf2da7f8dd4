"""The task as ``train.py`` trains it."""

from typing import Any

import jax

from benchmarks.speed.programs.base import Program
from tasks import optimizers
from tasks.program import Program as Steps


class Ours(Program):
    """The compiled steps of ``train.py``."""

    def make(self) -> int:
        """Make the state of training; return the number of parameters."""
        config = self.task.config
        steps = self.task.num_batches("train") * self.task.epochs()
        tx = optimizers.make(config, steps)
        self.program = Steps(self.task, tx, steps)
        params = self.task.pipeline.params
        self.state = self.program.init_state(params, config.seed)
        self.step = 0
        self.carry: Any = None
        return sum(leaf.size for leaf in jax.tree.leaves(params))

    def learn(self, batch: Any, fresh: bool) -> float:
        """Train on a batch.

        Args:
            batch: numpy arrays.
            fresh: whether a carried state begins anew.
        """
        state = self.state
        if fresh:
            size = self.task.config.batch_size
            state = state._replace(carry=self.program.init_carry(state.params, size))
        placed = self.program.place(batch)
        self.state, found = self.program.train_step(state, placed, self.step)
        total, count, _ = map(float, found)
        self.step += 1
        return total / max(count, 1)

    def judge(self, batch: Any, fresh: bool) -> float:
        """Predict a batch.

        Args:
            batch: numpy arrays.
            fresh: whether a carried state begins anew.
        """
        params = self.state.params
        if fresh:
            self.carry = self.program.init_carry(params, len(batch["mask"]))
        placed = self.program.place(batch)
        found, self.carry = self.program.eval_step(params, placed, self.carry)
        found = jax.device_get(found)
        return float(found["loss"]) / max(int(found["count"]), 1)
