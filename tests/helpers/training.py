"""Small runs of the training program, shared by its tests."""

import os
import subprocess
import sys
from pathlib import Path

import filelock

ROOT = Path(__file__).parents[2]
TASKS = ("classification", "pos", "ner", "charlm", "seq2seq", "memory")
SMALL = ["--hidden-size", "8", "--epochs", "2", "--dropout", "0.2"]
SMALL += ["--learning-rate", "0.01"]
OF_TASK = {
    "classification": ["--limit-train", "48", "--max-length", "16"],
    "pos": [
        *("--limit-train", "48", "--max-length", "16", "--char-size", "8"),
        *("--dtype", "bfloat16"),
    ],
    "ner": ["--limit-train", "48", "--max-length", "16", "--char-size", "8"],
    "charlm": ["--max-length", "20"],
    "memory": ["--problem", "copy", "--length", "3", "--limit-train", "80"],
    "seq2seq": ["--ema", "0.9", "--sampling", "0.3", "--attention", "additive"],
}


def flags(task, folder):
    """Return the flags of a run that takes some seconds."""
    more = [*SMALL, "--num-layers", "1", "--batch-size", "8", *OF_TASK[task]]
    if task != "memory":
        more += ["--embedding-dim", "8"]
    if task == "charlm":
        text = folder / "text.txt"
        if not text.exists():
            text.write_text('To be, or <b>not</b> to be: "that" is it.\n' * 120)
        more += ["--data", str(text)]
    if task == "seq2seq":
        pairs = folder / "pairs.tsv"
        words = [f"{a}{b}{c}" for a in "xyzw" for b in "abcd" for c in "mnop"]
        pairs.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
        more += ["--data", str(pairs)]
    return more


def environment(tmp_path_factory, **more):
    """Return an environment whose processes, in all tests, share what they compile."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # that of all workers
    cache = base / "compiled"
    return {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        "HF_DATASETS_CACHE": str(cache / "datasets"),
        "PYTHONPATH": str(ROOT),
        **more,
    }


def command(module, *args):
    """Return a command line of the project: a script, or ``-m module``."""
    start = [str(ROOT / module)] if module.endswith(".py") else ["-m", module]
    return [sys.executable, *start, *map(str, args)]


def run(module, *args, env, **options):
    """Run a command to its end."""
    return subprocess.run(
        command(module, *args),
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def finished(task, tmp_path_factory):
    """Return the folder of a finished run of a task, and what its screen showed.

    It is made once for the tests of all processes: none may change it for good.
    """
    env = environment(tmp_path_factory)
    base = Path(env["JAX_COMPILATION_CACHE_DIR"]).parent / "finished"
    base.mkdir(exist_ok=True)
    out, screen = base / task, base / f"{task}.txt"
    with filelock.FileLock(base / f"{task}.lock"):
        if not screen.exists():
            args = [*flags(task, base), "--out", out, "--overwrite"]
            found = run("train.py", task, *args, env=env)
            assert found.returncode == 0, found.stderr
            assert "could not be written" not in found.stderr
            screen.write_text(found.stdout)
    return out, screen.read_text()


def newest(out):
    """Return the number of the newest whole checkpoint, or -1."""
    folder = out / "checkpoints"
    names = [p.name for p in folder.iterdir()] if folder.exists() else []
    return max((int(name) for name in names if name.isdecimal()), default=-1)
