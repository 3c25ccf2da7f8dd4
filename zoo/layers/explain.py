"""How the layers of a model run, and why."""

from typing import Any, NamedTuple

import jax
from flax import nnx

from zoo.engine.plan import Plan
from zoo.layers.recording import recording
from zoo.layers.recurrent import Recurrent

UNKNOWN = "(unknown path)"


class LayerPlan(NamedTuple):
    """How one layer of one cell runs.

    Attributes:
        where: the path of the layer in the model, as in `zoo.summary`; or
            ``"(unknown path)"`` for a copy of a layer, which transformations such as
            ``nnx.remat`` call.
        cell: the class of its cell, with the sizes of input and output.
        backend: ``"scan"``: a loop over the steps; ``"native"``: that loop in one call
            of a kernel; ``"parallel"``: all steps in parallel.
        why: how the call runs, and the reasons, in one line.
        plan: the plan that the layer runs, with a reason for each decision.
    """

    where: str
    cell: str
    backend: str
    why: str
    plan: Plan


class Explanation(tuple[LayerPlan, ...]):
    """A `LayerPlan` for each layer of one cell, in the order in which they run."""

    def __str__(self) -> str:
        """Return one line per layer."""
        return "\n".join(
            f"{layer.where}: {layer.cell}: {layer.backend}: {layer.why}"
            for layer in self
        )


def explain(model: nnx.Module, *inputs: Any, **options: Any) -> Explanation:
    """Return how every recurrent layer of a model runs on this device, and why.

    The model is traced with these inputs and nothing is computed. The result holds the
    very plans that a call with such inputs runs. It lists the calls of layers, not
    their single steps (``layer.step``) or `zoo.deer`, and none inside a function that
    the model has compiled itself before.

    Example::

        layer = zoo.LSTM(50, 100, rngs=nnx.Rngs(0))
        print(zoo.explain(layer, jax.ShapeDtypeStruct((32, 80, 50), float)))
        print(zoo.explain(classifier, words, mask))     # as for classifier(words, mask)

    Args:
        model: any layer or model.
        *inputs: the arguments of its call: arrays, or their shapes as
            `jax.ShapeDtypeStruct`.
        **options: its keyword arguments, such as ``mask`` and ``key``.

    Returns:
        A `LayerPlan` for each layer of one cell; printed, one line per layer.
    """
    graph, variables = nnx.split(model)
    plans: list[LayerPlan] = []
    leaves, structure = jax.tree.flatten((inputs, options))
    is_array = [hasattr(leaf, "dtype") for leaf in leaves]

    def run(variables: Any, arrays: list[Any]) -> None:
        own, given = nnx.merge(graph, variables), iter(arrays)
        names = {
            id(module): ".".join(map(str, path)) or "(layer)"
            for path, module in nnx.iter_modules(own)
        }
        values = [
            next(given) if traced else leaf
            for leaf, traced in zip(leaves, is_array, strict=True)
        ]
        arguments, keywords = jax.tree.unflatten(structure, values)
        with recording() as records:
            own(*arguments, **keywords)
        plans.extend(_describe(names, layer, plan) for layer, plan in records)

    arrays = [leaf for leaf, traced in zip(leaves, is_array, strict=True) if traced]
    jax.eval_shape(run, variables, arrays)
    return Explanation(plans)


def _describe(names: dict[int, str], layer: Recurrent, plan: Plan) -> LayerPlan:
    cell = layer.cell
    sizes = f"{type(cell).__name__} {cell.input_size} -> {cell.output_size}"
    where = names.get(id(layer), UNKNOWN)
    return LayerPlan(where, sizes, plan.backend, plan.why, plan)
