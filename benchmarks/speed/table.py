"""The tables of the measurements, in ``benchmarks/results``."""

import platform
from pathlib import Path
from typing import Any

from benchmarks.csv_table import Row, Table
from benchmarks.environment import format_versions
from benchmarks.paths import RESULTS
from benchmarks.speed.cases import Case
from benchmarks.speed.peers import Peer

TABLE = RESULTS / "speed.csv"
_SIZES = ("B", "T", "D", "H", "layers")
_FLAGS = ("bidirectional", "ragged")
KEY = (
    *("part", "cell", *_SIZES, *_FLAGS, "dtype"),
    *("kind", "peer", "device", "cores", "machine"),
)
COLUMNS = (
    *(*KEY, "rounds", "median_ms", "minimum_ms", "ratio", "first_seconds"),
    *("peak_mb", "base_mb", "step_mb", "idle", "error", "note", "versions", "zoo"),
)
PROGRAMS_TABLE = RESULTS / "speed_programs.csv"
PROGRAMS_KEY = ("task", "data", "dtype", "library", "cores", "machine")
PROGRAMS_COLUMNS = (
    *(*PROGRAMS_KEY, "rounds", "seconds", "parameters"),
    *("first_batch_seconds", "all_shapes_seconds"),
    *("train_tokens_per_second", "train_ratio"),
    *("evaluate_tokens_per_second", "evaluate_ratio", "versions", "zoo"),
)


def layers_table(path: Path = TABLE) -> Table:
    """Return the table of single layers and stacks.

    Args:
        path: of the file, which need not exist.
    """
    return Table(path, KEY, COLUMNS)


def programs_table(path: Path = PROGRAMS_TABLE) -> Table:
    """Return the table of whole training programs.

    Args:
        path: of the file, which need not exist.
    """
    return Table(path, PROGRAMS_KEY, PROGRAMS_COLUMNS)


def describe_case(case: Case) -> Row:
    """Return the columns that identify a case.

    Args:
        case: the network and the batch.
    """
    sizes = {name: str(getattr(case, name)) for name in _SIZES}
    flags = {name: str(int(getattr(case, name))) for name in _FLAGS}
    return {"cell": case.cell, **sizes, **flags, "dtype": case.dtype}


def case_of(row: Row) -> Case:
    """Return the case of a row.

    Args:
        row: of the table of layers.
    """
    values: dict[str, Any] = {name: int(row[name]) for name in _SIZES}
    values |= {name: row[name] == "1" for name in _FLAGS}
    values["device"] = "cpu" if row["device"] == "cpu" else "gpu"
    values["dtype"] = row["dtype"]
    return Case(row["cell"], **values)


def versions_column(peer: Peer) -> str:
    """Return the versions that a measurement of a peer depends on.

    Args:
        peer: an installed one.
    """
    python = {"python": platform.python_version()}
    return format_versions(python | (peer.versions() or {}))
