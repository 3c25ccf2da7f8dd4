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

torch = pytest.importorskip("torch", reason="torch comes with the extra [parity]")
peer = pytest.importorskip("torchrecurrent", reason="comes with the extra [parity]")

B, T, D, H = 3, 5, 3, 4


class Weights:
    """The parameters of a cell, or gradients by them, in the order of another."""

    def __init__(self, cell: zoo.Cell, params: dict[str, np.ndarray]):
        """Keep both."""
        self.cell, self.params = cell, params

    def __call__(self, name: str, gates: str = "") -> np.ndarray:
        """Return a parameter, transposed, its blocks in the order of `gates`."""
        array = np.asarray(self.params[name])
        having = {
            "W": self.cell.input_gates,
            "U": self.cell.recurrent_gates,
            "b": self.cell.bias_gates,
        }.get(name)
        having = tuple(self.cell.gates) if having is None else having
        if gates:
            blocks = dict(
                zip(having, np.split(array, len(having), axis=-1), strict=True)
            )
            array = np.concatenate([blocks[g] for g in gates.split()], axis=-1)
        return array.T


Layout = dict[str, Callable[[Weights], np.ndarray]]


class Row(NamedTuple):
    """How a cell is laid out there.

    Attributes:
        layout: how to make each of its weights from ours; the others are zero.
        theirs: options of its constructor.
        input_size: D.
        peer: its class, where that is not our name.
        state: our state, as it wants it: names of the parts.
        gradient: the tolerance of gradients.
    """

    layout: Layout
    theirs: dict[str, Any] = {}
    input_size: int = D
    peer: str = ""
    state: tuple[str, ...] = ("h",)
    gradient: float = FLOAT64


def usual(gates: str = "", of_U: str | None = None, of_b: str | None = None) -> Layout:
    """Return the layout of one matrix for x and one for h."""
    of_U, of_b = gates if of_U is None else of_U, gates if of_b is None else of_b
    return {
        "weight_ih": lambda w: w("W", gates),
        "weight_hh": lambda w: w("U", of_U),
        "bias_ih": lambda w: w("b", of_b),
    }


def typed(gates: str) -> Layout:
    """Return the layout of the strongly typed cells, whose V is in our order."""
    return {
        "weight_ih": lambda w: w("W", gates),
        "weight_hh": lambda w: w("V"),
        "bias_ih": lambda w: w("b", gates),
    }


def with_skip(gates: str, of_U: str, at: int) -> Layout:
    """Return a layout in which S stands among the blocks of W."""

    def weight_ih(w):
        W = [w("W", gate) for gate in gates.split()]
        return np.concatenate([*W[:at], w("S"), *W[at:]])

    return {
        "weight_ih": weight_ih,
        "weight_hh": lambda w: w("U", of_U),
        "bias_ih": lambda w: w("b", "z r n"),
    }


