"""Layers and models on one device and on several, in a process of its own.

    python -m tests.helpers.devices CASES.json [GPU.so]

The process needs four devices (``--xla_force_host_platform_device_count=4``). It reads
the names of the cases, and prints a line of JSON for each. The second file holds the
kernels of an emulated GPU, which it uses instead of those for CPUs.
"""

import json
import re
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import zoo
from tests.cells.test_contract import CASES as LAYERS
from tests.cells.test_contract import D
from tests.helpers import emulated_gpu
from tests.helpers.kernels import CELLS, build_cell
from tests.helpers.tolerances import largest_error
from zoo import crf, decoding
from zoo.cli import compile_cache
from zoo.modules import output

DEVICES = 4
B, T, V = 16, 6, 11
ROWS, REPLICATED = PartitionSpec("data"), PartitionSpec()
TARGET = 'custom_call_target="zoo_'
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype(np.float32)
MASK = RNG.random((B, T)) < 0.8
RESET = RNG.random((B, T)) < 0.2
IDS = RNG.integers(0, V, (B, T)).astype(np.int32)


class Case(NamedTuple):
    """What is computed.

    Attributes:
        function: ``(params, rows) -> arrays [B, ...]``.
        params: replicated on all devices.
        rows: arrays ``[B, ...]``.
        by_device: whether the rows of each device get random numbers of their own.
        kernel: whether kernels compute it.
    """

    function: Callable[[Any, Any], Any]
    params: Any
    rows: Any
    by_device: bool = False
    kernel: bool = False


def layer_case(layer: zoo.Layer, **options: Any) -> Case:
    """Return the final state and y of a layer, with padding and resets."""
    params, apply = zoo.functional(layer)

    def nonzero(p: Any) -> Any:
        return p + 0.1 * np.sin(np.arange(p.size, dtype=p.dtype)).reshape(p.shape)

    def run(params: Any, rows: Any) -> Any:
        x, mask, reset = rows
        return apply(params, x, mask, reset=reset, **options)

    rows = X, MASK, RESET
    return Case(run, jax.tree.map(nonzero, params), rows, by_device=bool(options))


def model_case(
    model: nnx.Module, method: Callable[..., Any], *rows: Any, by_device: bool = False
) -> Case:
    """Return ``method(model, *rows)``."""
    params, apply = zoo.functional(model)

    def run(params: Any, rows: Any) -> Any:
        return apply(params, *rows, method=method)

    return Case(run, params, rows, by_device)


def kernel(name: str, **options: Any) -> Case:
    """Return a layer that runs a kernel."""
    return layer_case(zoo.Recurrent(build_cell(name, D, 5), **options))


def noisy() -> Case:
    """Return a stack with every kind of noise."""
    cell = zoo.LSTMCell(D, 5, rngs=nnx.Rngs(0))
    layers = [
        zoo.Recurrent(cell, recurrent_dropout=0.3, zoneout=0.2),
        zoo.GRU(5, 5, 2, dropout=0.3, rngs=nnx.Rngs(1)),
        zoo.Recurrent(
            zoo.LSTMCell(5, 5, rngs=nnx.Rngs(2)), candidate_dropout=0.2, weight_drop=0.2
        ),
    ]
    return layer_case(zoo.Stacked(layers, dropout=0.2), key=jax.random.key(0))


def tagger(**options: Any) -> Case:
    """Return the likelihoods of a CRF over words and characters, and its best paths."""
    options = {"embedding_dim": 4, "hidden_size": 5, "num_layers": 1} | options
    model = zoo.models.Tagger(
        *(V, 3),
        num_chars=7,
        char_size=4,
        shape_dim=0,
        use_crf=True,
        rngs=nnx.Rngs(0),
        **options,
    )
    chars = RNG.integers(1, 7, (B, T, 4)).astype(np.int32)
    labels = IDS % 3

    def run(model: Any, ids: Any, mask: Any, chars: Any, labels: Any) -> Any:
        logits = model(ids, mask, chars)
        return (
            model.log_likelihood(logits, labels, mask),
            model.decode(logits, mask),
            crf.marginals(logits, model._transitions(), mask),
            crf.k_best(logits, model._transitions(), 2, mask),
        )

    return model_case(model, run, IDS, MASK, chars, labels)


def classifier() -> Case:
    """Return the logits of a classifier with attention over a text."""
    model = zoo.models.Classifier(
        *(V, 3), embedding_dim=4, hidden_size=5, pooling="attention", rngs=nnx.Rngs(0)
    )
    return model_case(model, lambda model, *rows: model(*rows), IDS, MASK)


