"""Measure how long a person waits: ``docs/generated/startup.md``.

``python -m benchmarks.startup`` measures every case in turn, and again until each has
``--rounds`` results; ``--page`` only writes the page. Each case is a process, with the
caches of the benchmark. It needs PyTorch, the kernels and a C++ compiler.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import tyro

from benchmarks.csv_table import Row, Table
from benchmarks.environment import describe_machines, machine_columns
from benchmarks.pages import markdown_table, read_template
from benchmarks.paths import PAGES, RESULTS, ROOT
from benchmarks.startup import data

TABLE = RESULTS / "startup.csv"
PAGE = PAGES / "startup.md"
KEY = ("case", "round")
COLUMNS = [*KEY, "command", "seconds", "cpu_seconds", "peak_mb"]
COLUMNS += ["cores", "machine", "versions"]
PACKAGES = ("jax", "flax", "rnn-zoo-native", "torch")
READY = "compiling (once)"  # what training prints before its first step
SPLITS = ("train", "dev", "test")
TORCH = "benchmarks/startup/torch_tagger.py"
CACHES = {"ZOO_COMPILE_CACHE": "compiled", "HF_DATASETS_CACHE": "datasets"}


@dataclass(frozen=True)
class Options:
    """Measure how long a person waits."""

    rounds: int = 5
    """Results of each case."""
    only: str = ""
    """Measure only the cases whose names contain this text."""
    ewt: str = "$ZOO_DATA/pos/en_ewt"
    """Folder of English EWT; without it, its cases are left out."""
    large: bool = False
    """Also measure a text of a gigabyte and files of a million rows."""
    page: bool = False
    """Only write the page."""


@dataclass(frozen=True)
class Case:
    """A command that is measured.

    Attributes:
        name: what it does.
        command: arguments of Python; ``{work}`` stands for the folder of the
            measurement.
        is_cold: whether the caches are deleted first.
        until: start of the line of output at which the clock stops; "" for the end.
        file: name of a file that the command reads; "" for none.
        write: writes that file.
    """

    name: str
    command: str
    is_cold: bool = False
    until: str = ""
    file: str = ""
    write: Callable[[Path], None] | None = None


def cases(options: Options) -> Iterator[Case]:
    """Yield the cases, each after those whose files and caches it uses.

    Args:
        options: what to measure.
    """
    kernels = "-m pip install -q --no-deps --upgrade --target {work}/kernels ./native"
    yield Case("install the kernels", kernels)
    pos = "train.py pos --overwrite --out {work}/pos"
    yield Case("pos on the sample, cold", pos, is_cold=True)
    yield Case("pos on the sample, warm", pos)
    files = [f"tasks/samples/english.conllu:{split}" for split in SPLITS]
    yield Case("pos on the sample, PyTorch", f"{TORCH} --epochs 15 {' '.join(files)}")
    sentence = "'Anna Lind flew from Oslo to Peru.'"
    yield Case("predict a sentence, warm", f"-m zoo predict {{work}}/pos {sentence}")
    if Path(os.path.expandvars(options.ewt)).is_dir():
        train = f"train.py pos --data {options.ewt} --epochs 1 --overwrite"
        train += " --out {work}/ewt"
        files = [f"{options.ewt}/en_ewt-ud-{split}.conllu" for split in SPLITS]
        yield Case("an epoch of EWT, cold", train, is_cold=True)
        yield Case("an epoch of EWT, warm", train)
        yield Case("an epoch of EWT, PyTorch", f"{TORCH} --epochs 1 {' '.join(files)}")
    rows = partial(data.write_rows, size=100_000)
    yield from to_first_step("100,000 rows", "classification", "rows.csv", rows)
    if options.large:
        million = partial(data.write_rows, size=1_000_000)
        name = "1,000,000 rows"
        yield from to_first_step(name, "classification", "million.csv", million)
        pairs = partial(data.write_pairs, size=1_000_000)
        task = "seq2seq --source-tokens bpe --target-tokens bpe"
        yield from to_first_step("1,000,000 pairs", task, "pairs.tsv", pairs)
        text = partial(data.write_text, size=1_000_000_000)
        yield from to_first_step("a text of 1 GB", "charlm", "text.txt", text)


def to_first_step(
    name: str, task: str, file: str, write: Callable[[Path], None]
) -> Iterator[Case]:
    """Yield the first and the second start of a task on a generated file.

    Args:
        name: of the data.
        task: its name and flags.
        file: name of the file.
        write: writes it.
    """
    command = f"train.py {task} --data {{work}}/{file} --overwrite --out {{work}}/run"
    for again in (False, True):
        full_name = f"{name} to the first step, {'again' if again else 'cold'}"
        yield Case(full_name, command, not again, READY, file, write)


def measure(case: Case, work: Path) -> Row:
    """Run a case.

    Args:
        case: what to run.
        work: a folder for data, runs and caches.

    Returns:
        The columns ``seconds``, ``cpu_seconds`` and ``peak_mb``.

    Raises:
        SystemExit: if the command fails.
    """
    if case.write is not None and not (work / case.file).exists():
        case.write(work / case.file)
    if case.is_cold:
        for cache in CACHES.values():
            shutil.rmtree(work / cache, ignore_errors=True)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env |= {variable: str(work / cache) for variable, cache in CACHES.items()}
    command = os.path.expandvars(case.command).format(work=work)
    start, lines, is_ready = time.perf_counter(), [], False
    process = subprocess.Popen(
        [sys.executable, "-u", *shlex.split(command)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.append(line)
            if case.until and line.startswith(case.until):
                is_ready = True
                process.kill()
                break
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if not is_ready and (process.returncode or case.until):
        raise SystemExit(f"{case.name} failed:\n{''.join(lines[-20:])}")
    return {
        "seconds": f"{seconds:.1f}",
        "cpu_seconds": f"{usage.ru_utime + usage.ru_stime:.1f}",
        "peak_mb": f"{usage.ru_maxrss / 1024:.0f}",
    }


def page(rows: list[Row]) -> str:
    """Return the page: medians of all rounds.

    Args:
        rows: of the table.
    """
    lines = []
    for name in dict.fromkeys(row["case"] for row in rows):
        of_case = [row for row in rows if row["case"] == name]
        values = {
            column: median(float(row[column]) for row in of_case)
            for column in ("seconds", "cpu_seconds", "peak_mb")
        }
        lines.append(
            [
                name,
                f"{values['seconds']:.1f}",
                f"{values['cpu_seconds']:.1f}",
                f"{values['peak_mb']:,.0f}",
                str(len(of_case)),
                f"`python {of_case[0]['command']}`",
            ]
        )
    header = ["case", "seconds", "CPU seconds", "peak MB", "rounds", "command"]
    text = read_template("startup.md").format(
        table=markdown_table(header, lines), machines=describe_machines(rows)
    )
    return text + "\n"


def main() -> None:
    """Measure unless ``--page`` is set, and write the page."""
    options = tyro.cli(Options, description=__doc__)
    table = Table(TABLE, KEY, COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        for number in range(0 if options.page else options.rounds):
            for case in cases(options):
                if options.only not in case.name:
                    continue
                row = {"case": case.name, "round": str(number + 1)}
                row |= measure(case, Path(name)) | machine_columns(PACKAGES)
                row["command"] = case.command.replace("{work}/", "")
                print(", ".join(row[column] for column in COLUMNS[:6]), flush=True)
                table.merge([row])
    PAGE.write_text(page(table.rows))


if __name__ == "__main__":
    main()
