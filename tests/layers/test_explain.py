"""How a layer is run: what is told is what is done, and changes no result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.subject import MASK, B, D, H, T
from tests.helpers.tolerances import SCHEDULE, SCHEDULE_GRADIENT, assert_close
from zoo.cells.linear import base as linear_cells
from zoo.engine import native, scan
from zoo.layers import joint

X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
RESET = np.zeros((B, T), bool)
RESET[:, [0, 3]] = True


def both(loops, *, cell=zoo.LSTMCell, **options):
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
def test_one_loop_draws_what_two_draw(name):
    key = jax.random.key(1)
    one, two = (both(loops, **NOISE[name]) for loops in ("one", "two"))
    drawn = one(X, MASK, reset=RESET, key=key)
    assert_close(drawn, two(X, MASK, reset=RESET, key=key), SCHEDULE)
    assert np.abs(drawn[1] - one(X, MASK, reset=RESET)[1]).max() > 1e-3


@pytest.mark.parametrize("cell", [zoo.LSTMCell, zoo.LRUCell, zoo.S6Cell, zoo.QRNNCell])
@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "ragged"])
def test_one_loop_equals_two(cell, mask):
    options = {"cell": cell, "learn_initial_state": cell is zoo.LSTMCell}
    one, two = (both(loops, **options) for loops in ("one", "two"))
    for reset in (None, RESET):
        expected = two(X, mask, reset=reset)
        assert_close(one(X, mask, reset=reset), expected, SCHEDULE)
        every = two.states(X, mask, reset=reset)
        assert_close(one.states(X, mask, reset=reset), every, SCHEDULE)


def test_one_loop_needs_layers_that_are_alike():
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
        zoo.Bidirectional(forward, other)  # by two
        with pytest.raises(
            ValueError, match='loops="one" needs two layers of one cell'
        ):
            zoo.Bidirectional(forward, other, loops="one")
    assert joint.alike(forward, layer(zoo.GRUCell, reverse=True))
    with pytest.raises(ValueError, match="loops must be one of"):
        both("three")


def stack(rngs):
    """Return a layer of each kind."""
    lstm = [zoo.Recurrent(zoo.LSTMCell(D, H, rngs=rngs), reverse=r) for r in (0, 1)]
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
    found = zoo.explain(stack(nnx.Rngs(0)), X, MASK)
    assert [(one.where, one.cell, one.backend) for one in found] == [
        ("layers.0.forward", f"LSTMCell {D} -> {H}", "scan"),
        ("layers.0.backward", f"LSTMCell {D} -> {H}", "scan"),
        ("layers.1", f"LRUCell {2 * H} -> {H}", "parallel"),
        ("layers.2", f"LRUCell {H} -> {H}", "scan"),
        ("layers.3.layer", f"GRUCell {H} -> {H}", "scan"),
    ]
    lines = str(found).splitlines()
    assert lines[1] == (
        f"layers.0.backward: LSTMCell {D} -> {H}: scan, LSTMCell is not linear in its "
        "state; 1 step an iteration, inputs projected in the loop, no kernel: "
        "rnn-zoo-native is not installed"
    )
    assert "the cell is linear in its state, as asked" in lines[2]
    assert "zoneout acts on one state after the other" in lines[3]
    assert "remat chunk:4, no kernel: rnn-zoo-native is not installed" in lines[4]


def test_steps_of_matrices_are_taken_at_once_on_a_cpu():
    def plan(**options):
        cell = zoo.DeltaNetCell(D, H, rngs=nnx.Rngs(0))
        (found,) = zoo.explain(zoo.Recurrent(cell, **options), X)
        return found[2:]

    told = "the cell is linear in its state, faster on a CPU"
    assert plan() == ("parallel", told)
    assert plan(steps="loop")[1].startswith("as asked; 1 step an iteration")
    backend, why = plan(gradient="loop")
    assert backend == "scan" and why.startswith('gradient="loop" is asked for; 1 step')


def test_large_linear_layers_run_in_a_loop_unless_they_are_differentiated():
    """On a CPU; and the results are the same."""
    layer = zoo.Recurrent(zoo.HGRNCell(D, H, rngs=nnx.Rngs(0)))
    (small,) = zoo.explain(layer, X)
    assert small.why == "the cell is linear in its state, faster on a CPU"
    (large,) = zoo.explain(layer, jax.ShapeDtypeStruct((1 << 10, 1 << 10, D), float))
    assert large.why == small.why + ", for the gradient: without one, by the loop"
    (single,) = zoo.explain(layer, jax.ShapeDtypeStruct((1, 1 << 20, D), float))
    assert single.why == small.why
    recompute = zoo.Recurrent(layer.cell, remat="step")
    assert zoo.explain(recompute, X)[0].why.startswith("it stores less; 1 step")
    wide = zoo.Recurrent(zoo.S6Cell(D, H, rngs=nnx.Rngs(0)))
    assert zoo.explain(wide, X)[0].backend == "scan"


@pytest.mark.parametrize("remat", ["none", "chunk:4"])
def test_a_gradient_of_all_steps_at_once_is_that_of_the_loop(monkeypatch, remat):
    """First and second, where the loop runs what is not differentiated."""
    monkeypatch.setattr(linear_cells, "MAX_CACHED", 0)
    x, found = jnp.asarray(X), []
    for steps in ("auto", "loop"):
        # Of a size of its own: layers that are alike are compiled once in a process.
        cell = zoo.HGRNCell(D, H + 2, rngs=nnx.Rngs(0))
        layer = zoo.Recurrent(cell, steps=steps, remat=remat)
        by_loop = steps == "loop" or "by the loop" in zoo.explain(layer, X)[0].why
        assert by_loop
        params, apply = zoo.functional(layer)

        def loss(params, x, apply=apply):
            (last,), y = apply(params, x, MASK, reset=RESET)
            return (last**2).sum() + (y**3).sum()

        def slope(params, x, loss=loss):
            grads = jax.grad(loss, (0, 1))(params, x)
            return sum((leaf**2).sum() for leaf in jax.tree.leaves(grads)), grads

        seconds, firsts = jax.jit(jax.grad(slope, (0, 1), has_aux=True))(params, x)
        found.append((loss(params, x), firsts, seconds))
    assert_close(*found, 20 * SCHEDULE_GRADIENT)


def test_what_a_gpu_would_do(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(native, "missing", lambda where, *kernel: f"none on a {where}")
    shapes = jax.ShapeDtypeStruct(X.shape, jnp.float32)
    found = zoo.explain(stack(nnx.Rngs(0)), shapes)
    assert found[0].why == (
        "LSTMCell is not linear in its state; 8 steps an iteration, inputs projected "
        "ahead of the loop, both directions in one loop, no kernel: none on a gpu"
    )
    with jax.default_device(jax.devices("cpu")[0]):
        on_cpu = zoo.explain(stack(nnx.Rngs(0)), shapes)
    assert on_cpu[0].why == (
        "LSTMCell is not linear in its state; 1 step an iteration, inputs projected "
        "in the loop, no kernel: none on a cpu"
    )
    lru = zoo.Recurrent(zoo.LRUCell(D, H, rngs=nnx.Rngs(0)))
    assert zoo.explain(lru, shapes)[0][2:] == (
        "parallel",
        "the cell is linear in its state, faster on a GPU",
    )
    two = both("auto", cell=zoo.LRUCell)
    assert zoo.explain(two, shapes)[0].why.endswith("GPU, both directions at once")
    assert scan.Schedule(unroll=3).each == 3


def test_unroll_is_checked():
    with pytest.raises(ValueError, match="unroll must be"):
        zoo.LSTM(D, H, unroll=0, rngs=nnx.Rngs(0))
