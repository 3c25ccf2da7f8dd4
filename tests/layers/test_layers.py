"""The public interface: masks, summary, registry, compilation."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import SCHEDULE, assert_close
from tests.helpers.typed import cache_size
from zoo.layers import base, set_backend

D, H = 3, 4
RNGS = nnx.Rngs(0)
LSTM = zoo.LSTM(D, H, rngs=RNGS)
X = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_mask_from_lengths(lengths):
    mask = np.asarray(zoo.mask_from_lengths(np.array(lengths), 7))
    assert mask.sum(axis=1).tolist() == lengths
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()


BIDIRECTIONAL = zoo.GRU(D, H, 2, bidirectional=True, rngs=nnx.Rngs(1))
RUN = jax.jit(lambda x, mask, reset: BIDIRECTIONAL(x, mask, reset=reset))


@settings(max_examples=25)
@given(st.data())
def test_any_mask_equals_the_packed_tokens(data):
    """Masked steps change nothing: with gaps, empty rows, and resets anywhere."""
    bits = st.lists(st.booleans(), min_size=5, max_size=5)
    flags = st.lists(bits, min_size=2, max_size=2)
    mask, reset = np.array(data.draw(flags)), np.array(data.draw(flags))
    state, y = RUN(np.where(mask[..., None], X, np.inf), mask, reset)
    packed = np.zeros_like(X)
    packed_mask, packed_reset = np.zeros_like(mask), np.zeros_like(mask)
    for row in range(2):
        n = mask[row].sum()
        packed[row, :n] = X[row, mask[row]]
        packed_reset[row, :n] = reset[row, mask[row]]
        packed_mask[row, :n] = True
    state_packed, y_packed = RUN(packed, packed_mask, packed_reset)
    assert_close(state, state_packed, SCHEDULE)
    assert_close(np.asarray(y)[mask], np.asarray(y_packed)[packed_mask], SCHEDULE)
    assert not np.asarray(y)[~mask].any()


MODELS: dict[str, Callable[[], nnx.Module]] = {
    "classifier": lambda: zoo.models.Classifier(
        9, 2, pooling="attention", num_layers=2, rngs=RNGS
    ),
    "tagger": lambda: zoo.models.Tagger(
        9, 5, num_chars=7, chars="lstm", use_crf=True, rngs=RNGS
    ),
    "language model": lambda: zoo.models.LanguageModel(
        9, rngs=RNGS, tied=True, hidden_size=64
    ),
    "reader": lambda: zoo.models.Reader(D, 2, rngs=RNGS),
    "seq2seq": lambda: zoo.models.Seq2Seq(9, 7, rngs=RNGS),
    "residual": lambda: zoo.Residual(
        zoo.GRU(D, D, bidirectional=True, merge="sum", rngs=RNGS)
    ),
    "streams": lambda: zoo.LSTM(
        D, H, 2, dropout=0.5, rngs=nnx.Rngs(params=0, dropout=1)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_summary_of_a_model(name):
    """A row for each module, the modules in their order, every parameter counted."""
    model = MODELS[name]()
    lines = zoo.summary(model).splitlines()
    rows = [line.split()[:2] for line in lines[2:-2]]
    modules = {
        ".".join(map(str, path)): type(module).__name__
        for path, module in nnx.iter_modules(model)
        if not isinstance(module, nnx.List | nnx.Dict)
    }
    assert dict(rows) == {path or "(model)": kind for path, kind in modules.items()}
    parts = [path for path, _ in rows if path != "(model)" and "." not in path]
    attributes = [name for name in vars(model) if name in parts]
    assert rows[0][0] == "(model)" and parts == attributes
    counts = [line.split()[-1] for line in lines[2:-2] if line[-1] != " "]
    total = sum(leaf.size for leaf in jax.tree.leaves(zoo.functional(model)[0]))
    assert sum(int(count.replace(",", "")) for count in counts) == total
    assert lines[-1].split()[-1] == f"{total:,}"


def test_summary_of_a_program_of_flax():
    class Program(nnx.Module):
        def __init__(self):
            self.embedding = nnx.Embed(10, D, rngs=RNGS)
            self.layers = nnx.List([zoo.GRU(D, D, rngs=RNGS) for _ in range(2)])
            self.norm = nnx.BatchNorm(D, rngs=RNGS)
            self.dropout = nnx.Dropout(0.5, rngs=RNGS)
            self.output = nnx.Linear(D, 2, rngs=RNGS)

    lines = zoo.summary(Program()).splitlines()
    cells = "GRUCell 3 3 U 3x9, W 3x9, b 9, b_hn 3 66"
    assert [" ".join(line.split()) for line in lines[2:-2]] == [
        "(model) Program",
        "embedding Embed 3 embedding 10x3 30",
        "layers.0 GRU 3 3",
        "layers.0.layers.0 Recurrent 3 3",
        f"layers.0.layers.0.cell {cells}",
        "layers.1 GRU 3 3",
        "layers.1.layers.0 Recurrent 3 3",
        f"layers.1.layers.0.cell {cells}",
        "norm BatchNorm bias 3, (mean 3), scale 3, (var 3) 6",
        "dropout Dropout",
        "output Linear 3 2 bias 2, kernel 3x2 8",
    ]
    assert lines[-1].split()[-1] == str(30 + 2 * 66 + 6 + 8)


def test_summary_counts_every_parameter():
    text = zoo.summary(zoo.LSTM(50, 100, 2, bidirectional=True, rngs=nnx.Rngs(0)))
    # PyTorch's count without its second bias: 2 directions x 2 layers x 4H(D + H + 1).
    expected = 2 * (400 * 150 + 400) + 2 * (400 * 300 + 400)
    assert f"{expected:,}" in text.splitlines()[-1]


def test_registry():
    assert next(iter(zoo.cells())) == "rnn"
    for name, cell in zoo.cells().items():
        assert cell.name == name and cell.paper and cell.equation and cell.family

        sizes = []

        def build_and_run(name=name, sizes=sizes):
            layer = zoo.make(name, D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))
            sizes.append(layer.output_size)
            return layer(X)

        state, y = jax.eval_shape(build_and_run)
        assert len(state) == 2 and y.shape == (2, 5, *sizes)


def test_layers_of_different_sizes():
    layer = zoo.make("gru", D, [3, 5], 2, bidirectional=True, rngs=nnx.Rngs(0))
    state, y = jax.eval_shape(lambda: layer(X))
    assert [part.forward.h.shape for part in state] == [(2, 3), (2, 5)]
    assert y.shape == (2, 5, 10)
    for sizes, message in [([3], "one size or 2 sizes"), ([3, 0], r"hidden_size\[1\]")]:
        with pytest.raises(ValueError, match=message):
            zoo.make("gru", D, sizes, 2, rngs=nnx.Rngs(0))


def test_calls_outside_jit_compile_once():
    layer = zoo.GRU(D, H, rngs=nnx.Rngs(0))
    layer(X)
    before = cache_size(base._run)
    for _ in range(3):
        layer(X + 1)
    assert cache_size(base._run) == before


def test_a_backend_that_one_layer_lacks_changes_no_layer():
    lstm = zoo.Recurrent(zoo.LSTMCell(D, H, rngs=RNGS))
    model = zoo.Stacked([lstm, zoo.Recurrent(zoo.JANETCell(H, H, rngs=RNGS))])
    with pytest.raises(ValueError, match="there is no kernel for JANETCell"):
        set_backend(model, "native")
    assert lstm.schedule.backend == "auto"
    set_backend(model, "scan")
    assert lstm.schedule.backend == "scan"
