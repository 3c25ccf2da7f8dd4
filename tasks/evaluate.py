"""The scores of a trained model: ``zoo evaluate RUN [--data SPEC]``."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import optax

from zoo import artifact
from zoo.cli import compile_cache
from zoo.cli.model import load
from zoo.cli.terminal import visible
from zoo.tasks.cli.evaluate import Evaluate
from zoo.tasks.configs import Config
from zoo.tasks.configs.base import Devices
from zoo.tasks.data import DataError, Files, Source
from zoo.tasks.program import Program
from zoo.tasks.registry import TASKS
from zoo.tasks.run import flags
from zoo.tasks.scores import Scores

FILES = ("data", "train_file", "dev_file", "test_file")


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


def _config(kind: type[Config], options: Evaluate, own: dict[str, Any]) -> Any:
    """Return the flags of the run, with the data, seed and batches of `options`."""
    names = {field.name for field in dataclasses.fields(kind)}
    # It may have been trained on other devices.
    names -= {field.name for field in dataclasses.fields(Devices)}
    values = {name: value for name, value in own.items() if name in names}
    is_named = any(getattr(options, field) for field in FILES)
    of_data = {field.name: field.default for field in dataclasses.fields(Source)}
    of_batches = dict.fromkeys(("batch_size", "batch_tokens", "seed"))
    for name, default in {**of_data, **of_batches, "one_stream": False}.items():
        value = getattr(options, name)
        if name not in names and value != default:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} is not for the task of {options.run}")
        if name in names and (value != default or (is_named and name in of_data)):
            values[name] = value
    for name, value in values.items():
        values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _same_files(options: Evaluate, own: dict[str, Any]) -> bool:
    """Return whether the options name exactly the files of the run."""
    return bool(own) and all(
        _resolved(getattr(options, field)) == _resolved(own.get(field))
        for field in FILES
    )


def _trained_on(config: Files, own: dict[str, Any]) -> bool:
    """Return whether a file that is scored is one that the run was trained on."""
    scored = _resolved(config.data)
    train = _resolved(own.get("train_file")) or _resolved(own.get("data"))
    return any(one in train or set(one.parents) & set(train) for one in scored)


def _resolved(names: Any) -> list[Path]:
    names = [names] if isinstance(names, str) else names or []
    return [Path(name).resolve() for name in names]


def _is_file(config: Files) -> bool:
    return bool(config.data) and Path(str(config.data)).is_file()


def _names(config: Files, split: str | None = None) -> str:
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
