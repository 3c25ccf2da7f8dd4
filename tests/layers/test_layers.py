"""The public interface: errors, masks, the functional view, summary, registry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from tests.helpers.tolerances import SCHEDULE, assert_close, assert_identical
from tests.helpers.typed import cache_size, untyped
from zoo.layers import base

D, H = 3, 4
RNGS = nnx.Rngs(0)
LSTM = zoo.LSTM(D, H, rngs=RNGS)
X = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: LSTM(X[..., :2]),
            ValueError,
            r"x must .* input_size = 3, got \(2, 5, 2",
        ),
        (lambda: LSTM(X[0]), ValueError, r"\[B, T, D\].*add a batch axis: x\[None\]"),
        (lambda: LSTM.step((), X[0, 0]), ValueError, r"batch axis: x_t\[None\]"),
        (lambda: LSTM(X.astype(int)), TypeError, "x must be floating point, got int"),
        (lambda: LSTM(np.ones((2, 5), int)), TypeError, r"embed .*\(zoo.Embedding\)"),
        (
            lambda: LSTM(X, np.ones((5, 2), bool)),
            ValueError,
            r"mask must have shape \[B, T\] = \(2, 5\), got \(5, 2\)",
        ),
        (lambda: LSTM(X, np.ones((2, 5))), TypeError, "mask must be bool .*float"),
        (
            lambda: LSTM(X, np.array([5, 3])),
            TypeError,
            r"got int\d+ \[2\]; .* mask=zoo.mask_from_lengths\(lengths, 5\)",
        ),
        (lambda: LSTM(X, np.ones((2, 5), int)), TypeError, r"mask.astype\(bool\)"),
        (
            lambda: zoo.pooling.mean(jnp.asarray(X), np.array([5, 3])),
            TypeError,
            "write mask=zoo.mask_from_lengths",
        ),
        (
            lambda: LSTM(X, reset=np.ones((2, 4), bool)),
            ValueError,
            "reset must have shape",
        ),
        (
            lambda: LSTM(X, state=LSTM.init_state(3)),
            ValueError,
            r"state must be like init_state\(2\).*float32\[3,4\]",
        ),
        (lambda: LSTM.step(LSTM.init_state(2), X), ValueError, r"x_t must have shape"),
        (lambda: zoo.LSTM(D, H, 0, rngs=RNGS), ValueError, "num_layers .* got 0"),
        (lambda: zoo.LSTM(D, 0, rngs=RNGS), ValueError, "hidden_size .* got 0"),
        (
            lambda: zoo.LSTM(untyped(2.5), H, rngs=RNGS),
            ValueError,
            "input_size .* got 2.5",
        ),
        (
            lambda: zoo.LSTM(D, H, 2, dropout=1.5, rngs=RNGS),
            ValueError,
            r"dropout must lie in \[0, 1\), got 1.5",
        ),
        (
            lambda: zoo.LSTM(D, H, proj_size=4, rngs=RNGS),
            ValueError,
            "proj_size must be below hidden_size = 4, got 4",
        ),
        (
            lambda: zoo.RNN(D, H, nonlinearity="sigmoid", rngs=RNGS),
            ValueError,
            "nonlinearity must be one of 'tanh', 'relu'",
        ),
        (lambda: zoo.make("lstn", D, H, rngs=RNGS), ValueError, "did you mean 'lstm'"),
        (lambda: zoo.LSTM(D, H, remat="chunk:0", rngs=RNGS), ValueError, "chunk:n"),
        (
            lambda: zoo.LSTM(D, H, bidirectional=True, merge="mean", rngs=RNGS),
            ValueError,
            "merge must be one of",
        ),
        (
            lambda: zoo.LSTM(D, H, rngs=untyped(0)),
            TypeError,
            r"rngs must be flax.nnx.Rngs, got int: write rngs=nnx.Rngs\(0\)",
        ),
        (
            lambda: zoo.models.LanguageModel(9, rngs=untyped(jax.random.key(0))),
            TypeError,
            r"write rngs=nnx.Rngs\(key\)",
        ),
        (
            lambda: zoo.GRUCell(D, H, rngs=nnx.Rngs(dropout=1)),
            ValueError,
            "no stream 'params', only dropout: write rngs=nnx.Rngs",
        ),
        (
            lambda: zoo.Stacked([LSTM], dropout=0.5, rngs=untyped(0)),
            TypeError,
            r"write rngs=nnx.Rngs\(0\)",
        ),
        *(
            (
                lambda name=name: untyped(zoo.LSTM)(D, H, rngs=RNGS, **{name: 1}),
                TypeError,
                f"^LSTM or LSTMCell has no argument '{name}': {hint}",
            )
            for name, hint in {
                "zonout": "did you mean 'zoneout'",
                "batch_first": r"x is always \[B, T, D\]",
                "nlayers": "write num_layers=",
                "dropout_rate": "write dropout=",
                "nonlinearity": "only zoo.RNN has it",
                "bidirectionl": "did you mean 'bidirectional'",
                "return_sequences": "y always has",
            }.items()
        ),
        (
            lambda: untyped(zoo.models.Classifier)(9, 2, hidden=8, rngs=RNGS),
            TypeError,
            "^Classifier or LSTMCell has no argument 'hidden': write hidden_size=",
        ),
        (
            lambda: untyped(zoo.models.Tagger)(
                *(9, 2), num_chars=7, char_dims=8, rngs=RNGS
            ),
            TypeError,
            "'char_dims': did you mean 'char_dim'",
        ),
        (lambda: zoo.Stacked([]), ValueError, "one layer or more"),
        (lambda: zoo.Stacked([LSTM, LSTM]), ValueError, r"layers\[1\] must take"),
        (
            lambda: zoo.Residual(LSTM),
            ValueError,
            "as wide as its input, .3,., got an output",
        ),
        (lambda: zoo.Bidirectional(LSTM, LSTM), ValueError, "in reverse"),
        (
            lambda: zoo.LSTM(D, H, bidirectional=True, rngs=RNGS).step((), X[:, 0]),
            ValueError,
            "cannot step.*whole sequence",
        ),
        (
            lambda: zoo.mask_from_lengths(np.ones(2), 3),
            TypeError,
            "lengths must be ints",
        ),
    ],
)
def test_errors_name_the_bad_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_are_raised_while_tracing():
    with pytest.raises(ValueError, match="x must have shape"):
        jax.jit(LSTM)(X[..., :2])


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


def test_an_initial_state_can_be_donated():
    """Of layers in both directions, and of a cell with four parts of one shape."""
    layer = zoo.make("slstm", D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))
    run = jax.jit(lambda state: layer(X, None, state), donate_argnums=0)
    state = layer.init_state(2)
    assert_close(run(state), layer(X), SCHEDULE)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))


def test_functional_view():
    params, apply = zoo.functional(LSTM)
    assert type(params) is dict
    assert set(params["layers"]["0"]["cell"]) == {"W", "U", "b"}
    assert_identical(apply(params, X), LSTM(X))
    double = apply(params, X, method=lambda model, x: model(x)[1] * 2)
    assert_close(double, LSTM(X)[1] * 2, SCHEDULE)
    state = LSTM.init_state(2)
    assert_identical(
        apply(params, state, X[:, 0], method="step"), LSTM.step(state, X[:, 0])
    )


def test_functional_names_the_layers_of_a_stack_by_strings():
    """Sorted strings put layer 10 before layer 2, ints do not."""
    layer = zoo.GRU(D, D, 12, rngs=nnx.Rngs(0))
    params, apply = zoo.functional(layer)
    assert list(params["layers"]) == [str(k) for k in range(12)]
    leaves, structure = jax.tree.flatten(params)
    params = jax.tree.unflatten(structure, leaves)  # sorts the keys
    expected = layer(X)
    assert_identical(apply(params, X), expected)
    assert_identical(apply(nnx.state(layer, nnx.Param), X), expected)
    copy = apply(params, method=lambda layer: layer)
    assert type(copy) is zoo.GRU
    assert_identical(copy(X), expected)


def test_functional_refuses_other_parameters():
    params, apply = zoo.functional(LSTM)
    renamed = {"layers": {"1": params["layers"]["0"]}}
    message = r"params\[\"layers\"\] must have the keys \['0'\], got \['1'\]"
    with pytest.raises(ValueError, match=message):
        apply(renamed, X)
    with pytest.raises(
        TypeError, match=r"params\[\"layers\"\] must be a dict, got list"
    ):
        apply({"layers": list(params["layers"].values())}, X)


def test_constants_are_not_parameters():
    class Fixed(nnx.Module):
        def __init__(self):
            self.table = zoo.Constant(jnp.arange(3.0))
            self.w = nnx.Param(jnp.ones(3))

        def __call__(self):
            return self.table[...] * self.w[...]

    params, apply = zoo.functional(Fixed())
    assert set(params) == {"w"}
    assert_identical(apply({"w": jnp.full(3, 2.0)}), jnp.array([0.0, 2.0, 4.0]))
    assert "(table 3)" in zoo.summary(Fixed())


@pytest.mark.parametrize(
    "model",
    [
        zoo.models.Classifier(9, 2, pooling="attention", num_layers=2, rngs=RNGS),
        zoo.models.Tagger(9, 5, num_chars=7, chars="lstm", use_crf=True, rngs=RNGS),
        zoo.models.LanguageModel(9, rngs=RNGS, tied=True, hidden_size=64),
        zoo.models.Reader(D, 2, rngs=RNGS),
        zoo.models.Seq2Seq(9, 7, rngs=RNGS),
        zoo.Residual(zoo.GRU(D, D, bidirectional=True, merge="sum", rngs=RNGS)),
        zoo.LSTM(D, H, 2, dropout=0.5, rngs=nnx.Rngs(params=0, dropout=1)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_summary_of_a_model(model):
    """A row for each module, the modules in their order, every parameter counted."""
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

        def build(name=name):
            return zoo.make(name, D, H, 2, bidirectional=True, rngs=nnx.Rngs(0))

        layer = nnx.eval_shape(build)
        state, y = jax.eval_shape(lambda build=build: build()(X))
        assert len(state) == 2 and y.shape == (2, 5, layer.output_size)


def test_calls_outside_jit_compile_once():
    layer = zoo.GRU(D, H, rngs=nnx.Rngs(0))
    layer(X)
    before = cache_size(base._run)
    for _ in range(3):
        layer(X + 1)
    assert cache_size(base._run) == before
