"""Training programs of this library and of PyTorch, compared by the benchmark."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip(
    "torch", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

ROOT = Path(__file__).parent.parent.parent


def test_programs_side_by_side(tmp_path):
    """The benchmark itself fails if the losses of the two models differ."""
    sentences = (ROOT / "tasks/samples/english.conllu").read_text().split("\n\n")
    (tmp_path / "tags.conllu").write_text("\n\n".join(sentences[:60]) + "\n\n")
    (tmp_path / "text.txt").write_text("\n".join(sentences[:30]))
    table = tmp_path / "programs.csv"
    flags = ["--pos", tmp_path / "tags.conllu", "--charlm", tmp_path / "text.txt"]
    flags += ["--rounds", "1", "--seconds", "0.1", "--table", table]
    module = [sys.executable, "-m", "benchmarks.speed.programs"]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    process = subprocess.run(
        [*module, *flags], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["task"], row["library"]) for row in rows] == [
        (task, library) for task in ("pos", "charlm") for library in ("zoo", "torch")
    ]
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        assert ours["parameters"] == theirs["parameters"]
        assert ours["train_ratio"] == ours["evaluate_ratio"] == "1.000"
        rates = [float(row["train_tokens_per_second"]) for row in (ours, theirs)]
        # The rates and the ratio are rounded.
        assert float(theirs["train_ratio"]) == pytest.approx(rates[0] / rates[1], 2e-2)
