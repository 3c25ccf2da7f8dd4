"""The flags of the tasks. It imports no JAX: a help text does not wait for it."""

import re
from typing import Any

from zoo.tasks.configs import charlm, classification, memory, ner, pos, seq2seq
from zoo.tasks.configs.base import Config

CONFIGS: dict[str, type[Config]] = {
    "classification": classification.Config,
    "pos": pos.Config,
    "ner": ner.Config,
    "charlm": charlm.Config,
    "seq2seq": seq2seq.Config,
    "memory": memory.Config,
}

GROUPS = ("Data", "Model", "Training", "FineTuning", "Devices", "Run")


def groups(kind: type[Config]) -> dict[str, Any]:
    """Return the groups of flags of a task, dataclasses by names such as fine_tuning.

    Args:
        kind: the flags of the task, which inherit the groups.
    """
    return {
        re.sub(r"\B[A-Z]", r"_\g<0>", name).lower(): next(
            base for base in kind.__mro__ if base.__name__ == name
        )
        for name in GROUPS
    }
