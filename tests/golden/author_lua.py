"""The authors' programs in Lua, for Torch 7; see `author_loading.py`.

Lua runs inside Python, by lupa. PyTorch takes the place of Torch 7: `Node` and `Module`
are the few modules and the graphs that these programs build.
"""

import importlib
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.golden.author_loading import Params, program


class Node:
    """A value in a graph: a function of other nodes, or an input."""

    def __init__(self, module: Any, inputs: Sequence["Node"]):
        """Store the module, which is called with the values of the inputs."""
        self.module, self.inputs = module, inputs

    def split(self, count: int) -> tuple["Node", ...]:
        """Return the entries of a table."""
        pick = lambda k: Module(lambda table: table[k])  # noqa: E731
        return tuple(Node(pick(k), [self]) for k in range(count))

    def value(self, known: dict["Node", Any]) -> Any:
        """Return the value, given those of the inputs of the graph."""
        if self not in known:
            values = [node.value(known) for node in self.inputs]
            known[self] = self.module.compute(*values)
        return known[self]


class Module:
    """A module of Torch 7; a call adds it to a graph."""

    def __init__(self, compute: Callable[..., Any]):
        """Store the function, of one array for each input."""
        self.compute = compute

    def __call__(self, inputs: Any = None) -> Node:
        """Add a node, whose inputs are a node, a table of nodes, or none."""
        if inputs is None or isinstance(inputs, Node):
            return Node(self, [] if inputs is None else [inputs])
        return Node(self, list(inputs.values()))


class Product(Module):
    """A product with a matrix: a linear layer, or the table of 1-of-N inputs."""

    def __init__(self, *sizes: int):
        """Ignore the sizes; the weight is set later."""
        self.weight: Any = None

    def compute(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x W``."""
        return x @ self.weight


class Sequential(Module):
    """Modules that are applied one after another."""

    def __init__(self):
        """Start with none."""
        self.modules: list[Module] = []

    def add(self, module: Module) -> None:
        """Append a module."""
        self.modules.append(module)

    def compute(self, x: torch.Tensor) -> torch.Tensor:
        """Apply all modules."""
        for module in self.modules:
            x = module.compute(x)
        return x


def _same(*values: Any) -> Any:
    """Return one value, or a table of them."""
    return values[0] if len(values) == 1 else values


NN = types.SimpleNamespace(
    Identity=lambda: Module(_same),
    LookupTableGPU=Product,
    LinearNB=Product,
    Sequential=Sequential,
    MulConstant=lambda factor: Module(lambda a: a * factor),
    CAddTable=lambda: Module(lambda *values: sum(values)),
    Sigmoid=lambda: Module(torch.sigmoid),
    JoinTable=lambda axis: Module(lambda *values: torch.cat(values, dim=-1)),
    LogSoftMax=lambda: Module(lambda a: torch.log_softmax(a, dim=-1)),
    gModule=lambda inputs, outputs: [list(inputs.values()), list(outputs.values())],
)


@program
def scrn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """facebookarchive/SCRNNs, with the matrix of the slow units alpha times one."""
    lua = importlib.import_module("lupa").LuaRuntime(unpack_returned_tuples=True)
    lua.globals().nn = NN
    models = lua.execute((folder / "mfactory.lua").read_text())
    M, H = p["P"].shape
    alpha = 0.95
    names = {"name": "scrnn_sm", "n_hidden": H, "n_slow": M, "semb_scale": 1 - alpha}
    nets, layers = models.makeModelNets(lua.table_from(names), None, x.shape[-1])
    layers.emb_fast.module.weight = p["W"]
    layers.emb_slow.module.modules[0].weight = p["B"]
    layers.proj_fast.module.weight = p["U"]
    layers.proj_slow.module.weight = alpha * torch.eye(M)
    layers.proj_slow2fast.module.weight = p["P"]
    (symbol, previous), (new,) = nets["encoder"]
    state, y = (torch.zeros(len(x), H), torch.zeros(len(x), M)), []
    for t in range(x.shape[1]):
        state = new.value({symbol: x[:, t], previous: state})
        y.append(torch.cat(state, dim=-1))
    return torch.stack(y, dim=1)
