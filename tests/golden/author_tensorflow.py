"""The authors' programs in TensorFlow; see `author_loading.py`.

Those for TensorFlow 1 run on TensorFlow 2, which has its functions in
``tensorflow.compat.v1``. What they take from ``tensorflow.contrib`` is replaced.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.author_loading import Params, load, program, put_empty

tf: Any = importlib.import_module("tensorflow")
v1: Any = importlib.import_module("tensorflow.compat.v1")
v1.disable_v2_tensorshape()  # the programs read ``shape[0].value``


@contextlib.contextmanager
def _tensorflow_1(weights: Params) -> Iterator[None]:
    """Run TensorFlow 1 instead of 2, with given values of the variables.

    Args:
        weights: the variables, by their names with scopes.
    """

    def variable(getter: Any, name: str, *args: Any, **options: Any) -> Any:
        return weights[name]

    nest: Any = importlib.import_module("tensorflow.python.util.nest")
    nest.is_sequence = nest.is_nested
    sys.modules["tensorflow"] = v1
    try:
        with v1.variable_scope("", custom_getter=variable):
            yield
    finally:
        sys.modules["tensorflow"] = tf


def _steps(step: Callable[[Any, Any], tuple[Any, Any]], x: Any, state: Any) -> Any:
    """Call ``step(x, state) -> (y, state)`` for each step, and stack the outputs."""
    y = []
    for t in range(x.shape[1]):
        output, state = step(x[:, t], state)
        y.append(output)
    return tf.stack(y, axis=1)


def _addon(folder: Path, name: str) -> Any:
    """Load a cell of tensorflow/addons, without its base class and its types."""
    names = ["tensorflow_addons.rnn.abstract_rnn_cell", "tensorflow_addons.utils.types"]
    return load(folder, f"tensorflow_addons.rnn.{name}", names)


@program
def nas(folder: Path, p: Params, x: Any) -> Any:
    """tensorflow/addons."""
    cell = object.__new__(_addon(folder, "nas_cell").NASCell)
    cell.use_bias, cell.projection = True, None
    cell.kernel, cell.recurrent_kernel, cell.bias = p["W"], p["U"], p["b"]
    zeros = tf.zeros((len(x), len(p["b"]) // 8), x.dtype)
    return _steps(cell.call, x, [zeros, zeros])


@program
def esn(folder: Path, p: Params, x: Any) -> Any:
    """tensorflow/addons; nothing of it is trained."""
    cell = object.__new__(_addon(folder, "esn_cell").ESNCell)
    cell.use_bias, cell.leaky, cell.activation = True, 0.3, tf.tanh
    cell.kernel, cell.recurrent_kernel, cell.bias = p["W"], p["U"], p["b"]
    step = lambda x, h: cell.call(x, [h])  # noqa: E731
    return _steps(step, x, tf.zeros((len(x), len(p["b"])), x.dtype))


@program
def lmu(folder: Path, p: Params, x: Any) -> Any:
    """nengo/keras-lmu, with all connections; it computes A and B itself."""
    keras = importlib.import_module("keras")
    module = load(folder, "keras_lmu.layers")
    H = len(p["U"])
    hidden = keras.layers.SimpleRNNCell(H, dtype="float64")
    connections = ("hidden_to_memory", "memory_to_memory", "input_to_hidden")
    options = dict.fromkeys(connections, True) | {"dtype": "float64"}
    cell = module.LMUCell(1, len(p["e_m"]), 4.0, hidden, **options)
    layer = keras.layers.RNN(cell, return_sequences=True, dtype="float64")
    layer.build(x.shape)
    weights = {
        "lmu_cell/kernel": tf.concat([p["e_x"], p["e_h"]], 0)[:, None],
        "lmu_cell/recurrent_kernel": p["e_m"][:, None],
        "simple_rnn_cell/kernel": tf.concat([p["M"], p["W"]], 0),
        "simple_rnn_cell/recurrent_kernel": p["U"],
        "simple_rnn_cell/bias": p["b"],
    }
    values = [
        weights["/".join(variable.path.split("/")[-2:])]
        for variable in layer.trainable_variables
    ]
    fixed = [variable.value for variable in layer.non_trainable_variables]
    y, _ = layer.stateless_call(values, fixed, x)
    return y


@program
def gilr(folder: Path, p: Params, x: Any) -> Any:
    """eamartin/parallelizing_linear_rnns, with a loop in place of its kernel."""
    binding = "linear_recurrent_net.tensorflow_binding"
    put_empty(["linear_recurrent_net", binding])
    kernel: Any = sys.modules[binding]

    def linear_recurrence(decays: Any, impulses: Any) -> Any:
        h, states = tf.zeros_like(impulses[0]), []
        for a, b in zip(decays, impulses, strict=True):
            h = a * h + b
            states.append(h)
        return tf.stack(states)

    kernel.linear_recurrence = linear_recurrence
    with _tensorflow_1({"gilr/fc/W": p["W"], "gilr/fc/b": p["b"]}):
        layers = load(folder, "layers")
        x = tf.transpose(x, (1, 0, 2))
        y = layers.gilr_layer(x, len(p["b"]) // 2, nonlin=tf.tanh)
    return tf.transpose(y, (1, 0, 2))


@program
def rhn(folder: Path, p: Params, x: Any) -> Any:
    """jzilly/RecurrentHighwayNetworks, without noise."""
    ops: Any = importlib.import_module("tensorflow.python.ops.nn")
    ops.rnn_cell = types.SimpleNamespace(RNNCell=object)
    H = len(p["U"])
    depth = p["U"].shape[1] // (2 * H)
    first, *later = tf.split(p["U"], depth, axis=1)
    layers = [tf.concat([p["W"], first], 0), *later]
    weights = {}
    for k, (U, b) in enumerate(zip(layers, tf.split(p["b"], depth), strict=True)):
        for gate, position in (("h", 0), ("t", 1)):
            scope = f"{gate}_{k}/Linear"
            weights[f"{scope}/Matrix"] = tf.split(U, 2, axis=1)[position]
            weights[f"{scope}/Bias"] = tf.split(b, 2)[position]
    with _tensorflow_1(weights):
        module = load(folder, "rhn")
        # The arguments of concat had another order before TensorFlow 1.0.
        module.array_ops = types.SimpleNamespace(
            concat=lambda axis, a: tf.concat(a, axis)
        )
        cell = module.RHNCell(H, x.shape[-1], False, depth)
        zeros, ones = np.zeros((len(x), H)), np.ones((len(x), H))
        state = [tf.constant(zeros), np.ones((len(x), x.shape[-1])), ones]
        return _steps(cell, x, state)


class _SonnetModule:
    """The base class of a module of Sonnet 1: a call builds it."""

    def __init__(self, name: str):
        """Ignore the name."""

    def __call__(self, *args: Any) -> Any:
        """Connect the module."""
        return self._build(*args)  # pyright: ignore[reportAttributeAccessIssue]


@program
def mogrifier_lstm(folder: Path, p: Params, x: Any) -> Any:
    """deepmind/lamb; its gates are j o f i."""
    names = ["sonnet", "sonnet.python", "sonnet.python.modules"]
    names += ["sonnet.python.modules.base", "tensorflow.contrib"]
    put_empty(names)
    base: Any = sys.modules["sonnet.python.modules.base"]
    base.AbstractModule = _SonnetModule
    nest = importlib.import_module("tensorflow.python.util.nest")
    contrib: Any = sys.modules["tensorflow.contrib"]
    contrib.framework = types.SimpleNamespace(nest=nest)
    H = len(p["U"])
    order = (2, 3, 1, 0)
    sort = lambda a: [tf.split(a, 4, axis=-1)[k] for k in order]  # noqa: E731
    scope = "TiledLSTMCell"
    joined = tf.concat([tf.concat(sort(p[k]), -1) for k in "WU"], 0)
    weights = {f"{scope}/W": joined}
    for gate, b in zip("jofi", sort(p["b"]), strict=True):
        weights[f"{scope}/B_{gate}"] = b
    rounds = len(p["Q"]) + len(p["R"])
    for k in range(rounds):
        kernel, bias = ("R", "b_R") if k % 2 else ("Q", "b_Q")
        weights[f"{scope}/fm_{k}/kernel"] = p[kernel][k // 2]
        weights[f"{scope}/fm_{k}/bias"] = p[bias][k // 2]
    State = types.SimpleNamespace
    # Keras 3 has no longer the base class of a cell.
    v1.nn.rnn_cell.__dict__["RNNCell"] = object
    v1.nn.rnn_cell.__dict__["LSTMStateTuple"] = lambda c, h: State(c=c, h=h)
    with _tensorflow_1(weights):
        module = load(folder, "lamb.tiled_lstm")
        cell = module.TiledLSTMCell(H, feature_mask_rounds=rounds)
        zeros = tf.zeros((len(x), H), x.dtype)
        return _steps(cell, x, State(c=zeros, h=zeros))


def _contrib(folder: Path, name: str, weights: Params, x: Any, *state: Any) -> Any:
    """Run a cell of tf.contrib, from a state of zeros.

    Args:
        folder: of the checkout.
        name: of the class.
        weights: the variables of the cell, by name.
        x: the inputs.
        *state: the size of each part of the state.
    """
    legacy = "tensorflow.python.keras.layers.legacy_rnn.rnn_cell_impl"
    names = ["compiler", "layers", "layers.python", "layers.python.layers"]
    names += ["rnn", "rnn.python", "rnn.python.ops"]
    put_empty(["tensorflow.contrib", *(f"tensorflow.contrib.{part}" for part in names)])
    python_ops: Any = importlib.import_module("tensorflow.python.ops")
    python_ops.rnn_cell_impl = importlib.import_module(legacy)
    ops: Any = sys.modules["tensorflow.contrib.rnn.python.ops"]
    inside = folder / "tensorflow/contrib/rnn/python/ops"
    with _tensorflow_1(weights):
        ops.core_rnn_cell = load(inside, "core_rnn_cell")
        cell = getattr(load(inside, "rnn_cell"), name)(state[0])
        zeros = [tf.zeros((len(x), size), x.dtype) for size in state]
        return _steps(cell.call, x, zeros if len(zeros) > 1 else zeros[0])


def _sorted(p: Params, order: tuple[int, ...], added: tuple[float, ...]) -> Any:
    """Return ``[W; U]`` and b in another order of the gates.

    Args:
        p: the parameters.
        order: the index of our gate for each of theirs.
        added: what the authors' step adds to each of their gates.
    """
    blocks = {k: tf.split(p[k], len(order), axis=-1) for k in "WUb"}
    W, U = (tf.concat([blocks[k][g] for g in order], -1) for k in "WU")
    b = [blocks["b"][g] - a for g, a in zip(order, added, strict=True)]
    return tf.concat([W, U], 0), tf.concat(b, -1)


@program
def coupled_lstm(folder: Path, p: Params, x: Any) -> Any:
    """tf.contrib, whose gates are g f o; it adds one to f."""
    W, b = _sorted(p, (1, 0, 2), (0.0, 1.0, 0.0))
    H = len(p["U"])
    name = "CoupledInputForgetGateLSTMCell"
    return _contrib(folder, name, {"W_0": W, "B": b}, x, H, H)


@program
def ugrnn(folder: Path, p: Params, x: Any) -> Any:
    """tf.contrib, by the authors; it adds one to g."""
    W, b = _sorted(p, (0, 1), (1.0, 0.0))
    weights = {"kernel": W, "bias": b}
    return _contrib(folder, "UGRNNCell", weights, x, len(p["U"]))


@program
def intersection_rnn(folder: Path, p: Params, x: Any) -> Any:
    """tf.contrib, by the authors, whose gates are g n v m; it adds one to g and v."""
    W, b = _sorted(p, (3, 1, 2, 0), (1.0, 0.0, 1.0, 0.0))
    weights = {"kernel": W, "bias": b}
    return _contrib(folder, "IntersectionRNNCell", weights, x, len(p["U"]))
