"""The plan of a call: how a layer runs, and why.

`make_plan` is a pure function of the cell's traits, the schedule, the call and the
device. The layers make one plan for each call and run it; `zoo.explain` prints the same
plans. Below the plan, single operations (`matmul`, `linear_scan`, `matrix_chunks`)
choose between equivalent forms for the platform.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp

from zoo.engine.schedule import LoopsOption, Schedule
from zoo.engine.traits import Device, Traits, Work

GPU_UNROLL = 8
# By measurements with 64 to 512 units: fewer tokens do not repay packing the matrices.
MIN_KERNEL_STEPS = 4
MIN_KERNEL_TOKENS = 16  # on a CPU

Backend = Literal["scan", "native", "parallel"]
Body = Literal["plain", "deferred", "parallel", "parallel_gradient"]


class Reasons(NamedTuple):
    """Why a plan is what it is, a phrase for each decision.

    Attributes:
        backend: why this backend.
        body: why this body.
        unroll: why this number of steps per iteration.
        precompute: why the inputs are projected there.
        remat: why this much is recomputed.
        no_kernel: why no kernel runs the loop; None if one does, or if this cell or
            device has none.
    """

    backend: str
    body: str
    unroll: str
    precompute: str
    remat: str
    no_kernel: str | None


class Plan(NamedTuple):
    """How one call of a layer of one cell runs.

    Attributes:
        backend: ``"scan"``: a loop over the steps by ``jax.lax.scan``; ``"native"``:
            that loop in one call of a kernel; ``"parallel"``: all steps in parallel.
        body: ``"plain"``: the loop with the gradient that JAX derives; ``"deferred"``:
            the loop with the gradients of matrices computed after it; ``"parallel"``:
            all steps in parallel; ``"parallel_gradient"``: in parallel if
            differentiated, else by the loop. Where a kernel runs the loop, the body
            serves second derivatives.
        unroll: steps per iteration of the loop.
        precompute: whether the inputs of all steps are projected before the loop.
        chunk: n of 2 or more stores every n-th state and recomputes each chunk of n
            steps in the backward pass; 1 stores the states of all steps; 0 stores all.
        recompute: whether the backward pass stores only the states and recomputes the
            rest of each step.
        joint: whether both directions of a layer share the loop.
        linear_kernel: whether a kernel computes the linear recurrence of a parallel
            plan.
        per_device: whether there are several devices, each of which calls a kernel with
            the rows that it holds.
        reasons: the reason for each decision.
    """

    backend: Backend
    body: Body
    unroll: int
    precompute: bool
    chunk: int
    recompute: bool
    joint: bool
    linear_kernel: bool
    per_device: bool
    reasons: Reasons

    @property
    def why(self) -> str:
        """How the call runs, and the reasons, in one line."""
        parts = [self.reasons.backend]
        if self.backend == "scan":
            parts.append(f"{self.unroll} step{'s' * (self.unroll > 1)} per iteration")
            where = "before" if self.precompute else "in"
            parts.append(f"inputs projected {where} the loop")
            if self.joint:
                parts.append("both directions in one loop")
        elif self.backend == "native":
            both = " of both directions" * self.joint
            call = "in one call of a kernel" + " per device" * self.per_device
            parts.append(f"{self._steps}{both} {call}")
        else:
            parts.append(f"{self._steps} in parallel, {self.reasons.body}")
            if self.joint:
                parts.append("both directions in parallel")
        if self.reasons.remat:
            parts.append(self.reasons.remat)
        if self.reasons.no_kernel is not None:
            parts.append(f"no kernel: {self.reasons.no_kernel}")
        return "; ".join(parts)

    @property
    def _steps(self) -> str:
        return "all steps" if self.chunk < 2 else f"{self.chunk} steps at a time"


def make_plan(traits: Traits, schedule: Schedule, work: Work, device: Device) -> Plan:
    """Decide how a call runs.

    Args:
        traits: what the cell and its regularisers allow.
        schedule: what the user asks for.
        work: the sizes of the call, and what it returns.
        device: where it runs.

    Returns:
        The plan, with a reason for each decision.

    Raises:
        ValueError: if ``backend="native"`` is asked for and no kernel can run the call.
    """
    unavailable = _kernel_unavailable(traits, schedule, work, device)
    if unavailable is not None and schedule.backend == "native":
        raise ValueError(f'backend="native": {unavailable}')
    parallel, why_steps = _parallel(traits, schedule, work, device)
    body, why_body = _loop_body(traits, schedule)
    unroll, why_unroll = _unroll(schedule, work, device)
    precompute, why_precompute = _precompute(schedule, device)
    chunk = schedule.chunk
    why_remat = "" if schedule.remat == "none" else f"remat {schedule.remat}"
    if work.symbolic and chunk > 1:
        # The number of chunks is unknown.
        chunk, why_remat = 1, "remat step, since the shapes are symbolic"
    backend: Backend = "scan"
    no_kernel, linear_kernel = None, False
    if unavailable is None:
        backend = "native"
        auto = schedule.backend == "auto"
        why_steps = _faster(device) if auto else "as asked"
    elif parallel is not None:
        backend, body, why_body = "parallel", *parallel
        linear_kernel = _runs_linear_kernel(traits, schedule, device)
    elif traits.kernel is not None and device.platform in ("cpu", "gpu"):
        no_kernel = unavailable
    return Plan(
        backend=backend,
        body=body,
        unroll=unroll,
        precompute=precompute,
        chunk=chunk,
        recompute=chunk == 1 or traits.recompute,
        joint=work.joint,
        linear_kernel=linear_kernel,
        per_device=device.several,
        reasons=Reasons(
            why_steps, why_body, why_unroll, why_precompute, why_remat, no_kernel
        ),
    )


def joins_directions(loops: LoopsOption, device: Device) -> bool:
    """Return whether both directions of a layer share a loop, if they can.

    Args:
        loops: ``"one"``, ``"two"`` or ``"auto"``, see `zoo.Bidirectional`.
        device: where the call runs.
    """
    # A step of one direction already keeps a CPU busy.
    return loops == "one" or (loops == "auto" and device.platform != "cpu")


def _faster(device: Device) -> str:
    return f"faster on a {device.platform.upper()}"


def _kernel_unavailable(
    traits: Traits, schedule: Schedule, work: Work, device: Device
) -> str | None:
    """Return why no kernel runs the call, or None if one does."""
    gpu = device.platform == "gpu"
    known = {jnp.dtype(jnp.float32), jnp.dtype(jnp.bfloat16)}
    if schedule.backend == "scan":
        return "as asked"
    if traits.kernel is None:
        return f"there is no kernel for {traits.name}"
    if work.symbolic:
        return "the shapes are symbolic"
    if work.joint and device.platform == "cpu":
        return "both directions share a loop"
    if not {traits.dtype, traits.param_dtype} <= known:
        return "the kernels compute in float32 and bfloat16"
    if traits.zoneout or work.regularised:
        return "a regulariser acts on every step"
    if work.states:
        return "the states of all steps are asked for"
    if schedule.gradient != "after":
        return 'gradient="loop" is asked for'
    if gpu and traits.dtype == jnp.float32 and not device.tf32:
        return "on a GPU the kernels multiply TF32"
    missing = device.kernel_unavailable(traits.kernel, traits.dtype, traits.hidden_size)
    if missing is not None or schedule.backend == "native":
        return missing
    steps = min(work.T, schedule.chunk) if schedule.chunk > 1 else work.T  # of a call
    too_few = steps < MIN_KERNEL_STEPS
    if too_few or (work.B * steps < MIN_KERNEL_TOKENS and not gpu):
        return "too few tokens to repay packing the matrices"
    return None


def _parallel(
    traits: Traits, schedule: Schedule, work: Work, device: Device
) -> tuple[tuple[Body, str] | None, str]:
    """Return the parallel body with its reason, or None; and why, or why not.

    Zoneout acts on one state after the other, at evaluation too.
    """
    auto = schedule.steps == "auto"
    chosen = _faster(device) if auto else "as asked"
    recompute = schedule.chunk == 1

    def preferred(gradient: bool) -> bool:
        return not auto or traits.prefers_parallel(
            work.B, work.T, gradient=gradient, recompute=recompute
        )

    if not traits.linear:
        return None, f"{traits.name} is not linear in its state"
    if traits.zoneout:
        return None, "zoneout acts on one state after the other"
    if work.regularised:
        return None, "a regulariser acts on every step"
    if schedule.steps == "loop":
        return None, "as asked"
    if work.symbolic:
        return None, "the shapes are symbolic"
    if work.states and not traits.parallel_states:
        return None, "only the loop returns the states of all steps"
    if auto and schedule.gradient == "loop":
        return None, 'gradient="loop" is asked for'
    if not preferred(gradient=True):
        return None, "it stores less" if recompute else chosen
    if not work.T:
        return None, "there is no step"
    how = chosen
    if _runs_linear_kernel(traits, schedule, device):
        how += ", in one pass of a kernel"
    why = "the cell is linear in its state"
    if preferred(gradient=False):
        return ("parallel", how), why
    how += ", for the gradient; without one, by the loop"
    return ("parallel_gradient", how), why


def _runs_linear_kernel(traits: Traits, schedule: Schedule, device: Device) -> bool:
    """Return whether a kernel computes the recurrence of a linear cell."""
    dtype = traits.linear_dtype
    return (
        schedule.backend != "scan" and dtype is not None and device.linear_kernel(dtype)
    )


def _loop_body(traits: Traits, schedule: Schedule) -> tuple[Body, str]:
    """Return how the loop computes its gradient, and why."""
    if schedule.gradient == "loop":
        return "plain", 'gradient="loop" is asked for'
    if not traits.separable:
        return "plain", "there is a matrix product between the gates"
    return "deferred", "one product over all steps for each matrix"


def _unroll(schedule: Schedule, work: Work, device: Device) -> tuple[int, str]:
    """Return the steps per iteration, and why."""
    if work.symbolic:
        return 1, "the shapes are symbolic"
    if schedule.unroll != "auto":
        return schedule.unroll, "as asked"
    # Every iteration on a GPU costs some launches and a wait, more than a step does.
    return (1 if device.platform == "cpu" else GPU_UNROLL), _faster(device)


def _precompute(schedule: Schedule, device: Device) -> tuple[bool, str]:
    """Return whether the inputs are projected before the loop, and why."""
    if schedule.project != "auto":
        return schedule.project == "ahead", "as asked"
    # On a CPU writing and reading the large product costs more than it saves; elsewhere
    # a product in the loop is a launch.
    return device.platform != "cpu", _faster(device)
