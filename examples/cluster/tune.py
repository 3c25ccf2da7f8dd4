"""Search the hyperparameters of a task with Ray Tune, on one machine or a Ray cluster.

::

    pip install "ray[tune]"
    python examples/cluster/tune.py ner --trials 20 -- --data corpora/conll2003

Each trial is a run of ``zoo train`` in a process of its own; the flags after ``--`` are
those of all trials. Early on, ASHA stops the trials whose dev scores are the worst (Li
et al. 2018, arXiv:1810.05934). The same command continues an interrupted search.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray import tune  # pyright: ignore[reportMissingImports]
from ray.tune.schedulers import (  # pyright: ignore[reportMissingImports]
    ASHAScheduler,
)

SPACE = {
    "learning-rate": tune.loguniform(5e-4, 5e-3),
    "dropout": tune.uniform(0.2, 0.6),
    "hidden-size": tune.choice([100, 200, 300]),
    "seed": tune.randint(0, 1_000_000),
}


def train(
    space: dict[str, Any], task: str, flags: list[str], out: Path, folder: Path
) -> None:
    """Run ``zoo train``, and report the line of the log of each epoch to Ray.

    Args:
        space: the values of the flags of this trial.
        task: name of the task.
        flags: of all trials.
        out: the folder of the runs of all trials.
        folder: in which the command was called.
    """
    run = out / tune.get_context().get_trial_id()
    chosen = [f"--{name}={value}" for name, value in space.items()]
    command = [sys.executable, "-m", "zoo", "train", task, *flags, *chosen]
    command += [f"--out={run}", "--resume"]
    with open(run.with_suffix(".txt"), "ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for line in follow(run / "log.jsonl", process):
            tune.report(line)
    finally:  # also when Ray stops the trial
        process.terminate()
        process.wait()
    if process.returncode:
        text = run.with_suffix(".txt").read_text(errors="replace")
        raise RuntimeError(f"zoo train failed:\n{text[-2000:]}")


def follow(log: Path, process: subprocess.Popen) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log, until the process that writes it has ended."""
    done = 0
    while True:
        has_ended = process.poll() is not None
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        # A resumed run first removes the lines after its last checkpoint.
        lines = text[: text.rfind("\n") + 1].splitlines()
        yield from map(json.loads, lines[done:])
        done = max(done, len(lines))
        if has_ended:
            return
        time.sleep(1.0)


def main() -> None:
    """Search, and print the best trial."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--metric", default="dev_f1", help="of log.jsonl")
    parser.add_argument("--mode", choices=("max", "min"), default="max")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--cpus", type=float, default=2, help="of a trial")
    parser.add_argument("--gpus", type=float, default=0, help="of a trial")
    parser.add_argument("--out", type=Path, default=Path("runs/tune"))
    parser.add_argument("flags", nargs="*", help="of zoo train, after --")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    trainable = tune.with_parameters(
        train,
        task=arguments.task,
        flags=[*arguments.flags, f"--epochs={arguments.epochs}"],
        out=out,
        folder=Path.cwd(),
    )
    resources = {"cpu": arguments.cpus, "gpu": arguments.gpus}
    trainable = tune.with_resources(trainable, resources)
    search = out / "search"
    if tune.Tuner.can_restore(search):
        tuner = tune.Tuner.restore(
            str(search), trainable, resume_unfinished=True, restart_errored=True
        )
    else:
        tuner = tune.Tuner(
            trainable,
            param_space=SPACE,
            tune_config=tune.TuneConfig(
                metric=arguments.metric,
                mode=arguments.mode,
                num_samples=arguments.trials,
                # A trial that has reached max_t would be stopped before its test.
                scheduler=ASHAScheduler(
                    time_attr="epoch", max_t=arguments.epochs + 1, grace_period=3
                ),
            ),
            run_config=tune.RunConfig(name=search.name, storage_path=str(out)),
        )
    best = tuner.fit().get_best_result(scope="all")
    assert best.metrics is not None and best.metrics_dataframe is not None
    scores = best.metrics_dataframe[arguments.metric]
    score = scores.max() if arguments.mode == "max" else scores.min()
    print(f"best {arguments.metric}: {score}")
    print(f"flags: {best.config}")
    print(f"run: {out / best.metrics['trial_id']}")


if __name__ == "__main__":
    main()
