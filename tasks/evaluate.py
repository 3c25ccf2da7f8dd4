"""Score a trained model on a corpus: ``python -m tasks.evaluate RUN --data SPEC``."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import optax
import tyro
from tyro.conf import Positional

from tasks.data import Source
from tasks.program import Program
from tasks.registry import TASKS
from tasks.run import console
from zoo import artifact


@dataclass(frozen=True)
class Evaluate(Source):
    """Score a trained model on a corpus."""

    run: Positional[Path] = dataclasses.field(kw_only=True)
    """Run folder, or the model folder in it."""
    split: Literal["train", "dev", "test"] = "test"
    """The split to score."""
    batch_size: int = 32
    """Rows of a batch."""
    seed: int = 0
    """Seed of the split of the sample, where the flags name no data."""
    debug: bool = False
    """Show the traceback of an error."""


def evaluate(flags: Evaluate) -> None:
    """Print the scores of a model, a table of its classes, and its speed.

    Args:
        flags: the model and the data.

    Raises:
        ValueError: if the model does not say which task it was trained for.
    """
    trained = artifact.load(flags.run)
    name = artifact.about(flags.run).get("task")
    if name not in TASKS:
        known = ", ".join(TASKS)
        raise ValueError(
            f"{flags.run}: the model's task must be one of {known}, got {name!r}"
        )
    source = {f.name: getattr(flags, f.name) for f in dataclasses.fields(Source)}
    config = TASKS[name].Config(**source, batch_size=flags.batch_size, seed=flags.seed)
    task = TASKS[name](config, trained, flags.split)
    program = Program(task, optax.identity())
    scores, loss, _ = program.evaluate(trained.params, flags.split)
    # Timed in a second pass, when every program is compiled.
    started = time.perf_counter()
    program.evaluate(trained.params, flags.split)
    seconds = time.perf_counter() - started
    tokens = sum(int(b["mask"].sum()) for b in task.batches(flags.split, None))
    for key, value in {**scores.values, "loss": loss}.items():
        print(f"{key:<14} {value:.4f}")
    if scores.per_class:
        columns = list(next(iter(scores.per_class.values())))
        width = max(map(len, scores.per_class))
        print("\n" + "  ".join([" " * width, *(f"{c:>9}" for c in columns)]))
        for label, row in scores.per_class.items():
            cells = [
                f"{v:>9.4f}" if isinstance(v, float) else f"{v:>9}"
                for v in row.values()
            ]
            print("  ".join([f"{label:<{width}}", *cells]))
    print(
        f"\n{tokens:,} tokens, {tokens / seconds:,.0f} tokens/s without compilation, "
        f"{program.num_compilations()} programs compiled"
    )


def main() -> None:
    """Read the command line and score."""
    flags = tyro.cli(Evaluate, description=__doc__)
    with console.errors(flags.debug):
        evaluate(flags)


if __name__ == "__main__":
    main()