def language_model() -> Case:
    """Return the logits of a language model, from an output layer in chunks."""
    output.LARGE, output.CHUNK = 0, 1
    model = zoo.models.LanguageModel(
        V, embedding_dim=5, hidden_size=5, tied=True, rngs=nnx.Rngs(0)
    )

    def run(model: Any, ids: Any) -> Any:
        return model.reduce_logits(lambda logits: jax.nn.log_softmax(logits), (), ids)

    return model_case(model, run, IDS)


def translator(method: Callable[..., Any], **options: Any) -> Case:
    """Return a result of a sequence-to-sequence model with attention."""
    model = zoo.models.Seq2Seq(
        *(V, V), embedding_dim=4, hidden_size=5, input_feeding=True, rngs=nnx.Rngs(0)
    )
    return model_case(model, method, IDS, MASK, IDS[:, ::-1], MASK, **options)


def teacher_forced(model: Any, *rows: Any) -> Any:
    """Return the logits of given targets."""
    return model(*rows)


def sampled(model: Any, *rows: Any) -> Any:
    """Return the logits with scheduled sampling and dropout."""
    return model(*rows, sampling=0.5, key=jax.random.key(3))


def decoded(model: Any, source: Any, mask: Any, *_: Any) -> Any:
    """Return generated sequences, greedy and of a beam search, without gradient."""
    graph, variables = nnx.split(model)
    model = nnx.merge(graph, jax.lax.stop_gradient(variables))
    encoded, memory = model.encode(source, mask)
    state = model.init_decoder(encoded)
    limits: Any = {"bos": 1, "eos": 2, "max_length": 4}

    def step(memory: Any) -> Any:
        return lambda state, ids: model.step(state, memory, ids)

    wide = decoding.repeat(memory, 2)
    return (
        decoding.greedy(step(memory), state, **limits),
        decoding.beam_search(step(wide), state, width=2, **limits),
    )


def deer(jacobian: Any) -> Case:
    """Return the states of a GRU by Newton's method."""
    layer = zoo.Recurrent(zoo.GRUCell(D, 3, rngs=nnx.Rngs(0)))

    def run(layer: Any, *rows: Any) -> Any:
        x, mask, reset = rows
        return zoo.deer(layer, x, mask, reset=reset, jacobian=jacobian)[:2]

    return model_case(layer, run, X, MASK, RESET)


def both_ways() -> Case:
    """Return both directions, on a GPU in one call of a kernel."""
    return layer_case(zoo.LSTM(D, 5, bidirectional=True, rngs=nnx.Rngs(0)))


def derivatives() -> Case:
    """Return first and second derivatives of a layer that runs a kernel."""
    layer = zoo.Recurrent(build_cell("gru", D, 5))

    def run(layer: Any, x: Any) -> Any:
        def y(x: Any) -> Any:
            return layer(x)[1]

        gradient = jax.grad(lambda x: (y(x) ** 2).sum())
        return gradient(x), jax.jvp(y, (x,), (x,)), jax.jvp(gradient, (x,), (x,))

    return model_case(layer, run, X)


def ensemble() -> Case:
    """Return two layers by ``jax.vmap``."""
    params, apply = zoo.functional(zoo.Recurrent(build_cell("lstm", D, 5)))
    both = jax.tree.map(lambda p: np.stack([p, 0.5 * p]), params)

    def run(params: Any, rows: Any) -> Any:
        return jax.vmap(apply, in_axes=(0, None), out_axes=1)(params, *rows)

    return Case(run, both, (X,))


KERNELS: dict[str, Callable[[], Case]] = {
    **{f"kernel {name}": partial(kernel, name) for name in CELLS},
    "kernel in chunks": partial(kernel, "lstm", remat="chunk:4"),
    "kernel recomputed": partial(
        kernel, "gru", remat="step", reverse=True, learn_initial_state=True
    ),
    "kernel both ways": both_ways,
    "kernel under vmap": ensemble,
    "kernel, derivatives": derivatives,
}
MODELS: dict[str, Callable[[], Case]] = {
    "noise": noisy,
    "tagger": tagger,
    "tagger, characters by a layer": partial(tagger, chars="lstm"),
    "classifier": classifier,
    "language model": language_model,
    "teacher forcing": partial(translator, teacher_forced),
    "scheduled sampling": partial(translator, sampled, by_device=True),
    "decoding": partial(translator, decoded),
    "deer": partial(deer, "full"),
    "deer, diagonal": partial(deer, "diagonal"),
}


def layer_of(name: str) -> Case:
    """Return a case of the contract."""
    return layer_case(LAYERS[name][0](nnx.Rngs(0)))


CASES = KERNELS | MODELS | {name: partial(layer_of, name) for name in LAYERS}


