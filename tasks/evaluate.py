"""Score a trained model: ``python -m zoo.tasks.evaluate RUN [--data SPEC]``."""

import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optax
import tyro
from tyro.conf import Positional

from zoo import artifact
from zoo.cli import compile_cache
from zoo.cli.arguments import check_options
from zoo.cli.model import load
from zoo.cli.terminal import closed_pipe_is_quiet, visible
from zoo.tasks.base import Config
from zoo.tasks.data import DataError, Source
from zoo.tasks.program import Program
from zoo.tasks.registry import TASKS
from zoo.tasks.run import console, flags
from zoo.tasks.scores import Scores

FILES = ("data", "train_file", "dev_file", "test_file")


@dataclass(frozen=True)
class Evaluate(Source):
    """Score a trained model on its own data, or on another corpus."""

    run: Positional[Path] = dataclasses.field(kw_only=True)
    """Run folder, or the model folder in it."""
    cell: str | None = None
    """The model's cell if it is your own: module:Class, whose module is imported."""
    data: str | None = None
    """A file, a folder, a glob or hub:NAME[/CONFIG]. Default: the run's own data."""
    split: Literal["train", "dev", "test"] = "test"
    """The split to score."""
    batch_size: int | None = None
    """Rows of a batch. Default: the run's."""
    batch_tokens: int | None = None
    """Largest batch, rows x padded length. Default: the run's."""
    seed: int | None = None
    """Seed of the splits that are taken from train. Default: the run's."""
    compile_cache: bool = True
    """Keep compiled programs on disk, in ZOO_COMPILE_CACHE or ~/.cache/rnn-zoo."""
    debug: bool = False
    """Show the traceback of an error."""


def evaluate(options: Evaluate) -> None:
    """Print what is scored, the scores, a table of the classes, and the speed.

    Args:
        options: the model and the data.

    Raises:
        ValueError: if the model does not say which task it was trained for.
        zoo.tasks.data.DataError: if the data cannot be read, or neither the options nor
            the run name any.
    """
    if options.compile_cache:
        compile_cache.use()
    trained = load(options.run, options.cell)
    name = artifact.about(options.run).get("task")
    if name not in TASKS:
        known = ", ".join(TASKS)
        raise ValueError(
            f"{options.run}: the model's task must be one of {known}, got {name!r}"
        )
    own = flags.read(options.run)
    named = any(getattr(options, field) for field in FILES)
    if own is None and not named:
        raise DataError(
            f"{options.run} has no config.json of a run, which names its data; give "
            "--data"
        )
    config = _config(TASKS[name].Config, options, own or {})
    if named and not _same_files(options, own or {}):
        task = TASKS[name](config, trained, options.split)
        where = _names(config, options.split)
        where += ": all of its rows, none is held out" if _is_file(config) else ""
        if own and _trained_on(config, own):
            where += "; the model was trained on rows of it"
    else:
        try:
            task = TASKS[name](config, trained)
        except DataError as error:
            raise DataError(f"the run's own data: {error}; or give --data") from None
        where = f"the run's own data, {_names(config)}, seed {config.seed}"
    program = Program(task, optax.identity())
    scores, loss, _ = program.evaluate(trained.params, options.split)
    # Timed in a second pass, when every program is compiled.
    started = time.perf_counter()
    program.evaluate(trained.params, options.split)
    seconds = time.perf_counter() - started
    tokens = sum(int(b["mask"].sum()) for b in task.batches(options.split, None))
    print(f"scored: {options.split}, {tokens:,} tokens, of {where}")
    for note in task.notes:
        print(f"  note: {note}")
    _print(scores, loss)
    print(
        f"\n{tokens:,} tokens, {tokens / seconds:,.0f} tokens/s without compilation, "
        f"{program.num_compilations()} programs compiled"
    )


def _config(kind: type[Config], options: Evaluate, own: dict[str, Any]) -> Config:
    """Return the flags of the run, with the data, seed and batches of `options`."""
    values: dict[str, Any] = {
        f.name: own[f.name] for f in dataclasses.fields(kind) if f.name in own
    }
    if any(getattr(options, field) for field in FILES):
        for field in dataclasses.fields(Source):
            values[field.name] = getattr(options, field.name)
    else:
        defaults = Source()
        for field in dataclasses.fields(Source):
            value = getattr(options, field.name)
            if value != getattr(defaults, field.name):
                values[field.name] = value
    for field in ("batch_size", "batch_tokens", "seed"):
        if getattr(options, field) is not None:
            values[field] = getattr(options, field)
    for field, value in values.items():
        values[field] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _same_files(options: Evaluate, own: dict[str, Any]) -> bool:
    """Return whether the options name exactly the files of the run."""
    return bool(own) and all(
        _resolved(getattr(options, field)) == _resolved(own.get(field))
        for field in FILES
    )


def _trained_on(config: Config, own: dict[str, Any]) -> bool:
    """Return whether a file that is scored is one that the run was trained on."""
    scored = _resolved(config.data)
    train = _resolved(own.get("train_file")) or _resolved(own.get("data"))
    return any(one in train or set(one.parents) & set(train) for one in scored)


def _resolved(names: Any) -> list[Path]:
    names = [names] if isinstance(names, str) else names or []
    return [Path(name).resolve() for name in names]


def _is_file(config: Config) -> bool:
    return bool(config.data) and Path(str(config.data)).is_file()


def _names(config: Config, split: str | None = None) -> str:
    """Return the names of the data; with `split`, its own files if flags name them."""
    files = getattr(config, f"{split}_file") if split else ()
    files = files or [config.data] if config.data or files else ()
    if not files:
        files = [*config.train_file, *config.dev_file, *config.test_file]
    return ", ".join(map(str, files)) or "the sample"


def _print(scores: Scores, loss: float) -> None:
    """Print the scores, and a table of the classes."""
    for key, value in {**scores.values, "loss": loss}.items():
        print(f"{key:<14} {value:.4f}")
    if scores.per_class:
        columns = list(next(iter(scores.per_class.values())))
        labels = list(map(visible, scores.per_class))
        width = max(map(len, labels))
        print("\n" + "  ".join([" " * width, *(f"{c:>9}" for c in columns)]))
        for label, row in zip(labels, scores.per_class.values(), strict=True):
            cells = [
                f"{v:>9.4f}"
                if isinstance(v, float)
                else f"{'-' if v is None else v:>9}"
                for v in row.values()
            ]
            print("  ".join([f"{label:<{width}}", *cells]))


def main() -> None:
    """Read the command line and score."""
    check_options(sys.argv[1:], Evaluate, "zoo.tasks.evaluate")
    options = tyro.cli(
        Evaluate, prog="python -m zoo.tasks.evaluate", description=__doc__
    )
    with console.errors(options.debug), closed_pipe_is_quiet():
        evaluate(options)


if __name__ == "__main__":
    main()
