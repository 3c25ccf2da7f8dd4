"""Live parity with torchrecurrent in float64: outputs and gradients.

torchrecurrent's LEM is not compared: it reads the old cell state where the paper reads
the new one.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import FLOAT64, assert_close
from tests.helpers.typed import present

torch = pytest.importorskip("torch", reason="torch comes with the extra [parity]")
peer = pytest.importorskip("torchrecurrent", reason="comes with the extra [parity]")

B, T, D, H = 3, 5, 3, 4


class Weights:
    """Parameters of a cell, or their gradients, in the layout of torchrecurrent."""

    def __init__(self, cell: zoo.Cell, params: dict[str, np.ndarray]):
        self.cell, self.params = cell, params

    def __call__(self, name: str, gates: str = "") -> np.ndarray:
        """Return a parameter, transposed, with its blocks in the order of `gates`."""
        array = np.asarray(self.params[name])
        gates_of_array = {
            "W": self.cell.input_gates,
            "U": self.cell.recurrent_gates,
            "b": self.cell.bias_gates,
        }.get(name)
        if gates_of_array is None:
            gates_of_array = tuple(self.cell.gates)
        if gates:
            parts = np.split(array, len(gates_of_array), axis=-1)
            blocks = dict(zip(gates_of_array, parts, strict=True))
            array = np.concatenate([blocks[g] for g in gates.split()], axis=-1)
        return array.T


Layout = dict[str, Callable[[Weights], np.ndarray]]


class Row(NamedTuple):
    """How to build a cell of torchrecurrent with the weights of one of ours.

    Attributes:
        layout: functions that compute each of its weights; the others are zero.
        options: of its constructor.
        input_size: D.
        peer: name of its class, if it is not that of our cell.
        state: the parts of our state, in the order of its state.
        gradient: the tolerance of gradients.
    """

    layout: Layout
    options: dict[str, Any] = {}
    input_size: int = D
    peer: str = ""
    state: tuple[str, ...] = ("h",)
    gradient: float = FLOAT64


def standard(
    gates: str = "", U_gates: str | None = None, b_gates: str | None = None
) -> Layout:
    """Return the layout of one matrix for x, one for h, and one bias."""
    U_gates = gates if U_gates is None else U_gates
    b_gates = gates if b_gates is None else b_gates
    return {
        "weight_ih": lambda w: w("W", gates),
        "weight_hh": lambda w: w("U", U_gates),
        "bias_ih": lambda w: w("b", b_gates),
    }


def strongly_typed(gates: str) -> Layout:
    """Return the layout of the strongly typed cells, whose V has our order of gates."""
    return {
        "weight_ih": lambda w: w("W", gates),
        "weight_hh": lambda w: w("V"),
        "bias_ih": lambda w: w("b", gates),
    }


def with_skip(gates: str, U_gates: str, position: int) -> Layout:
    """Return a layout with S inserted among the blocks of W."""

    def weight_ih(w):
        W = [w("W", gate) for gate in gates.split()]
        return np.concatenate([*W[:position], w("S"), *W[position:]])

    return {
        "weight_ih": weight_ih,
        "weight_hh": lambda w: w("U", U_gates),
        "bias_ih": lambda w: w("b", "z r n"),
    }


def scalars(*names: str) -> Layout:
    """Return the layout of scalar parameters."""
    return {name: lambda w, name=name: w(name).reshape(1) for name in names}


PEEPHOLES = {"weight_ph": lambda w: w("V")}
LSTM = ("h", "c")
ROWS = {
    "peephole_lstm": Row(standard("i f g o") | PEEPHOLES, state=LSTM),
    "mgu": Row(standard("f n")),
    "indrnn": Row(
        {
            "weight_ih": lambda w: w("W"),
            "vector_u": lambda w: w("u"),
            "bias_ih": lambda w: w("b"),
        },
        {"nonlinearity": "relu"},
        peer="IndRNNCell",
    ),
    "ugrnn": Row(standard("n g")),
    "intersection_rnn": Row(standard("m n v g"), input_size=H),
    "janet": Row(standard("f g"), state=("h", "h")),
    "ligru": Row(standard("z n")),
    "star": Row(standard("z k", "k")),
    "sgrn": Row(standard() | {"bias_hh": lambda w: w("b_h")}),
    "lightru": Row(standard("n f", "f", "n f")),
    "miru": Row(
        standard(),
        {"reset_coefficient": 0.5, "update_coefficient": 0.5},
        peer="MiRU2Cell",
    ),
    # PyTorch stores the slope 1/6 of its hard sigmoid as a float32.
    "sgu": Row(standard("g z"), gradient=1e-7),
    "dsgu": Row(standard("g z") | {"weight_ho": lambda w: w("U_o")}, gradient=1e-7),
    # bias_ih of n is inside the tanh of x; the bias of the paper is outside.
    "mut1": Row(
        with_skip("z r", "r n", 2)
        | {
            "bias_ih": lambda w: np.concatenate([w("b", "z r"), np.zeros(H)]),
            "bias_hh": lambda w: np.concatenate([np.zeros(H), w("b", "n")]),
        }
    ),
    "mut2": Row(with_skip("z n", "z r n", 1)),
    "mut3": Row(standard("z r n")),
    "ran": Row(standard("g i f", "i f", "i f"), state=LSTM),
    "atr": Row(
        {"weight_ih": lambda w: w("W"), "weight_hh": lambda w: w("U")},
    ),
    "minimal_rnn": Row(
        {
            "weight_ih": lambda w: w("W"),
            "weight_hh": lambda w: w("U"),
            "weight_mm": lambda w: w("V"),
            "bias_ih": lambda w: w("b", "z"),
            "bias_hh": lambda w: w("b", "u"),
        }
    ),
    "cfn": Row(
        standard("f i n", "f i")
        | {"bias_ih": lambda w: np.concatenate([w("b", "f i"), np.zeros(H)])}
    ),
    "fast_rnn": Row(standard() | scalars("alpha", "beta")),
    # Its default nonlinearity is tanh; the paper's gate is a sigmoid.
    "fast_grnn": Row(
        standard(b_gates="z n") | scalars("zeta", "nu"),
        {"nonlinearity": "sigmoid"},
    ),
    "antisymmetric_rnn": Row(standard(), {"epsilon": 0.1, "gamma": 0.01}),
    "gated_antisymmetric_rnn": Row(
        standard("z n", ""), {"epsilon": 0.1, "gamma": 0.01}
    ),
    "cornn": Row(
        standard() | {"weight_ch": lambda w: w("U_z")},
        {"dt": 0.042, "gamma": 2.7, "epsilon": 4.7},
        state=("h", "z"),
    ),
    "unicornn": Row(
        {
            "weight_ih": lambda w: w("W"),
            "weight_hh": lambda w: w("u"),
            "weight_ch": lambda w: w("c"),
            "bias_ih": lambda w: w("b"),
        },
        {"dt": 0.2, "alpha": 1.0},
        state=("h", "z"),
    ),
    "brc": Row(standard("a c n") | {"weight_hh": lambda w: w("u")}, peer="BRCell"),
    "nbrc": Row(standard("a c n", "a c"), peer="NBRCell"),
    "trnn": Row(
        {"weight_ih": lambda w: w("W", "z f"), "bias_ih": lambda w: w("b", "z f")}
    ),
    "tgru": Row(strongly_typed("z f o"), state=("h", "x")),
    "tlstm": Row(strongly_typed("z f o"), state=("c", "x")),
    "multiplicative_lstm": Row(
        {
            "weight_ih": lambda w: np.concatenate([w("W_m"), w("W")]),
            "weight_hh": lambda w: w("U_m"),
            "weight_mh": lambda w: w("U"),
            "bias_ih": lambda w: np.concatenate([np.zeros(H), w("b")]),
        },
        state=LSTM,
    ),
    "residual_lstm": Row(
        standard("i f g o")
        | PEEPHOLES
        | {"weight_proj": lambda w: w("P"), "weight_res": lambda w: w("S")},
        peer="ResLSTMCell",
        state=LSTM,
    ),
    "mclstm": Row(standard("f i o m g"), state=("v", "c")),
    "wmclstm": Row(
        standard("i f g o") | {"weight_mh": lambda w: w("V")},
        state=LSTM,
    ),
}
# Biases that our cells do not have: they are zero there, but have a gradient.
UNSHARED = {
    "cfn": ["bias_ih"],
    "multiplicative_lstm": ["bias_ih"],
    "mut1": ["bias_ih", "bias_hh"],
}


def build_peer(name: str, row: Row) -> Any:
    """Return a cell of torchrecurrent with all weights zero."""
    class_name = row.peer or name.replace("_", "") + "cell"
    classes = {key.lower(): getattr(peer, key) for key in dir(peer)}
    cell = classes[class_name.lower()](row.input_size, H, **row.options).double()
    for parameter in cell.parameters():
        if parameter.ndim:
            torch.nn.init.zeros_(parameter)
    return cell


def run_peer(cell: Any, x: Any, initial: list[Any]) -> Any:
    """Return the outputs of a cell of torchrecurrent over a sequence."""
    state, outputs = initial, []
    for t in range(T):
        new = cell(x[:, t], tuple(state) if len(state) > 1 else state[0])
        if isinstance(new, tuple) and isinstance(new[1], tuple):
            y, state = new[0], list(new[1])  # the output is not part of the state
        elif isinstance(new, tuple) and len(state) == 1:
            y, state = new[0], [new[1]]
        else:
            state = list(new) if isinstance(new, tuple) else [new]
            y = state[0]
        outputs.append(y)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("name", ROWS)
def test_cell_equals_torchrecurrent(name, compared):
    """Outputs, and the gradients of inputs and of all weights that both have."""
    row = ROWS[name]
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        cell = zoo.cells()[name](
            row.input_size, H, param_dtype=jnp.float64, rngs=nnx.Rngs(0)
        )
        params, apply = zoo.functional(zoo.Recurrent(cell))
        params = jax.tree.map(lambda p: p + 0.3 * rng.standard_normal(p.shape), params)
        state = jax.tree.map(
            lambda s: 0.5 * rng.standard_normal(s.shape), cell.init_state(B)
        )
        x = rng.standard_normal((B, T, row.input_size))
        weights = rng.standard_normal((B, T, H))

        def loss(params, x):
            _, y = apply(params, x, None, state)
            return (y * weights).sum(), y

        gradient = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
        (d_params, d_x), y = gradient(params, x)
    peer_cell = build_peer(name, row)
    ours = Weights(cell, params["cell"])
    with torch.no_grad():
        for key, convert in row.layout.items():
            getattr(peer_cell, key).copy_(torch.tensor(convert(ours)))
    peer_x = torch.tensor(x, requires_grad=True)
    parts = [torch.tensor(np.asarray(getattr(state, part))) for part in row.state]
    peer_y = run_peer(peer_cell, peer_x, parts)
    (peer_y * torch.tensor(weights)).sum().backward()
    d_weights = Weights(cell, d_params["cell"])
    shared = [key for key in row.layout if key not in UNSHARED.get(name, ())]
    actual = {"x": d_x, **{key: row.layout[key](d_weights) for key in shared}}
    tensors = {"x": peer_x, **{key: getattr(peer_cell, key) for key in shared}}
    expected = {key: present(tensor.grad).numpy() for key, tensor in tensors.items()}
    assert_close(y, peer_y.detach().numpy(), FLOAT64)
    assert_close(actual, expected, row.gradient)
    peer_version = f"torchrecurrent {version('torchrecurrent')}"
    compared(name, peer_version, (y, peer_y.detach().numpy()), (actual, expected))