PEEPHOLES = {"weight_ph": lambda w: w("V")}
LSTM = ("h", "c")
ROWS = {
    "peephole_lstm": Row(usual("i f g o") | PEEPHOLES, state=LSTM),
    "mgu": Row(usual("f n")),
    "indrnn": Row(
        {
            "weight_ih": lambda w: w("W"),
            "vector_u": lambda w: w("u"),
            "bias_ih": lambda w: w("b"),
        },
        {"nonlinearity": "relu"},
        peer="IndRNNCell",
    ),
    "ugrnn": Row(usual("n g")),
    "intersection_rnn": Row(usual("m n v g"), input_size=H),
    "janet": Row(usual("f g"), state=("h", "h")),
    "ligru": Row(usual("z n")),
    "star": Row(usual("z k", "k")),
    "sgrn": Row(usual() | {"bias_hh": lambda w: w("b_h")}),
    "lightru": Row(usual("n f", "f", "n f")),
    "miru": Row(
        usual(), {"reset_coefficient": 0.5, "update_coefficient": 0.5}, peer="MiRU2Cell"
    ),
    # The slope 1/6 of torch's hard sigmoid is a float32.
    "sgu": Row(usual("g z"), gradient=1e-7),
    "dsgu": Row(usual("g z") | {"weight_ho": lambda w: w("U_o")}, gradient=1e-7),
    # Its first bias of n stands within the tanh of x.
    "mut1": Row(
        with_skip("z r", "r n", 2)
        | {
            "bias_ih": lambda w: np.concatenate([w("b", "z r"), np.zeros(H)]),
            "bias_hh": lambda w: np.concatenate([np.zeros(H), w("b", "n")]),
        }
    ),
    "mut2": Row(with_skip("z n", "z r n", 1)),
    "mut3": Row(usual("z r n")),
    "ran": Row(usual("g i f", "i f", "i f"), state=LSTM),
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
        usual("f i n", "f i")
        | {"bias_ih": lambda w: np.concatenate([w("b", "f i"), np.zeros(H)])}
    ),
    "fast_rnn": Row(
        usual()
        | {
            "alpha": lambda w: w("alpha").reshape(1),
            "beta": lambda w: w("beta").reshape(1),
        }
    ),
    # Its gate is a tanh unless told otherwise; the paper's is a sigmoid.
    "fast_grnn": Row(
        usual(of_b="z n")
        | {
            "zeta": lambda w: w("zeta").reshape(1),
            "nu": lambda w: w("nu").reshape(1),
        },
        {"nonlinearity": "sigmoid"},
    ),
    "antisymmetric_rnn": Row(usual(), {"epsilon": 0.1, "gamma": 0.01}),
    "gated_antisymmetric_rnn": Row(usual("z n", ""), {"epsilon": 0.1, "gamma": 0.01}),
    "cornn": Row(
        usual() | {"weight_ch": lambda w: w("U_z")},
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
    "brc": Row(usual("a c n") | {"weight_hh": lambda w: w("u")}, peer="BRCell"),
    "nbrc": Row(usual("a c n", "a c"), peer="NBRCell"),
    "trnn": Row(
        {"weight_ih": lambda w: w("W", "z f"), "bias_ih": lambda w: w("b", "z f")}
    ),
    "tgru": Row(typed("z f o"), state=("h", "x")),
    "tlstm": Row(typed("z f o"), state=("c", "x")),
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
        usual("i f g o")
        | PEEPHOLES
        | {"weight_proj": lambda w: w("P"), "weight_res": lambda w: w("S")},
        peer="ResLSTMCell",
        state=LSTM,
    ),
    "mclstm": Row(usual("f i o m g"), state=("v", "c")),
    "wmclstm": Row(
        usual("i f g o") | {"weight_mh": lambda w: w("V")},
        state=LSTM,
    ),
}
# The bias that is ours to leave at zero gets a gradient there.
UNSHARED = {
    "cfn": ["bias_ih"],
    "multiplicative_lstm": ["bias_ih"],
    "mut1": ["bias_ih", "bias_hh"],
}


def theirs(name: str, row: Row) -> Any:
    """Return its cell, all weights zero."""
    cell_class = row.peer or name.replace("_", "") + "cell"
    found = {key.lower(): key for key in dir(peer)}[cell_class.lower()]
    cell = getattr(peer, found)(row.input_size, H, **row.theirs).double()
    for parameter in cell.parameters():
        if parameter.ndim:
            torch.nn.init.zeros_(parameter)
    return cell


def run_theirs(cell, row, x, state):
    """Run its cell over the sequence; return the outputs."""
    state, outputs = tuple(state), []
    for t in range(T):
        given = state if len(state) > 1 else state[0]
        new = cell(x[:, t], given)
        if isinstance(new, tuple) and isinstance(new[1], tuple):
            y, state = new  # an output, and a state of its own
        elif isinstance(new, tuple) and len(state) == 1:
            y, state = new[0], (new[1],)
        else:
            state = new if isinstance(new, tuple) else (new,)
            y = state[0]
        outputs.append(y)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("name", ROWS)
def test_cell_equals_torchrecurrent(name, compared):
    """Outputs, and gradients by inputs and by every weight that both have."""
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

        (by_params, by_x), y = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(
            params, x
        )
    other = theirs(name, row)
    ours = Weights(cell, params["cell"])
    with torch.no_grad():
        for key, make in row.layout.items():
            getattr(other, key).copy_(torch.tensor(make(ours)))
    x_other = torch.tensor(x, requires_grad=True)
    parts = [torch.tensor(np.asarray(getattr(state, part))) for part in row.state]
    y_other = run_theirs(other, row, x_other, parts)
    (y_other * torch.tensor(weights)).sum().backward()
    assert x_other.grad is not None
    gradients = Weights(cell, by_params["cell"])
    shared = [key for key in row.layout if key not in UNSHARED.get(name, ())]
    found = {"x": by_x, **{key: row.layout[key](gradients) for key in shared}}
    expected = {"x": x_other.grad, **{key: getattr(other, key).grad for key in shared}}
    expected = {key: gradient.numpy() for key, gradient in expected.items()}
    assert_close(y, y_other.detach().numpy(), FLOAT64)
    assert_close(found, expected, row.gradient)
    told = f"torchrecurrent {version('torchrecurrent')}"
    compared(name, told, (y, y_other.detach().numpy()), (found, expected))
