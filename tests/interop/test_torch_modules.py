"""Modules of PyTorch that need care: other dtypes, subclasses, parametrisations."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.tolerances import REFERENCE, assert_close
from tests.helpers.typed import untyped
from zoo import interop

torch = pytest.importorskip("torch", reason="torch comes with the extra [parity]")

D, H = 3, 4


@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
def test_bfloat16_round_trip(param_dtype):
    module = torch.nn.LSTM(D, H, dtype=torch.bfloat16)
    layer = untyped(interop.from_torch(module, param_dtype=param_dtype))
    W = module.weight_ih_l0.detach().float().numpy().T
    np.testing.assert_array_equal(layer.layers[0].cell.W[...].astype(jnp.float32), W)
    back = interop.to_torch(layer)
    expected = torch.bfloat16 if param_dtype == jnp.bfloat16 else torch.float32
    assert back["weight_ih_l0"].dtype == expected
    assert torch.equal(back["weight_ih_l0"].float(), module.weight_ih_l0.float())


class Scaled(torch.nn.LSTM):
    """A subclass that computes something else."""

    def forward(self, x):
        return super().forward(2 * x)


def test_a_subclass_is_refused_and_its_weights_are_not():
    module = Scaled(D, H)
    way = r"subclass of torch.nn.LSTM.*from_torch\(source.state_dict\(\), 'lstm'\)"
    with pytest.raises(TypeError, match=way):
        interop.from_torch(module)
    layer = interop.from_torch(module.state_dict(), "lstm")
    x = np.ones((2, 3, D), np.float32)
    expected = torch.nn.LSTM.forward(module, torch.from_numpy(x).transpose(0, 1))[0]
    assert_close(layer(x)[1], expected.detach().numpy().transpose(1, 0, 2), REFERENCE)


@pytest.mark.filterwarnings("ignore")
def test_a_scripted_module_is_refused():
    with pytest.raises(TypeError, match=r"a scripted module.*state_dict\(\), 'gru'"):
        interop.from_torch(torch.jit.script(torch.nn.GRU(D, H)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "norm", [torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm]
)
def test_weight_norm_is_refused(norm):
    module = norm(torch.nn.LSTM(D, H), "weight_hh_l0")
    with pytest.raises(TypeError, match="weight norm.*remove_parametrizations"):
        interop.from_torch(module)
    with pytest.raises(ValueError, match="weight norm.*remove_weight_norm"):
        interop.from_torch(module.state_dict(), "lstm")


def test_other_modules_are_refused():
    model = torch.nn.Sequential(torch.nn.LSTM(D, H))
    with pytest.raises(TypeError, match=r"pass the model's state_dict\(\) and prefix="):
        interop.from_torch(model)
    layer = interop.from_torch(model.state_dict(), prefix="0.")
    assert type(layer).__name__ == "LSTM"
    with pytest.raises(TypeError, match="or a state dict, got <class 'int'>"):
        interop.from_torch(3)
