"""The benchmark of speed compares like with like, and keeps its table."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import __main__, trace, worker
from benchmarks.speed.cases import CONV, Case
from benchmarks.speed.marks import fastest
from benchmarks.speed.measure import Bench, error, tolerance
from benchmarks.speed.peers import OURS, PEERS
from benchmarks.speed.speed_page import page
from benchmarks.speed.table import COLUMNS, Table, describe

CASE = Case("gru", 2, 5, 3, 4, both=True, ragged=True)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("cell", ["gru", "reset_after_mgu", CONV])
def test_flax_does_the_same_work(cell):
    """Outputs and gradients by inputs and weights, mapped to our names."""
    case = replace(CASE, cell=cell)
    if cell == CONV:
        case = replace(case, both=False, ragged=False)
    found = {}
    for name in (OURS, "linen"):
        runner = PEERS[name].load()
        runner.build(case)
        y = np.array(runner.outputs(runner.forward())["y"])
        y[~case.mask()] = 0
        found[name] = {"y": y, **runner.gradients(runner.step())}
    assert len(found["linen"]) == 2 + (3 if cell == CONV else 2 * 4)
    assert error(found["linen"], found[OURS]) < tolerance(case)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", ["linen", "nnx"])
def test_bfloat16_is_the_same_to_its_own_tolerance(name):
    case = replace(CASE, dtype="bfloat16")
    found = {}
    for one in (OURS, name):
        runner = PEERS[one].load()
        runner.build(case)
        x, y = runner.args[1], runner.forward()
        assert str(x.dtype) == "bfloat16"
        masked = {"y": np.where(case.mask()[..., None], runner.outputs(y)["y"], 0.0)}
        found[one] = masked | runner.gradients(runner.step())
        assert {str(value.dtype) for value in found[one].values()} == {"float32"}
    assert 1e-4 < error(found[name], found[OURS]) < tolerance(case)


def test_error_is_relative_and_sees_nan():
    ten = {"y": np.array([0.0, 10.0])}
    assert error({"y": np.array([0.1, 10.0])}, ten) == pytest.approx(0.01)
    assert error({"y": np.array([np.nan, 10.0])}, ten) == np.inf


def row(peer, kind, median, ratio):
    about = {"part": "grid", "kind": kind, "peer": peer, "cores": "2", "machine": "m"}
    about |= {"device": "cpu"}
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
    assert "| 2, 5, 3, 4 | gru | 2 | **2.00 (4)** |" in text
    assert "| linen | 2.00 (lowest 2.00) | 0 of 1 |" in text


def test_another_table_is_not_overwritten(tmp_path):
    path = tmp_path / "speed.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=f"must have the columns {COLUMNS[0]},"):
        Table(path)


def test_a_table_from_before_a_column_is_read(tmp_path):
    path = tmp_path / "speed.csv"
    before = [name for name in COLUMNS if name != "step_mb"]
    Table(path, columns=before).put([row(OURS, "step", "2.0", "1")])
    again = Table(path)
    assert again.rows[0]["median_ms"] == "2.0" and again.rows[0]["step_mb"] == ""
    again.put([row("linen", "step", "3.0", "1.5") | {"step_mb": "4.0"}])
    assert [r["step_mb"] for r in Table(path).rows] == ["", "4.0"]


class Holding(worker.Jobs):
    """A library that takes 96 MB to compile, and 32 for a step."""

    def __init__(self, name):
        self.runner, self.needs = self, 96

    def build(self, case):
        return worker.peak_memory()

    def step(self):
        needs, self.needs = self.needs, 32
        return np.ones(needs << 17)


def test_the_memory_of_steps_is_without_that_of_compiling(monkeypatch):
    def start(bench, name):
        return worker.Worker(name, bench.cores, f"{__name__}:{Holding.__name__}")

    monkeypatch.setattr(Bench, "_start", start)
    (found,) = Bench([OURS], [0], {}).memory("memory", CASE)
    whole = float(found["peak_mb"]) - float(found["base_mb"])
    assert whole == pytest.approx(96, abs=8)
    if Path("/proc/self/clear_refs").exists():
        assert float(found["step_mb"]) == pytest.approx(32, abs=4)
    monkeypatch.setattr(worker, "forget_peak", lambda: False)
    assert Holding(OURS).memory("step", 1)[1] is None


def on_gpu(cell, peer, ms, ratio, **about):
    case = {**row(peer, "step", ms, ratio), "device": "GPU X", "dtype": "bfloat16"}
    return {**dict.fromkeys(COLUMNS, ""), **case, "cell": cell, **about}


def test_a_gpu_has_a_section_with_goals():
    linear = {"part": "linear", "T": "4096", "layers": "1", "both": "0", "ragged": "0"}
    rows = [
        on_gpu("lstm", OURS, "2.0", "1"),
        on_gpu("lstm", "torch", "1.0", "0.5"),  # over the padding
        on_gpu("lstm", "torch packed", "1.92", "0.96"),
        on_gpu("lstm", "keras", "3.0", "1.5"),
        on_gpu("gru", "linen", "3.8", "1.9"),
        on_gpu("gru", "nnx", "4.2", "2.1"),
        on_gpu("rnn", "linen", "4.2", "2.1"),
        on_gpu("rnn", "keras", "4.4", "2.2"),
        on_gpu("lstm", OURS, "100", "1", **linear),
        on_gpu("lru", OURS, "5", "1", **linear),
    ]
    assert fastest(rows[:3], ("torch", "torch packed")) == rows[2]
    text = page(rows, [])
    assert "## GPU X, bfloat16 (m; 2 used)" in text
    assert "| lstm against PyTorch | 0.95 | 0.96 | 0.96 | 0.96 | 1 of 1 |" in text
    assert "| gru against Flax | 2 | 1.90 |" in text
    assert "| rnn against the fastest of Flax and Keras | 2 | 2.10 |" in text
    figures = "| 10 | 20.00 | 20.00 | 20.00 | 1 of 1 |"
    assert f"our LSTM without kernels at T = 4096 {figures}" in text
    rows[-2]["versions"] = "rnn-zoo-native 1.0"
    assert f"our LSTM at T = 4096 {figures}" in page(rows, [])
    assert "| lru | 5 (20.00) |" in text
    assert "| 2 | 0.50 (1) | **0.96 (1.92)** |  |  | 1.50 (3) |" in text


@pytest.mark.usefixtures("standard_promotion")
def test_a_cpu_has_a_section_with_goals():
    def on_cpu(peer, ms, ratio, *, kind="step", **about):
        case = Case("lstm", 2, 3, 4, 5, ragged=about.pop("ragged", False))
        plain = {"part": "grid", "device": "cpu", "machine": "M", "cores": "2"}
        found = {"kind": kind, "peer": peer, "median_ms": ms, "ratio": ratio}
        return dict.fromkeys(COLUMNS, "") | describe(case) | plain | found | about

    memory = {"part": "memory", "base_mb": "300", "peak_mb": "500"}
    rows = [
        on_cpu(OURS, "2.0", "1"),
        on_cpu("torch", "1.8", "0.9"),
        on_cpu("keras", "2.8", "1.4"),
        on_cpu("linen", "3.0", "1.5"),
        on_cpu(OURS, "1.0", "1", ragged=True),
        on_cpu("torch", "1.5", "1.5", ragged=True),  # over the padding
        on_cpu("torch packed", "1.6", "1.6", ragged=True),
        on_cpu("haiku", "1.1", "1.1", ragged=True),  # over the padding: no rival
        on_cpu("linen", "2.0", "2.0", ragged=True),
        on_cpu(OURS, "", "", step_mb="50.0", **memory),
        on_cpu("zoo remat", "", "", step_mb="30.0", **memory),
        on_cpu("linen", "", "", step_mb="100.0", **memory),
        on_cpu("torch", "", "", **memory),  # of the process alone
    ]
    found = page(rows, [])
    for line in (
        "lstm, training step against the fastest of Flax, Haiku and Keras | 1.3 "
        "| 1.67 | 1.40 | 2.00 | 2 of 2",
        "lstm, training step, full rows against PyTorch | 1 | 0.90 | 0.90 | 0.90 "
        "| 0 of 1",
        "lstm, training step, ragged rows against PyTorch | 1.2 | 1.50 | 1.50 | 1.50 "
        "| 1 of 1",
        "ours, ragged rows against full ones | 0.95 | 2.00 | 2.00 | 2.00 | 1 of 1",
        "memory of a training step, Flax divided by ours | 1 | 2.00 | 2.00 | 2.00 | 1 of 1",
        "memory of a training step, Flax divided by ours with remat | 2 | 3.33 | 3.33 | 3.33 "
        "| 1 of 1",
        "linen | 100",
        "linen | 500 (200)",
        "torch | 500 (200)",
    ):
        assert f"| {line} |" in found


def test_the_way_of_a_gpu_can_be_gone_on_a_cpu(tmp_path, monkeypatch, capsys):
    """From the command line to the table: programs compiled before, and then timed."""
    monkeypatch.setitem(worker.PLATFORMS, "gpu", "cpu")
    table = tmp_path / "speed.csv"
    flags = "--device gpu --quick --parts grid linear --cells gru --stacks one"
    flags += f" --peers linen --kinds forward --minutes 9 --table {table}"
    monkeypatch.setattr(sys, "argv", ["speed", *flags.split()])
    __main__.main()
    rows = Table(table).rows
    grid = [row for row in rows if row["part"] == "grid"]
    assert [(r["peer"], r["ragged"], r["note"]) for r in grid] == [
        (OURS, "0", ""),
        ("linen", "0", ""),
    ]
    # A case of the grid's GRU comes first, the linear part after it.
    assert rows[: len(grid)] == grid
    assert [r["cell"] for r in rows[2::2]] == ["lstm", "gru", "lru", "mingru", "hgrn"]
    assert all(r["median_ms"] and not r["first_seconds"] for r in rows)
    assert {(r["device"], r["dtype"]) for r in rows} == {("cpu", "float32")}
    assert "compiled in" in capsys.readouterr().out


def event(name, tid, dur, **args):
    return {"ph": "X", "pid": 1, "tid": tid, "name": name, "dur": dur, "args": args}


def test_a_trace_has_the_kernels_of_a_call():
    """And not what the host does meanwhile, nor other lines of the GPU."""
    names = [("process_name", None, "/device:GPU:0"), ("thread_name", 7, "Stream #20")]
    names += [("thread_name", 8, "XLA Ops")]
    events = [
        {"ph": "M", "pid": 1, "tid": tid, "name": name, "args": {"name": told}}
        for name, tid, told in names
    ]
    del events[0]["tid"]
    events += 4 * [event("gemm  float", 7, 30.0, hlo_op="dot.1")]
    events += 2 * [event("linear", 7, 200.0), event("fusion", 8, 900.0)]
    events += [{"ph": "X", "pid": 2, "tid": 7, "name": "step", "dur": 5e3}]
    assert trace.kernels(events, calls=2) == [
        ("linear []", 200e-6, 1.0),
        ("gemm float [dot.1]", 60e-6, 2.0),
    ]


def test_a_call_is_waited_for_or_follows_another():
    done = []

    class Runner:
        def launch(self, kind):
            done.append(kind)
            return len(done)

        def wait(self, found):
            done.append(found)

    assert len(trace.timed(Runner(), "step", rounds=2)) == 2
    each = [entry for k in range(trace.TIMED) for entry in ("step", 2 * k + 1)]
    rest = [*["step"] * trace.TIMED, 3 * trace.TIMED]
    assert done[: 3 * trace.TIMED + 1] == each + rest
    assert len(done) == 2 * len(each + rest)


def test_a_trace_is_read():
    """Of any cell of ours; on a CPU there are no kernels in it."""
    runner = PEERS[OURS].load()
    runner.build(replace(CASE, cell="janet"))
    assert trace.traced(runner.forward) == []


def test_a_trace_needs_a_gpu_and_jax(monkeypatch):
    for flags, told in (
        ("--peer torch", "--peer must be"),
        ("--peer linen --cell janet", "--cell must be"),
        ("", "jax has no GPU"),
    ):
        monkeypatch.setattr(sys, "argv", ["trace", *flags.split()])
        with pytest.raises(SystemExit, match=told):
            trace.main()
