"""Live parity with PyTorch: layers, cells, and export of weights."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

import zoo  # noqa: E402
from tests.helpers.tolerances import REFERENCE, assert_close  # noqa: E402
from tests.helpers.torch_grid import GRID, B, D, H, check, record_torch  # noqa: E402
from tests.helpers.typed import present, untyped  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported with oneDNN"
)


@pytest.mark.parametrize("name", GRID)
def test_layer_equals_torch(name, compared):
    """Outputs, final states, gradients of inputs, states and all weights."""
    error = check(record_torch(GRID[name], seed=1000), GRID[name])
    cell = {"lstm-proj": "projected_lstm", "rnn-relu": "rnn"}
    kind = name.split("_")[0]
    peer = f"PyTorch {torch.__version__}"
    compared(cell.get(kind, kind), peer, (error, 0.0), (error, 0.0))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_cell_equals_torch(kind, bias, compared):
    """One step, and its gradient with respect to the inputs."""
    torch.manual_seed(0)
    module = getattr(torch.nn, kind + "Cell")(D, H, bias=bias)
    cell = untyped(zoo.interop.from_torch(module))
    x, h, c = (torch.randn(B, n) for n in (D, H, H))
    torch_state = (h, c) if kind == "LSTM" else h
    x.requires_grad_()
    result = module(x, torch_state)
    (result[0] if kind == "LSTM" else result).square().sum().backward()
    arrays = [np.asarray(s) for s in ((h, c) if kind == "LSTM" else (h,))]
    state = type(cell.init_state(B))(*arrays)

    def loss(x):
        new, y = cell.step(state, cell.project(x))
        return (y**2).sum(), (list(new), y)

    d_x, (new, y) = jax.grad(loss, has_aux=True)(x.detach().numpy())
    result = result if kind == "LSTM" else (result,)
    expected = [array.detach().numpy() for array in result]
    outputs = (new, y), (expected, expected[0])
    gradients = d_x, present(x.grad).numpy()
    assert_close(*outputs, REFERENCE)
    assert_close(*gradients, REFERENCE)
    if bias:
        compared(cell.name, f"PyTorch {torch.__version__}", outputs, gradients)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "name", ["rnn_3_both_full", "lstm-proj_3_one_full", "gru_1_both_full"]
)
def test_export_of_weights(name, bias):
    config = {k: v for k, v in GRID[name].items() if k not in ("kind", "ragged")}
    kind = GRID[name]["kind"].upper()
    module = getattr(torch.nn, kind)(D, H, batch_first=True, bias=bias, **config)
    layer = zoo.interop.from_torch(module)
    exported = getattr(torch.nn, kind)(D, H, batch_first=True, bias=bias, **config)
    exported.load_state_dict(zoo.interop.to_torch(layer))
    x = torch.randn(B, 5, D)
    with torch.no_grad():
        assert_close(exported(x)[0].numpy(), module(x)[0].numpy(), REFERENCE)
    assert jax.tree.map(np.shape, zoo.functional(layer)[0])
