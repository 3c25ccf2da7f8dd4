"""Console output of a run: header, progress bar, epochs, results, errors."""

import resource
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
from tqdm import tqdm

from zoo.layers.kernels import describe_kernels
from zoo.tasks import disk, processes
from zoo.tasks.run import flags
from zoo.tasks.run.errors import describe
from zoo.tasks.run.folder import Run
from zoo.tasks.run.position import Length, Position
from zoo.tasks.run.protocols import RunTask
from zoo.tasks.scores import Scores


def begin(
    run: Run,
    task: RunTask,
    params: Any,
    num_trained: int,
    position: Position,
    devices: str | None,
) -> None:
    """Print the model, the sizes of the data, the kernels, and the epoch resumed from.

    Args:
        run: the run.
        task: the task.
        params: of the model.
        num_trained: how many of them are trained.
        position: the progress of the run.
        devices: what is divided among them, None for one device.
    """
    num_parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    counts = {"device": jax.device_count(), "process": jax.process_count()}
    numbers = [f"{n} {name}{_plural(name, n)}" for name, n in counts.items()]
    where = " in ".join(numbers if counts["process"] > 1 else numbers[:1])
    size = f"{num_parameters:,} parameters"
    if num_trained != num_parameters:
        size += f", {num_trained:,} of them trained"
    print(f"{task.name}: {task.config.cell}, {size}, {where}")
    kernels = describe_kernels(task.pipeline.model)
    lines = {"kernels": kernels} if kernels is not None else {}
    lines |= {"devices": devices} if devices is not None else {}
    for name, size in {**task.sizes(), **lines, "run folder": run.path}.items():
        print(f"  {name:<12} {size}")
    for note in task.notes:
        print(f"  note: {note}")
    if position.step:
        print(f"resuming in epoch {position.epoch + 1}, after {position.step:,} steps")
    sys.stdout.flush()


def _plural(name: str, number: int) -> str:
    return "" if number == 1 else "es" if name == "process" else "s"


def bar(position: Position, length: Length, *, is_first: bool) -> tqdm:
    """Return the progress bar of an epoch; it is silent without a terminal.

    Args:
        position: the progress of the run.
        length: of the run.
        is_first: whether the first batch compiles the programs, which is said.
    """
    if is_first:
        print("compiling (once), then training: one line per epoch", flush=True)
    return tqdm(
        total=length.num_batches(position.epoch),
        initial=position.batch,
        desc=f"epoch {position.epoch + 1}/{length.num_epochs}",
        unit="batch",
        leave=False,
        mininterval=0.5,
        dynamic_ncols=True,
        disable=None if processes.leads() else True,
    )


def advance(bar: tqdm, position: Position) -> None:
    """Advance the progress bar by one batch.

    Args:
        bar: the progress bar.
        position: the progress of the run.
    """
    bar.update(1)
    loss = position.total / max(position.count, 1)
    bar.set_postfix_str(
        f"loss {loss:.3f}, {position.tokens_per_second():,.0f} tokens/s", refresh=False
    )


def leave_out(bar: tqdm, seconds: float) -> None:
    """Leave a compilation out of the time and the speed that the bar shows.

    Args:
        bar: the progress bar.
        seconds: that were spent just now.
    """
    if not bar.disable:
        bar.start_t += seconds
        bar.last_print_t += seconds


def epoch(line: dict[str, Any], is_best: bool) -> None:
    """Print the losses and the dev scores of an epoch in one line.

    Args:
        line: of the log.
        is_best: whether its dev score is the best so far.
    """
    dev = "  ".join(
        f"{name[4:].replace('_', ' ')} {value:.4f}"
        for name, value in line.items()
        if name.startswith("dev_") and name != "dev_loss"
    )
    print(
        f"epoch {line['epoch']:>3}  train loss {line['train_loss']:.4f}  dev loss "
        f"{line['dev_loss']:.4f}  {dev}  {line['tokens_per_second']:,.0f} tokens/s"
        f"{'  best' if is_best else ''}",
        flush=True,
    )


