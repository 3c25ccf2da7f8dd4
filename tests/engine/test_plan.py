"""The plan of a call, as a table: device, cell, options and sizes -> plan."""

from typing import Any

import jax.numpy as jnp
import pytest
from jax import export

from zoo.engine.plan import joins_directions, make_plan
from zoo.engine.schedule import Schedule
from zoo.engine.traits import Device, Traits, Work

F32, BF16, F16 = (jnp.dtype(d) for d in (jnp.float32, jnp.bfloat16, jnp.float16))


def kernels(name, dtype, H):
    """A wheel whose kernels run any size up to 1024."""
    return None if H <= 1024 else "too many units"


def prefers(B, T, *, gradient, recompute):
    """A linear cell whose loop is faster from 1000 tokens on, without a gradient."""
    return not recompute and (gradient or B * T < 1000)


CPU = Device("cpu", kernel_unavailable=kernels)
GPU = Device(
    "gpu", kernel_unavailable=kernels, linear_kernel=lambda dtype: dtype == F32
)
TPU = Device(
    "tpu", kernel_unavailable=lambda *kernel: "the kernels are for CPUs and GPUs"
)
BARE = Device("cpu")
LSTM = Traits("LSTMCell", kernel="lstm", hidden_size=100)
PEEPHOLE = Traits("PeepholeLSTMCell")
MGU = Traits("MGUCell", kernel="mgu", separable=False)
LRU = Traits("LRUCell", linear=True, prefers_parallel=prefers, linear_dtype=F32)
MLSTM = Traits("MLSTMCell", linear=True, parallel_states=False)
SIZE = Work(8, 20)

