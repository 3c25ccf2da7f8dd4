"""Layers under `jax.export` with symbolic sizes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

import zoo
from tests.helpers.tolerances import SCHEDULE, SCHEDULE_GRADIENT, assert_close
from zoo.export_states import NAMED_TUPLES

D, H = 4, 8
CELLS = zoo.cells()


def describe(tree: Any) -> Any:
    """Return the shapes and dtypes of a tree of arrays."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), tree)


def symbolic_inputs() -> tuple[Any, Any]:
    """Return descriptions of x and mask with symbolic sizes."""
    B, T = export.symbolic_shape("b, t")
    x = jax.ShapeDtypeStruct((B, T, D), jnp.float32)
    return x, jax.ShapeDtypeStruct((B, T), jnp.bool_)


def random_inputs(rows: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x, and a mask with rows of different lengths."""
    x = np.random.default_rng(0).normal(size=(rows, steps, D)).astype(np.float32)
    return x, np.arange(steps) <= np.arange(rows)[:, None]


def recurrent(cell: str, **options: Any) -> zoo.Recurrent:
    """Return a layer of one cell."""
    return zoo.Recurrent(CELLS[cell](D, H, rngs=nnx.Rngs(0)), **options)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_exports(name):
    """Outputs and final state equal those of a call."""
    layer = recurrent(name)
    params, apply = zoo.functional(layer)
    run = jax.jit(apply)
    exported = export.export(run)(describe(params), *symbolic_inputs())
    state, y = jax.tree.unflatten(exported.out_tree, exported.out_avals)
    assert list(map(str, y.shape)) == ["b", "t", str(layer.output_size)]
    assert all(str(part.shape[0]) == "b" for part in jax.tree.leaves(state))
    inputs = random_inputs(3, 5)
    exported = jax.jit(exported.call)
    assert_close(exported(params, *inputs), run(params, *inputs), SCHEDULE)


@pytest.mark.parametrize("name", CELLS)
def test_a_program_with_the_states_of_a_cell_can_be_saved(name):
    state = jax.eval_shape(lambda: recurrent(name).init_state(1))
    assert type(state) in NAMED_TUPLES


CASES = {
    f"{name} {'reverse' if reverse else 'forward'}": (
        lambda name=name, reverse=reverse: recurrent(name, reverse=reverse)
    )
    for name in CELLS
    for reverse in (False, True)
}
CASES |= {
    f"{name} in chunks": (lambda name=name: recurrent(name, remat="chunk:4"))
    for name in ("lstm", "lru", "mlstm")
}
CASES |= {
    "gru stacked both ways": (
        lambda: zoo.GRU(D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))
    ),
    "lstm both ways, one loop": (
        lambda: zoo.LSTM(D, H, bidirectional=True, loops="one", rngs=nnx.Rngs(0))
    ),
}
# Without --thorough, the last cell of each family, every other one in reverse, and the
# layers that are not of one cell.
LAST = {cell.family: name for name, cell in CELLS.items()}.values()
OF_EACH_KIND = {
    f"{name} {('forward', 'reverse')[k % 2]}" for k, name in enumerate(LAST)
}
OF_EACH_KIND |= {"lstm in chunks", "gru stacked both ways", "lstm both ways, one loop"}


@pytest.mark.one_of_each_kind
@pytest.mark.parametrize("case", CASES)
def test_an_exported_gradient_takes_any_batch_and_length(case):
    """Outputs, states and gradients of packed sequences, from one export."""
    params, apply = zoo.functional(CASES[case]())

    @jax.jit
    def run(params, x, mask, reset):
        def loss(params, x):
            state, y = apply(params, x, mask, reset=reset)
            parts = [(a.astype(y.dtype) ** 2).sum() for a in jax.tree.leaves(state)]
            return (y**2).sum() + sum(parts), (state, y)

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)

    x, mask = symbolic_inputs()
    exported = jax.jit(export.export(run)(describe(params), x, mask, mask).call)
    for rows, steps in ((2, 7), (5, 3)):
        x, mask = random_inputs(rows, steps)
        reset = np.zeros((rows, steps), bool)
        reset[:, 1] = True
        gradients, results = exported(params, x, mask, reset)
        expected_gradients, expected = run(params, x, mask, reset)
        assert_close(results, expected, SCHEDULE)
        assert_close(gradients, expected_gradients, SCHEDULE_GRADIENT)
