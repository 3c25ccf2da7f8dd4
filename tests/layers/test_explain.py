"""The plan of a call: `zoo.explain`, and loops that run both directions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.subject import MASK, B, D, H, T
from tests.helpers.tolerances import SCHEDULE, SCHEDULE_GRADIENT, assert_close
from zoo.cells.base import Cell
from zoo.cells.linear import base as linear_cells
from zoo.engine import native
from zoo.engine.plan import make_plan
from zoo.layers import joint, recurrent

X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
RESET = np.zeros((B, T), bool)
RESET[:, [0, 3]] = True


def bidirectional(
    loops: Any, *, cell: type[Cell] = zoo.LSTMCell, **options: Any
) -> zoo.CellStack:
    """Return a bidirectional stack whose directions run in one loop or in two."""
    return zoo.CellStack(
        cell, D, H, 2, bidirectional=True, loops=loops, rngs=nnx.Rngs(0), **options
    )


NOISE = {
    "weight drop": {"weight_drop": 0.5},
    "zoneout": {"zoneout": {"h": 0.3, "c": 0.3}},
    "candidate dropout": {"candidate_dropout": 0.3},
    "recurrent dropout": {"recurrent_dropout": 0.3},
}


@pytest.mark.parametrize("name", NOISE)
def test_one_loop_and_two_draw_the_same_noise(name):
    key = jax.random.key(1)
    one, two = (bidirectional(loops, **NOISE[name]) for loops in ("one", "two"))
    noisy = one(X, MASK, reset=RESET, key=key)
    assert_close(noisy, two(X, MASK, reset=RESET, key=key), SCHEDULE)
    assert np.abs(noisy[1] - one(X, MASK, reset=RESET)[1]).max() > 1e-3


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.LRUCell, zoo.S6Cell, zoo.QRNNCell])
@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "ragged"])
def test_one_loop_equals_two(cell, mask):
    options = {"cell": cell, "learn_initial_state": cell is zoo.LSTMCell}
    one, two = (bidirectional(loops, **options) for loops in ("one", "two"))
    for reset in (None, RESET):
        expected = two(X, mask, reset=reset)
        assert_close(one(X, mask, reset=reset), expected, SCHEDULE)
        expected = two.states(X, mask, reset=reset)
        assert_close(one.states(X, mask, reset=reset), expected, SCHEDULE)


def test_one_loop_needs_layers_of_the_same_cell():
    def layer(cell, size=H, **options):
        return zoo.Recurrent(cell(D, size, rngs=nnx.Rngs(0)), **options)

    forward = layer(zoo.GRUCell)
    for other in (
        layer(zoo.LSTMCell, reverse=True),
        layer(zoo.GRUCell, H + 1, reverse=True),
        layer(zoo.GRUCell, reverse=True, zoneout=0.1),
        layer(zoo.GRUCell, reverse=True, remat="step"),
    ):
        assert not joint.alike(forward, other)
        zoo.Bidirectional(forward, other)  # runs two loops
        with pytest.raises(
            ValueError, match='loops="one" needs two layers of one cell'
        ):
            zoo.Bidirectional(forward, other, loops="one")
    assert joint.alike(forward, layer(zoo.GRUCell, reverse=True))
    with pytest.raises(ValueError, match="loops must be one of"):
        bidirectional("three")


def stack(rngs: nnx.Rngs) -> zoo.Stacked:
    """Return a stack with a layer of each kind."""
    lstm = [
        zoo.Recurrent(zoo.LSTMCell(D, H, rngs=rngs), reverse=reverse)
        for reverse in (False, True)
    ]
    return zoo.Stacked(
        [
            zoo.Bidirectional(*lstm),
            zoo.Recurrent(zoo.LRUCell(2 * H, H, rngs=rngs), steps="parallel"),
            zoo.Recurrent(zoo.LRUCell(H, H, rngs=rngs), zoneout=0.1),
            zoo.Residual(zoo.Recurrent(zoo.GRUCell(H, H, rngs=rngs), remat="chunk:4")),
        ]
    )


def test_an_explanation_names_every_layer(monkeypatch):
    monkeypatch.setattr(
        native, "missing", lambda *kernel: "rnn-zoo-native is not installed"
    )
    plans = zoo.explain(stack(nnx.Rngs(0)), X, MASK)
    assert [(one.where, one.cell, one.backend) for one in plans] == [
        ("layers.0.forward", f"LSTMCell {D} -> {H}", "scan"),
        ("layers.0.backward", f"LSTMCell {D} -> {H}", "scan"),
        ("layers.1", f"LRUCell {2 * H} -> {H}", "parallel"),
        ("layers.2", f"LRUCell {H} -> {H}", "scan"),
        ("layers.3.layer", f"GRUCell {H} -> {H}", "scan"),
    ]
    lines = str(plans).splitlines()
    assert lines[1] == (
        f"layers.0.backward: LSTMCell {D} -> {H}: scan: LSTMCell is not linear in its "
        "state; 1 step per iteration; inputs projected in the loop; no kernel: "
        "rnn-zoo-native is not installed"
    )
    assert "the cell is linear in its state; all steps in parallel, as" in lines[2]
    assert "zoneout acts on one state after the other" in lines[3]
    assert "remat chunk:4; no kernel: rnn-zoo-native is not installed" in lines[4]


def test_an_explanation_of_a_model():
    """With all arguments of its call; the layers are named by their path."""
    classifier = zoo.models.Classifier(
        20, 3, embedding_dim=D, hidden_size=H, num_layers=2, rngs=nnx.Rngs(0)
    )
    tokens = jax.ShapeDtypeStruct((B, T), jnp.int32)
    for key in (None, jax.random.key(0)):
        plans = zoo.explain(classifier, tokens, mask=MASK, key=key)
        assert [plan.where.rpartition("layers.")[2] for plan in plans] == [
            *("0.forward", "0.backward", "1.forward", "1.backward"),
        ]


def test_an_explanation_of_a_transformed_layer():
    """Its copy has no path in the model."""

    class Rematerialised(nnx.Module):
        def __init__(self) -> None:
            self.layer = zoo.LSTM(D, H, rngs=nnx.Rngs(0))

        def __call__(self, x: jax.Array) -> jax.Array:
            return nnx.remat(lambda layer, x: layer(x)[1])(self.layer, x)

    (plan,) = zoo.explain(Rematerialised(), X)
    assert (plan.where, plan.cell) == ("(unknown path)", f"LSTMCell {D} -> {H}")


def test_an_explanation_holds_the_plans_that_run(monkeypatch):
    """After a call too, which has compiled the layer."""
    made = []

    def keep(*arguments):
        made.append(make_plan(*arguments))
        return made[-1]

    monkeypatch.setattr(recurrent, "make_plan", keep)
    layer = zoo.LSTM(D, H + 3, rngs=nnx.Rngs(0))  # a size that no other test compiles
    layer(X, MASK)
    (ran,) = made
    assert zoo.explain(layer, X, MASK)[0].plan == ran
    assert zoo.explain(layer, X, MASK)[0].why == ran.why


def test_matrix_cells_run_in_parallel_on_a_cpu():
    def plan(**options):
        cell = zoo.DeltaNetCell(D, H, rngs=nnx.Rngs(0))
        (layer,) = zoo.explain(zoo.Recurrent(cell, **options), X)
        return layer.backend, layer.why

    why = "the cell is linear in its state; all steps in parallel, faster on a CPU"
    assert plan() == ("parallel", why)
    assert plan(steps="loop")[1].startswith("as asked; 1 step per iteration")
    backend, why = plan(gradient="loop")
    assert backend == "scan" and why.startswith('gradient="loop" is asked for; 1 step')


def test_large_linear_layers_run_in_a_loop_unless_they_are_differentiated():
    """On a CPU; and the results are the same."""
    layer = zoo.Recurrent(zoo.HGRNCell(D, H, rngs=nnx.Rngs(0)))
    (small,) = zoo.explain(layer, X)
    assert small.plan.body == "parallel"
    (large,) = zoo.explain(layer, jax.ShapeDtypeStruct((1 << 10, 1 << 10, D), float))
    assert large.why == small.why + ", for the gradient; without one, by the loop"
    (single,) = zoo.explain(layer, jax.ShapeDtypeStruct((1, 1 << 20, D), float))
    assert single.why == small.why
    recompute = zoo.Recurrent(layer.cell, remat="step")
    assert zoo.explain(recompute, X)[0].why.startswith("it stores less; 1 step")
    wide = zoo.Recurrent(zoo.S6Cell(D, H, rngs=nnx.Rngs(0)))
    assert zoo.explain(wide, X)[0].backend == "scan"


@pytest.mark.parametrize("remat", ["none", "chunk:4"])
def test_gradients_in_parallel_equal_those_of_the_loop(monkeypatch, remat):
    """First and second derivatives, where the loop runs the forward pass alone."""
    monkeypatch.setattr(linear_cells, "MAX_CACHED", 0)
    x, results = jnp.asarray(X), []
    for steps in ("auto", "loop"):
        # A size no other test uses: equal layers share a compiled program.
        cell = zoo.HGRNCell(D, H + 2, rngs=nnx.Rngs(0))
        layer = zoo.Recurrent(cell, steps=steps, remat=remat)
        why = zoo.explain(layer, X)[0].why
        assert steps == "loop" or "by the loop" in why
        params, apply = zoo.functional(layer)

        def loss(params, x, apply=apply):
            (last,), y = apply(params, x, MASK, reset=RESET)
            return (last**2).sum() + (y**3).sum()

        def squared_norm(params, x, loss=loss):
            grads = jax.grad(loss, (0, 1))(params, x)
            return sum((leaf**2).sum() for leaf in jax.tree.leaves(grads)), grads

        second, first = jax.jit(jax.grad(squared_norm, (0, 1), has_aux=True))(params, x)
        results.append((loss(params, x), first, second))
    parallel, loop = results
    assert_close(parallel, loop, 20 * SCHEDULE_GRADIENT)


def test_the_plan_is_that_of_the_default_device(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(native, "missing", lambda where, *kernel: f"none on a {where}")
    shapes = jax.ShapeDtypeStruct(X.shape, jnp.float32)
    plans = zoo.explain(stack(nnx.Rngs(0)), shapes)
    assert plans[0].why == (
        "LSTMCell is not linear in its state; 8 steps per iteration; inputs projected "
        "before the loop; both directions in one loop; no kernel: none on a gpu"
    )
    with jax.default_device(jax.devices("cpu")[0]):
        on_cpu = zoo.explain(stack(nnx.Rngs(0)), shapes)
    assert on_cpu[0].why == (
        "LSTMCell is not linear in its state; 1 step per iteration; inputs projected "
        "in the loop; no kernel: none on a cpu"
    )
    lru = zoo.Recurrent(zoo.LRUCell(D, H, rngs=nnx.Rngs(0)))
    assert zoo.explain(lru, shapes)[0].why == (
        "the cell is linear in its state; all steps in parallel, faster on a GPU"
    )
    two = bidirectional("auto", cell=zoo.LRUCell)
    assert zoo.explain(two, shapes)[0].why.endswith("both directions in parallel")


def test_one_loop_on_a_cpu_has_no_kernel():
    with pytest.raises(ValueError, match='"native": both directions share a loop'):
        bidirectional("one", backend="native")(X)


def test_an_error_names_an_invalid_unroll():
    with pytest.raises(ValueError, match="unroll must be"):
        zoo.LSTM(D, H, unroll=0, rngs=nnx.Rngs(0))