def finish(
    run: Run,
    task: RunTask,
    scores: Mapping[str, Scores],
    position: Position,
    compilations: int,
    started: float,
) -> None:
    """Write ``metrics.json``, and print the scores and the command to use the model.

    Args:
        run: the run.
        task: the task.
        scores: of the best model, by split.
        position: the progress of the run.
        compilations: number of compiled programs.
        started: start time by ``time.monotonic``, moved forward by the pauses of a
            resumed run.
    """
    baselines = task.baselines()
    # ru_maxrss is in bytes on macOS, in KiB elsewhere.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    about = {
        "monitor": task.monitor[0],
        "epochs": position.epoch,
        "best_epoch": position.best_epoch + 1,
        "minutes": round((time.monotonic() - started) / 60, 2),
        "tokens_per_second": round(position.tokens / max(position.seconds, 1e-9), 1),
        "peak_memory_mb": round(memory),
        "compilations": compilations,
    }
    more = {
        "baselines": {name: baseline.values for name, baseline in baselines.items()},
        "run": about,
    }
    if task.coverage:
        more["vectors"] = task.coverage
    labels = getattr(task, "labels", None)
    run.finish(scores, more, labels.tokens if labels is not None else [])
    _print_scores(scores, baselines)
    print(
        f"\nbest epoch {about['best_epoch']} of {about['epochs']}, "
        f"{about['minutes']} minutes, {about['tokens_per_second']:,.0f} tokens/s, "
        f"{compilations} programs compiled, peak memory {about['peak_memory_mb']:,} MB"
    )
    print(f"run folder: {run.path}")
    print(f"try it:     {usage(run, task)}")


def _print_scores(scores: Mapping[str, Scores], baselines: dict[str, Scores]) -> None:
    """Print a table: a row per split and per baseline, a column per score."""
    rows = {**scores, **{f"test baseline: {name}": b for name, b in baselines.items()}}
    columns = list(scores["test"].values)
    width = max(map(len, rows))
    print("\n" + "  ".join([" " * width, *(f"{_title(c):>13}" for c in columns)]))
    for name, row in rows.items():
        cells = [f"{row.values[c]:.4f}" if c in row.values else "-" for c in columns]
        print("  ".join([f"{name:<{width}}", *(f"{cell:>13}" for cell in cells)]))


def _title(score: str) -> str:
    return score.replace("_", " ")


def usage(run: Run, task: RunTask) -> str:
    """Return the command that uses the trained model.

    Args:
        run: the run.
        task: the task.
    """
    text, path = shlex.quote(task.example()), shlex.quote(str(run.path))
    cell = task.config.cell
    own = f" --cell {cell}" if ":" in cell else ""
    if task.pipeline.kind == "language_model":
        return f"zoo generate {path}{own} --prompt {text} --length 500"
    return f"zoo predict {path}{own} {text}"


def interrupted(run: Run) -> None:
    """Print how to resume an interrupted run.

    Args:
        run: the run.
    """
    if processes.count() > 1:
        print(
            f"stopped; a checkpoint is saved in {run.path}; to resume, start all "
            "processes again with --resume, or one",
            file=sys.stderr,
        )
        return
    words = flags.command()
    is_known = run.task in words
    program = shlex.join(words[: words.index(run.task)]) if is_known else "zoo train"
    print(
        f"stopped; a checkpoint is saved in {run.path}; to resume: {program} "
        f"{run.task} --out {shlex.quote(str(run.path))} --resume",
        file=sys.stderr,
    )


@contextmanager
def errors(
    debug: bool, after_full_disk: str = "free some space and repeat the command"
) -> Iterator[None]:
    """Report an exception as one line, and exit with status 1, or that of a signal.

    Args:
        debug: raise the exception instead, to show its traceback.
        after_full_disk: what to do after the error of a full disk.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        print("stopped", file=sys.stderr)
        number = error.args[0] if error.args else signal.SIGINT
        raise SystemExit(128 + number) from None
    except Exception as error:
        if debug:
            raise
        text = describe(error)
        own = type(error).__module__.startswith("zoo")
        own = own or type(error) is ValueError
        message = text if own else f"{type(error).__name__}: {text}"
        if disk.is_full(error):
            message = f"{text}; {after_full_disk}"
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(1) from None
