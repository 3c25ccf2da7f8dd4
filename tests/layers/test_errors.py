"""The errors of layers name the argument, and say what to write."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.typed import untyped

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
            lambda: untyped(zoo.RNN)(D, H, activation="relu", rngs=RNGS),
            TypeError,
            "^RNN or ElmanCell has no argument 'activation': zoo.RNN calls it nonlin",
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
        (
            lambda: untyped(zoo.LSTM)(D, H, cell="lstm", rngs=RNGS),
            TypeError,
            r"^LSTM or LSTMCell has no argument 'cell': zoo.make\(cell, ...\) builds",
        ),
        *(
            (
                lambda name=name: untyped(zoo.LSTM)(D, H, rngs=RNGS, **{name: "ones"}),
                TypeError,
                rf"{name} must be a function, such as zoo.initializers.{example}, "
                "got 'ones'",
            )
            for name, example in {
                "W_init": "glorot",
                "U_init": "orthogonal",
                "b_init": "zeros",
            }.items()
        ),
        *(
            (
                lambda key=key: LSTM(X, key=untyped(key)),
                TypeError,
                rf"key must be a key of JAX, such as jax.random.key\(0\), got {got}",
            )
            for key, got in [
                (0, "0"),
                ("a", "'a'"),
                (nnx.Rngs(0), "Rngs"),
                (nnx.Rngs(0).default, "RngStream"),
                (np.zeros(2, np.float32), r"float32\[2\]"),
                (jax.random.split(jax.random.key(0)), r"key<fry>\[2\]"),
            ]
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
        (
            lambda: zoo.mask_from_lengths(np.array([9, 1]), 3),
            ValueError,
            r"lengths must lie in \[0, T = 3\], got 9",
        ),
        (
            lambda: untyped(LSTM)(X, [5, 3]),
            TypeError,
            r"zoo.mask_from_lengths\(lengths, 5\)",
        ),
        (
            lambda: untyped(LSTM)(X, LSTM.init_state(2)),
            TypeError,
            "got tuple; write state= before a state",
        ),
        (
            lambda: zoo.make("LSTM-Cell", D, H, rngs=RNGS),
            ValueError,
            "no cell 'LSTM-Cell'; did you mean 'lstm'",
        ),
        (
            lambda: zoo.make("ReservoirCell", D, H, rngs=RNGS),
            ValueError,
            "no cell 'ReservoirCell'.*zoo.cells",
        ),
        (
            lambda: untyped(zoo.summary)("runs/pos"),
            TypeError,
            "got str; of a trained pipeline, pass pipeline.model",
        ),
        (
            lambda: untyped(zoo.save)("runs/lstm", LSTM),
            TypeError,
            "got LSTM; save the parameters of a module with Orbax",
        ),
    ],
)
def test_errors_name_the_bad_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_are_raised_while_tracing():
    with pytest.raises(ValueError, match="x must have shape"):
        jax.jit(LSTM)(X[..., :2])


def test_a_mesh_with_explicit_axes_is_an_error():
    for kind in (jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit):
        mesh = jax.make_mesh((1,), ("data",), (kind,))
        rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
        x = jax.device_put(X, rows)
        for call in (LSTM, jax.jit(lambda x: LSTM(x))):
            if kind is jax.sharding.AxisType.Auto:
                assert call(x)[1].shape[:2] == X.shape[:2]
                continue
            with pytest.raises(ValueError, match="x is divided over explicit axes"):
                call(x)
