"""What a run shows on the screen, and how errors are told."""

import resource
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
from tqdm import tqdm

from tasks.base import Scores, Task
from tasks.run.folder import Position, Run


def begin(run: Run, task: Task, params: Any, at: Position) -> None:
    """Tell what is going to be trained on what.

    Args:
        run: the run.
        task: the task.
        params: of the model.
        at: where the run stands.
    """
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    config = task.config
    print(
        f"{task.name}: {config.cell}, {count:,} parameters, "
        f"{jax.device_count()} device(s)"
    )
    for name, told in task.sizes().items():
        print(f"  {name:<12} {told}")
    for note in task.notes:
        print(f"  note: {note}")
    if at.step:
        print(f"going on in epoch {at.epoch + 1}, after {at.step:,} batches")
    sys.stdout.flush()


def bar(at: Position, batches: int, epochs: int) -> tqdm:
    """Return the progress bar of an epoch.

    Args:
        at: where the run stands.
        batches: of the epoch.
        epochs: in all.
    """
    return tqdm(
        total=batches,
        initial=at.batch,
        desc=f"epoch {at.epoch + 1}/{epochs}",
        unit="batch",
        leave=False,
        mininterval=0.5,
        dynamic_ncols=True,
        disable=None,  # quiet where the output is no terminal
    )


def advance(bar: tqdm, at: Position) -> None:
    """Show one batch more.

    Args:
        bar: the bar.
        at: where the run stands.
    """
    bar.update(1)
    loss = at.total / max(at.count, 1)
    bar.set_postfix_str(
        f"loss {loss:.3f}, {at.tokens / max(at.seconds, 1e-9):,.0f} tokens/s",
        refresh=False,
    )


def epoch(line: dict[str, Any], better: bool) -> None:
    """Tell the result of an epoch in one line.

    Args:
        line: the line of the log.
        better: whether it is the best so far.
    """
    dev = "  ".join(
        f"{name[4:].replace('_', ' ')} {value:.4f}"
        for name, value in line.items()
        if name.startswith("dev_") and name != "dev_loss"
    )
    print(
        f"epoch {line['epoch']:>3}  loss {line['train_loss']:.4f}  dev loss "
        f"{line['dev_loss']:.4f}  {dev}  {line['tokens_per_second']:,.0f} tokens/s"
        f"{'  *' if better else ''}",
        flush=True,
    )


def finish(
    run: Run,
    task: Task,
    scores: dict[str, Scores],
    at: Position,
    compilations: int,
    started: float,
) -> None:
    """Write the results, and show them in a table with what to do next.

    Args:
        run: the run.
        task: the task.
        scores: of the best model, by split.
        at: where the run stands.
        compilations: how many programs were compiled.
        started: when, by ``time.monotonic``; of a resumed run, as if without a break.
    """
    baselines = task.baselines()
    # ru_maxrss is in bytes on a Mac, in KiB elsewhere.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    about = {
        "monitor": task.monitor[0],
        "epochs": at.epoch,
        "best_epoch": at.best_epoch + 1,
        "minutes": round((time.monotonic() - started) / 60, 2),
        "tokens_per_second": round(at.tokens / max(at.seconds, 1e-9), 1),
        "peak_memory_mb": round(memory),
        "compilations": compilations,
    }
    more = {
        "baselines": {name: found.values for name, found in baselines.items()},
        "run": about,
    }
    labels = getattr(task, "labels", None)
    run.finish(scores, more, labels.tokens if labels is not None else [])
    rows = {**scores, **{f"test, {name}": found for name, found in baselines.items()}}
    columns = list(scores["test"].values)
    width = max(map(len, rows))
    print("\n" + "  ".join([" " * width, *(f"{name:>13}" for name in columns)]))
    for name, found in rows.items():
        values = [f"{found.values.get(c, float('nan')):>13.4f}" for c in columns]
        print("  ".join([f"{name:<{width}}", *values]))
    print(
        f"\nbest epoch {at.best_epoch + 1} of {at.epoch}, {about['minutes']} minutes, "
        f"{about['tokens_per_second']:,.0f} tokens/s, {compilations} programs "
        f"compiled, {about['peak_memory_mb']:,} MB at most"
    )
    print(f"run folder: {run.path}")
    print(f"use it:     {usage(run, task)}")


def usage(run: Run, task: Task) -> str:
    """Return the command that uses the trained model.

    Args:
        run: the run.
        task: the task.
    """
    text = shlex.quote(task.example())
    if task.pipeline.kind == "language_model":
        return f"python -m zoo generate {run.path} --prompt {text} --length 500"
    return f"python -m zoo predict {run.path} {text}"


def interrupted(run: Run) -> None:
    """Say how to go on.

    Args:
        run: the run.
    """
    print(
        f"stopped; the run is saved in {run.path}; to go on, give the same command "
        f"with --out {run.path} --resume",
        file=sys.stderr,
    )


@contextmanager
def errors(debug: bool) -> Iterator[None]:
    """Turn errors into one clear line and exit status 1, unless debugging.

    Args:
        debug: show the traceback.
    """
    try:
        yield
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if debug:
            raise
        kind = (
            "" if type(error).__module__.startswith("tasks") else type(error).__name__
        )
        text = str(error) or repr(error)
        if isinstance(error, OSError) and error.errno == 28:
            free = shutil.disk_usage(".").free
            text += f" (free here: {free / 2**20:,.0f} MB); the last checkpoint is kept"
        told = f"{kind}: {text}" if kind not in ("", "ValueError") else text
        print(f"error: {told}", file=sys.stderr)
        raise SystemExit(1) from None
