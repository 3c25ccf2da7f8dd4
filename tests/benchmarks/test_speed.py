"""The speed benchmark compares equal functions and writes its table and its page."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.csv_table import Table
from benchmarks.speed import __main__, jobs, memory, trace, worker
from benchmarks.speed.agreement import relative_error, tolerance
from benchmarks.speed.bench import Bench
from benchmarks.speed.cases import CONV, Case
from benchmarks.speed.formatting import fastest
from benchmarks.speed.measure import measure_memory
from benchmarks.speed.peers import OURS, PEERS
from benchmarks.speed.speed_page import page
from benchmarks.speed.table import COLUMNS, KEY, describe_case, layers_table
from tests.helpers.typed import untyped

CASE = Case("gru", 2, 5, 3, 4, bidirectional=True, ragged=True)


def run(name, case):
    """Return the outputs and gradients of a peer; the outputs are zero at padding."""
    runner = PEERS[name].load()
    runner.build(case)
    y = np.array(runner.outputs(runner.forward())["y"])
    y[~case.mask()] = 0
    return {"y": y, **runner.gradients(runner.step())}


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("cell", ["gru", "reset_after_mgu", CONV])
def test_flax_computes_the_same_function(cell):
    """Outputs, and gradients with respect to inputs and weights, by our names."""
    case = replace(CASE, cell=cell)
    if cell == CONV:
        case = replace(case, bidirectional=False, ragged=False)
    linen, ours = run("linen", case), run(OURS, case)
    assert len(linen) == 2 + (3 if cell == CONV else 2 * 4)
    assert relative_error(linen, ours) < tolerance(case)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", ["linen", "nnx"])
def test_bfloat16_agrees_within_its_tolerance(name):
    case = replace(CASE, dtype="bfloat16")
    results = [run(name, case), run(OURS, case)]
    for arrays in results:
        assert {str(array.dtype) for array in arrays.values()} == {"float32"}
    assert 1e-4 < relative_error(*results) < tolerance(case)
    runner = untyped(PEERS[name].load())
    runner.build(case)
    assert str(runner.args[1].dtype) == "bfloat16"


def test_error_is_relative_and_sees_nan():
    expected = {"y": np.array([0.0, 10.0])}
    actual = {"y": np.array([0.1, 10.0])}
    assert relative_error(actual, expected) == pytest.approx(0.01)
    assert relative_error({"y": np.array([np.nan, 10.0])}, expected) == np.inf


def make_row(peer, kind, median, ratio):
    columns = {"part": "grid", "kind": kind, "peer": peer, "cores": "2", "machine": "m"}
    columns |= {"device": "cpu", "median_ms": median, "ratio": ratio, "rounds": "7"}
    columns |= {"first_seconds": "1", "versions": "jax 1", "zoo": "1 abc"}
    return {**describe_case(CASE), **columns}


def test_a_new_row_replaces_the_old_one(tmp_path):
    path = tmp_path / "speed.csv"
    table = layers_table(path)
    first = [
        make_row(OURS, "step", "2.0", "1"),
        make_row("linen", "step", "3.0", "1.5"),
    ]
    table.merge(first)
    table.merge([make_row("linen", "step", "4.0", "2.0")])
    table = layers_table(path)
    assert [row["median_ms"] for row in table.rows] == ["2.0", "4.0"]
    case = describe_case(CASE)
    assert table.contains({**case, "peer": "linen", "median_ms": "4.0"})
    full = describe_case(CASE.with_full_rows)
    assert not table.contains({**full, "peer": "linen"})
    text = page(table.rows, [])
    assert "| 2, 5, 3, 4 | gru | 2 | **2.00 (4)** |" in text
    assert "| linen | 2.00 (lowest 2.00) | 0 of 1 |" in text


def test_another_table_is_not_overwritten(tmp_path):
    path = tmp_path / "speed.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=f"must have the columns {COLUMNS[0]},"):
        layers_table(path)


def test_a_table_without_a_newer_column_is_read(tmp_path):
    path = tmp_path / "speed.csv"
    older = [name for name in COLUMNS if name != "step_mb"]
    Table(path, KEY, older).merge([make_row(OURS, "step", "2.0", "1")])
    table = layers_table(path)
    assert table.rows[0]["median_ms"] == "2.0" and table.rows[0]["step_mb"] == ""
    table.merge([make_row("linen", "step", "3.0", "1.5") | {"step_mb": "4.0"}])
    assert [row["step_mb"] for row in layers_table(path).rows] == ["", "4.0"]


class FakeJobs(jobs.Jobs):
    """A library that takes 96 MB for the first step, which compiles, and then 32."""

    def __init__(self, name):
        self.runner, self.megabytes = self, 96

    def build(self, case):
        return memory.peak_memory()

    def run(self, kind):
        megabytes, self.megabytes = self.megabytes, 32
        return np.ones(megabytes << 17)


def test_the_memory_of_steps_excludes_compilation(monkeypatch):
    def start(bench, name):
        return worker.Worker(name, bench.cores, f"{__name__}:{FakeJobs.__name__}")

    monkeypatch.setattr(Bench, "start", start)
    (row,) = measure_memory(Bench([OURS], [0], {}), "memory", CASE)
    increase = float(row["peak_mb"]) - float(row["base_mb"])
    assert increase == pytest.approx(96, abs=8)
    if Path("/proc/self/clear_refs").exists():
        assert float(row["step_mb"]) == pytest.approx(32, abs=4)
    monkeypatch.setattr(jobs, "reset_peak", lambda: False)
    assert FakeJobs(OURS).memory("step", 1)[1] is None


def on_gpu(cell, peer, ms, ratio, **columns):
    row = make_row(peer, "step", ms, ratio) | {"device": "GPU X", "dtype": "bfloat16"}
    return {**dict.fromkeys(COLUMNS, ""), **row, "cell": cell, **columns}


def test_a_gpu_has_a_section_with_goals():
    linear = {"part": "linear", "T": "4096", "layers": "1", "ragged": "0"}
    linear |= {"bidirectional": "0"}
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
    assert "## GPU X, bfloat16 (m; 2 core(s) used)" in text
    assert "| lstm against PyTorch | 0.95 | 0.96 | 0.96 | 0.96 | 1 of 1 |" in text
    assert "| gru against Flax | 2 | 1.90 |" in text
    assert "| rnn against the fastest of Flax and Keras | 2 | 2.10 |" in text
    numbers = "| 10 | 20.00 | 20.00 | 20.00 | 1 of 1 |"
    assert f"our LSTM without kernels at T = 4096 {numbers}" in text
    rows[-2]["versions"] = "rnn-zoo-native 1.0"
    assert f"our LSTM at T = 4096 {numbers}" in page(rows, [])
    assert "| lru | 5 (20.00) |" in text
    assert "| 2 | 0.50 (1) | **0.96 (1.92)** |  |  | 1.50 (3) |" in text


@pytest.mark.usefixtures("standard_promotion")
def test_a_cpu_has_a_section_with_goals():
    def on_cpu(
        peer: str, ms: str, ratio: str, *, ragged: bool = False, **columns: str
    ) -> dict[str, str]:
        case = describe_case(Case("lstm", 2, 3, 4, 5, ragged=ragged))
        row = {"part": "grid", "device": "cpu", "machine": "M", "cores": "2"}
        row |= {"kind": "step", "peer": peer, "median_ms": ms, "ratio": ratio}
        return dict.fromkeys(COLUMNS, "") | case | row | columns

    memory_part: dict[str, Any]
    memory_part = {"part": "memory", "base_mb": "300", "peak_mb": "500"}
    rows = [
        on_cpu(OURS, "2.0", "1"),
        on_cpu("torch", "1.8", "0.9"),
        on_cpu("keras", "2.8", "1.4"),
        on_cpu("linen", "3.0", "1.5"),
        on_cpu(OURS, "1.0", "1", ragged=True),
        on_cpu("torch", "1.5", "1.5", ragged=True),  # over the padding
        on_cpu("torch packed", "1.6", "1.6", ragged=True),
        on_cpu("haiku", "1.1", "1.1", ragged=True),  # over the padding: does not count
        on_cpu("linen", "2.0", "2.0", ragged=True),
        on_cpu(OURS, "", "", step_mb="50.0", **memory_part),
        on_cpu("zoo remat", "", "", step_mb="30.0", **memory_part),
        on_cpu("linen", "", "", step_mb="100.0", **memory_part),
        on_cpu("torch", "", "", **memory_part),  # of the process alone
    ]
    text = page(rows, [])
    for line in (
        "lstm, training step against the fastest of Flax, Haiku and Keras | 1.3 "
        "| 1.67 | 1.40 | 2.00 | 2 of 2",
        "lstm, training step, full rows against PyTorch | 1 | 0.90 | 0.90 | 0.90 "
        "| 0 of 1",
        "lstm, training step, ragged rows against PyTorch | 1.2 | 1.50 | 1.50 | 1.50 "
        "| 1 of 1",
        "ours, ragged rows against full ones | 0.95 | 2.00 | 2.00 | 2.00 | 1 of 1",
        "memory of a training step, Flax divided by ours | 1 | 2.00 | 2.00 | 2.00 "
        "| 1 of 1",
        "memory of a training step, Flax divided by ours with remat | 2 | 3.33 | 3.33 "
        "| 3.33 | 1 of 1",
        "linen | 100",
        "linen | 500 (200)",
        "torch | 500 (200)",
    ):
        assert f"| {line} |" in text


@pytest.mark.thorough("the parts of the measurement have tests of their own")
def test_gpu_measurements_run_on_a_cpu(tmp_path, monkeypatch, capsys):
    """From the command line to the table: programs are compiled, and then timed."""
    monkeypatch.setitem(worker.JAX_PLATFORMS, "gpu", "cpu")
    table = tmp_path / "speed.csv"
    flags = "--device gpu --quick --parts grid linear --cells gru --stacks one"
    flags += f" --peers linen --kinds forward --minutes 9 --table {table}"
    monkeypatch.setattr(sys, "argv", ["speed", *flags.split()])
    __main__.main()
    rows = layers_table(table).rows
    grid = [row for row in rows if row["part"] == "grid"]
    assert [(r["peer"], r["ragged"], r["note"]) for r in grid] == [
        (OURS, "0", ""),
        ("linen", "0", ""),
    ]
    # The linear part follows the GRU of the grid.
    assert rows[: len(grid)] == grid
    assert [r["cell"] for r in rows[2::2]] == ["lstm", "gru", "lru", "mingru", "hgrn"]
    assert all(r["median_ms"] and not r["first_seconds"] for r in rows)
    assert {(r["device"], r["dtype"]) for r in rows} == {("cpu", "float32")}
    assert "compiled in" in capsys.readouterr().out


def event(name, tid, dur, **args):
    return {"ph": "X", "pid": 1, "tid": tid, "name": name, "dur": dur, "args": args}


def test_a_trace_has_the_kernels_of_a_call():
    """Without events of the host, and without other threads of the GPU."""
    names = [("process_name", None, "/device:GPU:0"), ("thread_name", 7, "Stream #20")]
    names += [("thread_name", 8, "XLA Ops")]
    events = [
        {"ph": "M", "pid": 1, "tid": tid, "name": name, "args": {"name": value}}
        for name, tid, value in names
    ]
    del events[0]["tid"]
    events += 4 * [event("gemm  float", 7, 30.0, hlo_op="dot.1")]
    events += 2 * [event("linear", 7, 200.0), event("fusion", 8, 900.0)]
    events += [{"ph": "X", "pid": 2, "tid": 7, "name": "step", "dur": 5e3}]
    assert trace.kernels(events, calls=2) == [
        ("linear []", 200e-6, 1.0),
        ("gemm float [dot.1]", 60e-6, 2.0),
    ]


def test_calls_are_timed_with_and_without_waiting():
    log = []

    class Runner:
        def launch(self, kind):
            log.append(kind)
            return len(log)

        def wait(self, result):
            log.append(result)

    assert len(trace.time_calls(untyped(Runner()), "step", rounds=2)) == 2
    calls = trace.TIMED_CALLS
    each = [entry for k in range(calls) for entry in ("step", 2 * k + 1)]
    last = [*["step"] * calls, 3 * calls]
    assert log[: 3 * calls + 1] == each + last
    assert len(log) == 2 * len(each + last)


def test_a_trace_is_read():
    """For any cell of ours; on a CPU it contains no kernels."""
    runner = PEERS[OURS].load()
    runner.build(replace(CASE, cell="janet"))
    assert trace.trace_kernels(runner.forward) == []


def test_a_trace_needs_a_gpu_and_jax(monkeypatch):
    for flags, message in (
        ("--peer torch", "--peer must be"),
        ("--peer linen --cell janet", "--cell must be"),
        ("", "jax has no GPU"),
    ):
        monkeypatch.setattr(sys, "argv", ["trace", *flags.split()])
        with pytest.raises(SystemExit, match=message):
            trace.main()
