"""The benchmark of speed compares like with like, and keeps its table."""

import numpy as np
import pytest

from benchmarks.speed.cases import Case
from benchmarks.speed.measure import TOLERANCE, error
from benchmarks.speed.page import page
from benchmarks.speed.peers import OURS, PEERS
from benchmarks.speed.table import COLUMNS, Table, describe

CASE = Case("gru", 2, 5, 3, 4, both=True, ragged=True)


@pytest.mark.usefixtures("standard_promotion")
def test_flax_does_the_same_work():
    """Outputs and gradients by inputs and weights, mapped to our names."""
    found = {}
    for name in (OURS, "linen"):
        runner = PEERS[name].load()
        runner.build(CASE)
        y = runner.outputs(runner.forward())["y"]
        masked = {"y": np.where(CASE.mask()[..., None], y, 0.0)}
        found[name] = masked | runner.gradients(runner.step())
    assert len(found["linen"]) == 2 + 2 * 4
    assert error(found["linen"], found[OURS]) < TOLERANCE


def test_error_is_relative_and_sees_nan():
    ten = {"y": np.array([0.0, 10.0])}
    assert error({"y": np.array([0.1, 10.0])}, ten) == pytest.approx(0.01)
    assert error({"y": np.array([np.nan, 10.0])}, ten) == np.inf


def row(peer, kind, median, ratio):
    about = {"part": "grid", "kind": kind, "peer": peer, "cores": "2", "machine": "m"}
    found = {"median_ms": median, "ratio": ratio, "rounds": "7", "first_seconds": "1"}
    return {**describe(CASE), **about, **found, "versions": "jax 1", "zoo": "1 abc"}


def test_a_new_row_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "speed.csv"
    table = Table(path)
    table.put([row(OURS, "step", "2.0", "1"), row("linen", "step", "3.0", "1.5")])
    table.put([row("linen", "step", "4.0", "2.0")])
    again = Table(path)
    assert [r["median_ms"] for r in again.rows] == ["2.0", "4.0"]
    assert again.has({**describe(CASE), "peer": "linen", "median_ms": "4.0"})
    assert not again.has({**describe(CASE.full), "peer": "linen"})
    text = page(again.rows, [])
    assert "| 2, 5, 3, 4 | gru | 2 | 2.00 (4) |" in text
    assert "| linen |  | 2.00 (least 2.00) |  |  | 0 of 1 |" in text


def test_another_table_is_not_overwritten(tmp_path):
    path = tmp_path / "speed.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=f"must have the columns {COLUMNS[0]},"):
        Table(path)
