"""Loaded models under `jax.export` with symbolic sizes, and the files it writes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

import zoo
from tests.helpers.pipelines import BIO, pipelines
from tests.helpers.tolerances import SCHEDULE, assert_close, assert_identical
from tests.helpers.typed import untyped
from zoo.pipelines import ClassifierPipeline, TaggerPipeline
from zoo.text import Vocabulary

# Rows, tokens of the input, and characters of a word or tokens of the target.
SIZES = ((2, 7, 3), (5, 4, 6))


class Case(NamedTuple):
    """A program of a pipeline.

    Attributes:
        kind: the index of the pipeline.
        axes: the axes of its inputs, ``"b t"`` or ``"b t c"``; the last is the mask.
        method: ``(model, *inputs)``, inside `zoo.functional`'s ``apply``.
    """

    kind: int
    axes: tuple[str, ...]
    method: Callable[..., Any]


def tag(model: Any, words: Any, chars: Any, shapes: Any, mask: Any) -> Any:
    """Return the most likely valid tags, by the CRF, and their probabilities."""
    return model.decode(model(words, mask, chars, shapes), mask)


def write(model: Any, source: Any, mask: Any) -> Any:
    """Return the sequences of a beam search."""
    return pipelines()[3].write(model, source, mask, beam=3)


CASES = {
    "classifier": Case(0, ("b t", "b t"), lambda model, *args: model(*args)),
    "tagger": Case(1, ("b t", "b t c", "b t", "b t"), tag),
    "language model": Case(2, ("b t", "b t"), lambda model, *args: model(*args)),
    "seq2seq": Case(
        3,
        ("b t", "b c", "b t"),
        lambda model, source, target, mask: model(source, mask, target),
    ),
    "beam search": Case(3, ("b t", "b t"), write),
}


def inputs(case: Case, sizes: dict[str, Any], make: Callable[..., Any]) -> list[Any]:
    """Return ``make(shape, dtype)`` for each input."""
    shapes = [tuple(sizes[axis] for axis in axes.split()) for axes in case.axes]
    dtypes = [jnp.int32] * (len(shapes) - 1) + [jnp.bool_]
    return [make(*one) for one in zip(shapes, dtypes, strict=True)]


def random_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return IDs, or a mask with rows of different lengths."""
    if dtype == jnp.bool_:
        return np.arange(shape[1]) <= np.arange(shape[0])[:, None]
    return np.random.default_rng(0).integers(1, 5, shape).astype(np.int32)


def saved(case: Case, folder: Path) -> Any:
    """Return the program of a pipeline that is saved, and loaded to be exported."""
    zoo.save(folder, pipelines()[case.kind])
    params, apply = zoo.functional(zoo.load(folder, backend="scan").model)
    return jax.jit(lambda *args: apply(params, *args, method=case.method))


def test_the_backend_of_a_loaded_model(tmp_path):
    """It is set in all layers, also in those of the characters."""
    options = {**pipelines()[1].options, "chars": "lstm", "backend": "scan"}
    words = pipelines()[1].words
    zoo.save(tmp_path, TaggerPipeline(options, words, Vocabulary(BIO)))

    def backends(**choice: Any) -> set[str]:
        model = zoo.load(tmp_path, **choice).model
        layers = [layer for _, layer in nnx.iter_modules(model)]
        recurrent = [layer for layer in layers if isinstance(layer, zoo.Recurrent)]
        assert len(recurrent) == 6
        return {layer.schedule.backend for layer in recurrent}

    assert backends() == {"scan", "auto"}  # as it was built
    for backend in ("scan", "native", "auto"):
        assert backends(backend=backend) == {backend}
    with pytest.raises(
        ValueError, match="backend must be one of .* did you mean 'scan"
    ):
        zoo.load(tmp_path, backend=untyped("scans"))
    options = {**pipelines()[0].options, "cell": "janet"}
    text, labels = pipelines()[0].text, pipelines()[0].labels
    zoo.save(tmp_path, ClassifierPipeline(options, text, labels))
    with pytest.raises(ValueError, match="there is no kernel for JANETCell"):
        zoo.load(tmp_path, backend="native")


@pytest.mark.parametrize("name", CASES)
def test_a_loaded_model_exports(name, tmp_path):
    case = CASES[name]
    program = saved(case, tmp_path)
    symbols = dict(zip("btc", export.symbolic_shape("b, t, c"), strict=True))
    exported = export.export(program)(*inputs(case, symbols, jax.ShapeDtypeStruct))
    for sizes in SIZES:
        args = inputs(case, dict(zip("btc", sizes, strict=True)), random_array)
        assert_close(exported.call(*args), program(*args), SCHEDULE)


@pytest.mark.parametrize("each", [False, True])
def test_a_reader_exports(each):
    model = zoo.models.Reader(2, 3, each=each, hidden_size=4, rngs=nnx.Rngs(0))
    params, apply = zoo.functional(model)
    B, T = export.symbolic_shape("b, t")
    exported = export.export(jax.jit(apply))(
        jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params),
        jax.ShapeDtypeStruct((B, T, 2), jnp.float32),
        jax.ShapeDtypeStruct((B, T), jnp.bool_),
    )
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    mask = random_array((3, 5), jnp.bool_)
    assert_close(exported.call(params, x, mask), apply(params, x, mask), SCHEDULE)


READ = """
import sys
import jax
import numpy as np
from jax import export

exported = export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
with np.load(sys.argv[2]) as arrays:
    results = exported.call(*[arrays[f"arr_{k}"] for k in range(len(arrays.files))])
np.savez(sys.argv[3], *jax.tree.leaves(results))
assert not {"zoo", "flax"} & sys.modules.keys()
"""


def test_a_program_without_zoo_runs_the_file(tmp_path):
    """It computes what the loaded model computes."""
    pytest.importorskip("flatbuffers", reason="pip install 'rnn-zoo[export]'")
    case = CASES["tagger"]
    program = saved(case, tmp_path / "model")
    symbols = dict(zip("btc", export.symbolic_shape("b, t, c"), strict=True))
    specs = inputs(case, symbols, jax.ShapeDtypeStruct)
    exported = export.export(program, platforms=["cpu", "cuda"])(*specs)
    (tmp_path / "tagger.jax").write_bytes(exported.serialize())
    args = inputs(case, dict(zip("btc", SIZES[0], strict=True)), random_array)
    np.savez(tmp_path / "inputs.npz", *args)
    names = ("tagger.jax", "inputs.npz", "results.npz")
    command = [sys.executable, "-c", READ, *(tmp_path / name for name in names)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with np.load(tmp_path / "results.npz") as results:
        expected = program(*args)
        assert_close((results["arr_0"], results["arr_1"]), expected, SCHEDULE)


def test_a_file_with_states_can_be_read_where_zoo_is_imported():
    pytest.importorskip("flatbuffers", reason="pip install 'rnn-zoo[export]'")
    layer = zoo.LSTM(2, 3, 2, bidirectional=True, rngs=nnx.Rngs(0))
    params, apply = zoo.functional(layer)
    x = np.random.default_rng(0).normal(size=(2, 4, 2)).astype(np.float32)
    exported = export.export(jax.jit(apply))(params, x)
    read = export.deserialize(bytearray(exported.serialize(vjp_order=1)))
    state, y = read.call(params, x)
    assert type(state[0]) is zoo.BidirectionalState
    assert_identical((state, y), jax.jit(apply)(params, x))

    def gradient(program):
        return jax.grad(lambda params: (program(params, x)[1] ** 2).sum())(params)

    assert_close(gradient(read.call), gradient(apply), SCHEDULE)