# traits, device, schedule, work -> backend, body, unroll, precompute, a part of `why`
TABLE: dict[str, tuple[Traits, Device, dict[str, Any], Work, tuple]] = {
    "a kernel on a CPU": (
        *(LSTM, CPU, {}, SIZE),
        ("native", "deferred", 1, False, "faster on a CPU; all steps in one call"),
    ),
    "a kernel on several devices": (
        *(LSTM, CPU._replace(several=True), {}, SIZE),
        (
            "native",
            "deferred",
            1,
            False,
            "all steps in one call of a kernel per device",
        ),
    ),
    "a kernel on a GPU": (
        *(LSTM, GPU, {}, SIZE),
        ("native", "deferred", 8, True, "faster on a GPU"),
    ),
    "a kernel, as asked": (
        *(LSTM, CPU, {"backend": "native"}, Work(1, 1)),
        ("native", "deferred", 1, False, "as asked; all steps in one call"),
    ),
    "a kernel in chunks": (
        *(LSTM, CPU, {"remat": "chunk:5"}, SIZE),
        ("native", "deferred", 1, False, "5 steps at a time in one call of a kernel"),
    ),
    "a product between the gates": (
        *(MGU, CPU, {"backend": "scan"}, SIZE),
        ("scan", "plain", 1, False, "no kernel: as asked"),
    ),
    "no wheel": (
        *(LSTM, BARE, {}, SIZE),
        ("scan", "deferred", 1, False, "no kernel: rnn-zoo-native is not installed"),
    ),
    "no kernel for the cell": (
        *(PEEPHOLE, GPU, {}, SIZE),
        ("scan", "deferred", 8, True, "per iteration; inputs projected before the"),
    ),
    "no kernel for the device": (
        *(LSTM, TPU, {}, SIZE),
        ("scan", "deferred", 8, True, "8 steps per iteration"),
    ),
    "too many units": (
        *(LSTM._replace(hidden_size=2000), GPU, {}, SIZE),
        ("scan", "deferred", 8, True, "no kernel: too many units"),
    ),
    "bfloat16": (
        *(LSTM._replace(dtype=BF16), CPU, {}, SIZE),
        ("native", "deferred", 1, False, "one call of a kernel"),
    ),
    "float16": (
        *(LSTM._replace(dtype=F16), CPU, {}, SIZE),
        ("scan", "deferred", 1, False, "the kernels compute in float32 and bfloat16"),
    ),
    "float32 without TF32": (
        *(LSTM, GPU._replace(tf32=False), {}, SIZE),
        ("scan", "deferred", 8, True, "on a GPU the kernels multiply TF32"),
    ),
    "float32 on a CPU needs no TF32": (
        *(LSTM, CPU._replace(tf32=False), {}, SIZE),
        ("native", "deferred", 1, False, "faster on a CPU"),
    ),
    "few steps": (
        *(LSTM, CPU, {}, Work(100, 3)),
        ("scan", "deferred", 1, False, "too few tokens"),
    ),
    "few tokens on a CPU": (
        *(LSTM, CPU, {}, Work(1, 15)),
        ("scan", "deferred", 1, False, "too few tokens"),
    ),
    "few tokens on a GPU": (
        *(LSTM, GPU, {}, Work(1, 15)),
        ("native", "deferred", 8, True, "faster on a GPU"),
    ),
    "few steps in a chunk": (
        *(LSTM, CPU, {"remat": "chunk:3"}, SIZE),
        ("scan", "deferred", 1, False, "remat chunk:3; no kernel: too few tokens"),
    ),
    "the states of all steps": (
        *(LSTM, CPU, {}, Work(8, 20, states=True)),
        ("scan", "deferred", 1, False, "the states of all steps are asked for"),
    ),
    "a regulariser": (
        *(LSTM, CPU, {}, Work(8, 20, regularised=True)),
        ("scan", "deferred", 1, False, "a regulariser acts on every step"),
    ),
    "zoneout": (
        *(LSTM._replace(zoneout=True), CPU, {}, SIZE),
        ("scan", "deferred", 1, False, "a regulariser acts on every step"),
    ),
    "a gradient step by step": (
        *(LSTM, CPU, {"gradient": "loop"}, SIZE),
        ("scan", "plain", 1, False, 'no kernel: gradient="loop" is asked for'),
    ),
    "both directions on a CPU": (
        *(LSTM, CPU, {}, Work(8, 20, joint=True)),
        ("scan", "deferred", 1, False, "one loop; no kernel: both directions share"),
    ),
    "both directions on a GPU": (
        *(LSTM, GPU, {}, Work(8, 20, joint=True)),
        ("native", "deferred", 8, True, "all steps of both directions in one call"),
    ),
    "options": (
        *(PEEPHOLE, CPU, {"unroll": 3, "project": "ahead", "remat": "step"}, SIZE),
        ("scan", "deferred", 3, True, "3 steps per iteration"),
    ),
    "just enough steps": (
        *(LSTM, CPU, {}, Work(8, 4)),
        ("native", "deferred", 1, False, "all steps in one call of a kernel"),
    ),
    "just enough tokens": (
        *(LSTM, CPU, {}, Work(1, 16)),
        ("native", "deferred", 1, False, "all steps in one call of a kernel"),
    ),
    "few tokens in a chunk": (
        *(LSTM, CPU, {"remat": "chunk:5"}, Work(1, 20)),
        ("scan", "deferred", 1, False, "remat chunk:5; no kernel: too few tokens"),
    ),
    "parameters in float16": (
        *(LSTM._replace(param_dtype=F16), CPU, {}, SIZE),
        ("scan", "deferred", 1, False, "the kernels compute in float32 and bfloat16"),
    ),
    "bfloat16 needs no TF32": (
        *(LSTM._replace(dtype=BF16), GPU._replace(tf32=False), {}, SIZE),
        ("native", "deferred", 8, True, "faster on a GPU"),
    ),
    "a linear cell": (
        *(LRU, CPU, {}, SIZE),
        ("parallel", "parallel", 1, False, "linear in its state; all steps in par"),
    ),
    "a linear cell on a GPU": (
        *(LRU, GPU, {}, SIZE),
        ("parallel", "parallel", 8, True, "on a GPU, in one pass of a kernel"),
    ),
    "a linear cell on a GPU without kernels": (
        *(LRU, GPU, {"backend": "scan"}, SIZE),
        ("parallel", "parallel", 8, True, "all steps in parallel, faster on a GPU"),
    ),
    "a linear cell in chunks": (
        *(LRU, CPU, {"remat": "chunk:5"}, SIZE),
        ("parallel", "parallel", 1, False, "5 steps at a time in parallel"),
    ),
    "a linear cell with a regulariser": (
        *(LRU, CPU, {}, Work(8, 20, regularised=True)),
        ("scan", "deferred", 1, False, "a regulariser acts on every step"),
    ),
    "a large linear cell": (
        *(LRU, CPU, {}, Work(100, 20)),
        ("parallel", "parallel_gradient", 1, False, "without one, by the loop"),
    ),
    "a large linear cell, as asked": (
        *(LRU, CPU, {"steps": "parallel"}, Work(100, 20)),
        ("parallel", "parallel", 1, False, "all steps in parallel, as asked"),
    ),
    "a linear cell that recomputes": (
        *(LRU, CPU, {"remat": "step"}, SIZE),
        ("scan", "deferred", 1, False, "it stores less; 1 step per iteration"),
    ),
    "a linear cell in the loop": (
        *(LRU, CPU, {"steps": "loop"}, SIZE),
        ("scan", "deferred", 1, False, "as asked; 1 step per iteration"),
    ),
    "a linear cell with a gradient step by step": (
        *(LRU, CPU, {"gradient": "loop"}, SIZE),
        ("scan", "plain", 1, False, 'gradient="loop" is asked for; 1 step'),
    ),
    "a linear cell with zoneout": (
        *(LRU._replace(zoneout=True), CPU, {}, SIZE),
        ("scan", "deferred", 1, False, "zoneout acts on one state after the other"),
    ),
    "no step": (
        *(LRU, CPU, {}, Work(8, 0)),
        ("scan", "deferred", 1, False, "there is no step"),
    ),
    "both directions of a linear cell": (
        *(LRU, GPU, {}, Work(8, 20, joint=True)),
        ("parallel", "parallel", 8, True, "both directions in parallel"),
    ),
    "states of vectors": (
        *(LRU, CPU, {}, Work(8, 20, states=True)),
        ("parallel", "parallel", 1, False, "all steps in parallel"),
    ),
    "states of matrices": (
        *(MLSTM, CPU, {}, Work(8, 20, states=True)),
        ("scan", "deferred", 1, False, "only the loop returns the states"),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name):
    traits, device, options, work, (*decisions, why) = TABLE[name]
    plan = make_plan(traits, Schedule(**options).check(), work, device)
    assert [plan.backend, plan.body, plan.unroll, plan.precompute] == decisions
    assert why in plan.why
    faster = f"faster on a {device.platform.upper()}"
    asked = {name: "as asked" for name in options}
    assert plan.reasons.unroll == asked.get("unroll", faster)
    assert plan.reasons.precompute == asked.get("project", faster)
    on_gpu = device is GPU and traits is LRU and options.get("backend") != "scan"
    assert plan.linear_kernel == (plan.backend == "parallel" and on_gpu)
    chunk = {"step": 1, "none": 0}
    remat = options.get("remat", "none")
    assert plan.chunk == (chunk[remat] if remat in chunk else int(remat[-1]))
    assert plan.recompute == (remat == "step" or traits.recompute)
    known_kernel = traits.kernel is not None and device is not TPU
    assert (plan.reasons.no_kernel is not None) == (
        known_kernel and plan.backend == "scan"
    )


@pytest.mark.parametrize(
    "traits, options, why",
    [
        (LSTM, {}, "one product over all steps for each matrix"),
        (MGU, {}, "there is a matrix product between the gates"),
        (LSTM, {"gradient": "loop"}, 'gradient="loop" is asked for'),
        (LRU, {}, "faster on a CPU"),
    ],
)
def test_the_reason_of_the_body(traits, options, why):
    plan = make_plan(traits, Schedule(**options), SIZE, BARE)
    assert plan.reasons.body == why


def test_a_cell_that_recomputes():
    wide = LRU._replace(recompute=True)
    assert make_plan(wide, Schedule(), SIZE, CPU).recompute
    assert not make_plan(LRU, Schedule(), SIZE, CPU).recompute


def test_parallel_steps_have_no_gradient_in_the_loop():
    with pytest.raises(ValueError, match='gradient="loop" needs steps="loop" or "au'):
        Schedule(gradient="loop", steps="parallel").check()


@pytest.mark.parametrize(
    "loops, on_cpu, on_gpu",
    [("one", True, True), ("two", False, False), ("auto", False, True)],
)
def test_whether_both_directions_share_a_loop(loops, on_cpu, on_gpu):
    assert joins_directions(loops, CPU) == on_cpu
    assert joins_directions(loops, GPU) == on_gpu


def symbolic(B, T):
    sizes: Any = export.symbolic_shape(f"{B}, {T}")
    return Work(*sizes)


@pytest.mark.parametrize("sizes", [("b", 20), (8, "t"), ("b", "t")])
@pytest.mark.parametrize("traits", [LSTM, LRU])
def test_the_plan_for_symbolic_sizes_is_the_scan(traits, sizes):
    schedule = Schedule(unroll=4, remat="chunk:4")
    plan = make_plan(traits, schedule, symbolic(*sizes), GPU)
    assert (plan.backend, plan.unroll, plan.chunk, plan.recompute) == (
        *("scan", 1, 1, True),
    )
    assert plan.reasons.unroll == "the shapes are symbolic"
    assert "the shapes are symbolic" in plan.why


@pytest.mark.parametrize(
    "work, unavailable",
    [
        (Work(8, 20, states=True), "the states of all steps are asked for"),
        (Work(8, 20, joint=True), "both directions share a loop"),
        (symbolic("b", "t"), "the shapes are symbolic"),
    ],
)
def test_a_kernel_that_cannot_run_is_an_error(work, unavailable):
    with pytest.raises(ValueError, match=f'backend="native": {unavailable}'):
        make_plan(LSTM, Schedule(backend="native"), work, CPU)