def loss(case: Case, params: Any, rows: Any) -> tuple[Any, Any]:
    """Return the sum of a function of all outputs, and the outputs."""
    outputs = case.function(params, rows)
    leaves = jax.tree.leaves(outputs)
    real = [a for a in leaves if jnp.issubdtype(a.dtype, jnp.floating)]
    finite = (jnp.where(jnp.isfinite(a), a, 0).astype(jnp.float32) for a in real)
    return sum((jnp.sin(a).sum() for a in finite), start=jnp.zeros(())), outputs


def gradients(function: Callable[..., Any], params: Any, rows: Any) -> Any:
    """Return the gradients with respect to the parameters; and those of rows, outputs.

    Args:
        function: ``(params, rows) -> (loss, outputs)``.
        params: the parameters.
        rows: the rows.
    """
    gradient = jax.grad(function, (0, 1), has_aux=True, allow_int=True)
    (d_params, d_rows), outputs = gradient(params, rows)
    real = [a for a in jax.tree.leaves(d_rows) if a.dtype != jax.dtypes.float0]
    return d_params, (real, outputs)


def one_device(case: Case) -> Any:
    """Return what one device computes."""
    by_jit = partial(gradients, partial(loss, case))
    if not case.by_device:
        return jax.jit(by_jit)(case.params, case.rows)
    parts = jax.tree.map(lambda a: a.reshape(DEVICES, -1, *a.shape[1:]), case.rows)
    d_params, by_row = jax.jit(jax.vmap(by_jit, (None, 0)))(case.params, parts)
    d_params = jax.tree.map(lambda a: a.sum(0), d_params)
    return d_params, jax.tree.map(lambda a: a.reshape(B, *a.shape[2:]), by_row)


def programs(case: Case) -> dict[str, tuple[Callable[..., Any], Any, Any]]:
    """Return programs for several devices, with their arguments, by name."""
    mesh = jax.make_mesh((DEVICES,), ("data",), (AxisType.Auto,))
    shard_map = partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(REPLICATED, ROWS),
        out_specs=(REPLICATED, ROWS),
    )
    sharded = (
        jax.device_put(case.params, NamedSharding(mesh, REPLICATED)),
        jax.device_put(case.rows, NamedSharding(mesh, ROWS)),
    )

    def total(params: Any, rows: Any) -> tuple[Any, Any]:
        value, outputs = loss(case, params, rows)
        return jax.lax.psum(value, "data"), outputs

    by_jit = partial(gradients, partial(loss, case))
    result = {"shard_map": (shard_map(partial(gradients, total)), *sharded)}
    if case.kernel:
        result["gradient of shard_map"] = (
            *(partial(gradients, shard_map(total)), *sharded),
        )
        result["jit over a mesh"] = (by_jit, *sharded)
        result["jit on one device"] = (by_jit, case.params, case.rows)
    return result


def sums_in_loops(jaxpr: Any, *, inside: bool = False) -> int:
    """Return how many sums over devices the loops of a program compute."""
    count = 0
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        count += inside and name.startswith("psum")
        loop = inside or name in ("scan", "while")
        for part in jaxprs_in_params(equation.params):
            count += sums_in_loops(part, inside=loop)
    return count


def compare(case: Case) -> dict[str, Any]:
    """Return the errors of each program, and the kernels that it calls."""
    expected = one_device(case)
    results = {}
    for name, (program, *arguments) in programs(case).items():
        traced = jax.jit(program).trace(*arguments)
        compiled = traced.lower().compile()
        actual = compiled(*arguments)
        text = str(compiled.as_text())
        calls = [line for line in text.splitlines() if TARGET in line]
        results[name] = {
            "sums in loops": sums_in_loops(traced.jaxpr.jaxpr),
            "gradients": largest_error(
                (actual[0], actual[1][0]), (expected[0], expected[1][0])
            ),
            "outputs": largest_error(actual[1][1], expected[1][1]),
            # The shape of the first result of each call.
            "kernels": [re.findall(r"f32\[([\d,]+)\]", line)[0] for line in calls],
        }
    return results


def main(cases: str, gpu: str | None = None) -> None:
    """Print the results of each case, and what `zoo.explain` says."""
    compile_cache.use()
    if gpu is not None:
        emulated_gpu.use(emulated_gpu.register(Path(gpu)), pytest.MonkeyPatch())
    for name in json.loads(Path(cases).read_text()):
        try:
            results = compare(CASES[name]()._replace(kernel=name in KERNELS))
        except Exception:
            results = {"failure": traceback.format_exc()}
        print(json.dumps({name: results}), flush=True)
    layer = zoo.Recurrent(build_cell("lstm", D, 5))
    print(json.dumps({"explain": zoo.explain(layer, X)[0].why}))


if __name__ == "__main__":
    main(*sys.argv[1:])
