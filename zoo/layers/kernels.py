"""Which kernels the layers of a model run in training."""

from flax import nnx

from zoo.engine import native
from zoo.engine.plan import make_plan
from zoo.engine.traits import Work, current_device
from zoo.layers.recurrent import Recurrent

# A batch of usual size: kernels repay packing the matrices.
BATCH = Work(B=32, T=64)


def describe_kernels(model: nnx.Module) -> str | None:
    """Return the kernels that a model runs in training, or why not, in one line.

    Args:
        model: any layer or model.

    Returns:
        The line; None if there are no kernels for the cells of its layers.
    """
    device = current_device()
    runs, reasons = False, list[str]()
    for _, layer in nnx.iter_modules(model):
        if not isinstance(layer, Recurrent) or layer.cell.kernel() is None:
            continue
        work = BATCH._replace(regularised=layer.is_noisy)
        plan = make_plan(layer.traits, layer.schedule, work, device)
        runs |= plan.backend == "native"
        if plan.reasons.no_kernel is not None:
            reasons.append(plan.reasons.no_kernel)
    if reasons:
        return f"{'only for some layers' if runs else 'none'}: {reasons[0]}"
    return native.loaded(device.platform) if runs else None
