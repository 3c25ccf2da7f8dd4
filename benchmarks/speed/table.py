"""The table of the measurements, ``benchmarks/results/speed.csv``."""

import csv
import importlib.metadata
import os
import platform
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.cases import Case
from benchmarks.speed.peers import Peer

ROOT = Path(__file__).parent.parent.parent
TABLE = ROOT / "benchmarks" / "results" / "speed.csv"

Row = dict[str, str]
# What a row is about: a new row takes the place of an old one with the same.
KEY = (
    "part cell B T D H layers both ragged dtype kind peer device cores machine"
).split()
FOUND = (
    "rounds median_ms minimum_ms ratio first_seconds peak_mb base_mb step_mb idle "
    "error note"
).split()
COLUMNS = [*KEY, *FOUND, "versions", "zoo"]
# The same of whole programs, which have other columns.
PROGRAMS = ROOT / "benchmarks" / "results" / "speed_programs.csv"
PROGRAMS_KEY = "task data dtype library cores machine".split()
PROGRAMS_FOUND = (
    "rounds seconds parameters first_batch_seconds all_shapes_seconds "
    "train_tokens_per_second train_ratio evaluate_tokens_per_second evaluate_ratio"
).split()


def describe(case: Case) -> Row:
    """Return the columns that tell of a case.

    Args:
        case: what is measured.
    """
    sizes = {name: str(getattr(case, name)) for name in "B T D H layers".split()}
    flags = {name: str(int(getattr(case, name))) for name in ("both", "ragged")}
    return {"cell": case.cell, **sizes, **flags, "dtype": case.dtype}


def case_of(row: Row) -> Case:
    """Return the case that a row tells of.

    Args:
        row: of the table.
    """
    sizes = {name: int(row[name]) for name in "B T D H layers".split()}
    flags = {name: row[name] == "1" for name in ("both", "ragged")}
    device = "cpu" if row["device"] == "cpu" else "gpu"
    return Case(row["cell"], **sizes, **flags, dtype=row["dtype"], device=device)  # pyright: ignore[reportArgumentType]


def machine() -> str:
    """Return the processor, and what it has of AVX."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    entries = [line.partition(":") for line in info.read_text().splitlines()]
    found = {name.strip(): value.strip() for name, _, value in reversed(entries)}
    flags = found.get("flags", "").split()
    wide = [f for f in ("avx2", "avx512f", "amx_tile") if f in flags]
    words = [found.get("model name", platform.machine()), *map(str.upper, wide)]
    if "avx512f" not in flags:
        words.append("no AVX512")
    return ", ".join([*words, f"{os.cpu_count()} cores in all"])


def revision() -> str:
    """Return the version of our library, with the commit that changed it last."""
    try:
        version = importlib.metadata.version("rnn-zoo")
    except importlib.metadata.PackageNotFoundError:  # a checkout on the path
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        version = project["version"]
    command = ["git", "log", "-1", "--format=%h", "--", "zoo", "native"]
    try:
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return f"{version} {found.stdout.strip()}".strip()
    except OSError:  # no git
        return version


def versions(peer: Peer) -> str:
    """Return the versions that a measurement of a peer hangs on.

    Args:
        peer: one that is installed.
    """
    found = {"python": platform.python_version(), **(peer.versions() or {})}
    return ", ".join(f"{name} {version}" for name, version in found.items())


class Table:
    """The rows, in a file that is replaced as a whole at every change."""

    def __init__(
        self, path: Path, key: Sequence[str] = KEY, columns: Sequence[str] = COLUMNS
    ) -> None:
        """Read the rows that there are.

        An older file may lack columns of what is found: they are empty in its rows.

        Args:
            path: of the file, which need not exist.
            key: columns that tell what a row is about.
            columns: all columns.

        Raises:
            ValueError: if the file is another table.
        """
        self.path, self.key, self.columns = path, key, columns
        self.rows: list[Row] = []
        if path.exists():
            with path.open(newline="") as file:
                reader = csv.DictReader(file)
                found = reader.fieldnames or []
                if found != [c for c in columns if c in found or c in key]:
                    raise ValueError(
                        f"{path} must have the columns {','.join(columns)}, got "
                        f"{reader.fieldnames}; move it away to begin anew"
                    )
                self.rows = [self._whole(row) for row in reader]

    def has(self, wanted: Row) -> bool:
        """Return whether there is a row with the same values that has not failed.

        Args:
            wanted: some columns.
        """
        done = [r for r in self.rows if not r.get("note", "").startswith("failed")]
        return any(all(row[k] == v for k, v in wanted.items()) for row in done)

    def put(self, new: list[Row]) -> None:
        """Add rows, in place of those about the same, and write the file.

        Args:
            new: rows; columns left out are empty.
        """
        new = [self._whole(row) for row in new]
        about = {self._about(row) for row in new}
        kept = [row for row in self.rows if self._about(row) not in about]
        self.rows = [*kept, *new]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)

    def _whole(self, row: Row) -> Row:
        """Return a row with all columns, empty where it has none."""
        return {name: row.get(name, "") for name in self.columns}

    def _about(self, row: Row) -> tuple[str, ...]:
        """Return what a row is about."""
        return tuple(row[name] for name in self.key)


def programs(path: Path = PROGRAMS) -> Table:
    """Return the table of whole programs.

    Args:
        path: of the file, which need not exist.
    """
    columns = [*PROGRAMS_KEY, *PROGRAMS_FOUND, "versions", "zoo"]
    return Table(path, PROGRAMS_KEY, columns)
