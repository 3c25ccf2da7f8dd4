"""Live parity with torch: layers, cells, and the way back."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

import zoo  # noqa: E402
from tests.helpers.tolerances import REFERENCE, assert_close  # noqa: E402
from tests.helpers.torch_grid import GRID, B, D, H, check, record_torch  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported with oneDNN"
)


@pytest.mark.parametrize("name", GRID)
def test_layer_equals_torch(name, compared):
    """Outputs, final states and gradients by inputs, states and every weight."""
    worst = check(record_torch(GRID[name], seed=1000), GRID[name])
    cell = {"lstm-proj": "projected_lstm", "rnn-relu": "rnn"}
    kind = name.split("_")[0]
    told = f"PyTorch {torch.__version__}"
    compared(cell.get(kind, kind), told, (worst, 0.0), (worst, 0.0))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_cell_equals_torch(kind, bias, compared):
    """A step, and the gradient by its inputs."""
    torch.manual_seed(0)
    module = getattr(torch.nn, kind + "Cell")(D, H, bias=bias)
    cell = zoo.interop.from_torch(module)
    x, h, c = (torch.randn(B, n) for n in (D, H, H))
    given = (h, c) if kind == "LSTM" else h
    x.requires_grad_()
    expected = module(x, given)
    (expected[0] if kind == "LSTM" else expected).square().sum().backward()
    state = [np.asarray(s) for s in (given if kind == "LSTM" else (given,))]
    begin = type(cell.init_state(B))(*state)

    def step(x):
        found, y = cell.step(begin, cell.project(x))
        return (y**2).sum(), (list(found), y)

    by_x, (found, y) = jax.grad(step, has_aux=True)(x.detach().numpy())
    expected = expected if kind == "LSTM" else (expected,)
    expected = [e.detach().numpy() for e in expected]
    outputs, gradients = ((found, y), (expected, expected[0])), (by_x, x.grad.numpy())
    assert_close(*outputs, REFERENCE)
    assert_close(*gradients, REFERENCE)
    if bias:
        compared(cell.name, f"PyTorch {torch.__version__}", outputs, gradients)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "name", ["rnn_3_both_full", "lstm-proj_3_one_full", "gru_1_both_full"]
)
def test_weights_go_back(name, bias):
    config = {k: v for k, v in GRID[name].items() if k not in ("kind", "ragged")}
    kind = GRID[name]["kind"].upper()
    module = getattr(torch.nn, kind)(D, H, batch_first=True, bias=bias, **config)
    layer = zoo.interop.from_torch(module)
    other = getattr(torch.nn, kind)(D, H, batch_first=True, bias=bias, **config)
    other.load_state_dict(zoo.interop.to_torch(layer))
    x = torch.randn(B, 5, D)
    with torch.no_grad():
        assert_close(other(x)[0].numpy(), module(x)[0].numpy(), REFERENCE)
    assert jax.tree.map(np.shape, zoo.functional(layer)[0])


def test_blocks_of_the_guide_run():
    """Those of PyTorch, and then those of the library."""
    text = (Path(__file__).parents[2] / "docs" / "from-torch.md").read_text()
    for language in ("python torch", "python"):
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
        assert len(blocks) >= 3
        run = subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
