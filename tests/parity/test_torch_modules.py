"""Modules of PyTorch that need care: other dtypes, subclasses, parametrisations."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

torch = pytest.importorskip(
    "torch", reason="live comparison needs the extra: pip install -e '.[parity]'"
)
prune = pytest.importorskip("torch.nn.utils.prune")

import zoo  # noqa: E402
from tests.helpers.interop import assert_one_warning  # noqa: E402
from tests.helpers.tolerances import (  # noqa: E402
    REFERENCE,
    assert_close,
    assert_identical,
)
from tests.helpers.typed import untyped  # noqa: E402
from zoo import interop  # noqa: E402
from zoo.models import Classifier  # noqa: E402

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


def test_float64_modules_are_rounded_with_a_warning_or_kept(caplog):
    module = torch.nn.GRU(D, H, 2, bidirectional=True, dtype=torch.float64)
    layer = untyped(interop.from_torch(module))
    W = module.weight_ih_l0.detach().numpy().T
    assert_identical(layer.layers[0].forward.cell.W, np.float32(W))
    assert_one_warning(caplog.text)
    caplog.clear()
    interop.from_torch(module, param_dtype=jnp.float32)
    with jax.enable_x64(True):
        layer = untyped(interop.from_torch(module))
        assert_identical(layer.layers[0].forward.cell.W, W)
        assert interop.to_torch(layer)["weight_ih_l0"].dtype == torch.float64
    assert not caplog.text


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
@pytest.mark.parametrize(
    "compiled",
    [torch.jit.script, lambda m: torch.jit.trace(m, torch.zeros(2, 3, D))],
)
def test_a_scripted_module_is_refused(compiled):
    way = r"a scripted or traced module.*from_torch\(source.state_dict\(\), 'gru'\)"
    with pytest.raises(TypeError, match=way):
        interop.from_torch(compiled(torch.nn.GRU(D, H)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "wrap",
    [
        torch.compile,
        torch.nn.DataParallel,
        lambda module: torch.nn.DataParallel(torch.compile(module)),
    ],
)
def test_wrappers_that_compute_the_same_are_removed(wrap):
    module = torch.nn.LSTM(D, H, 2, bidirectional=True)
    wrapped = wrap(module)
    layer = interop.from_torch(wrapped)
    expected = interop.from_torch(module)
    assert_identical(zoo.functional(layer)[0], zoo.functional(expected)[0])
    # The names of its state dict have a prefix, which the message names.
    names = list(wrapped.state_dict())
    prefix = names[0].removesuffix("weight_ih_l0")
    with pytest.raises(ValueError, match=f"and prefix='{re.escape(prefix)}'"):
        interop.from_torch(wrapped.state_dict())
    layer = interop.from_torch(wrapped.state_dict(), prefix=prefix)
    assert_identical(zoo.functional(layer)[0], zoo.functional(expected)[0])


def test_hooks_and_another_forward_are_refused():
    module = torch.nn.LSTM(D, H)
    handle = module.register_forward_hook(lambda module, x, y: (2 * y[0], y[1]))
    with pytest.raises(TypeError, match="a module with forward hooks.*state_dict"):
        interop.from_torch(module)
    handle.remove()
    interop.from_torch(module)
    module.forward = untyped(lambda x: x)
    with pytest.raises(
        TypeError, match="whose forward method is overridden.*state_dict"
    ):
        interop.from_torch(module)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_module_is_refused():
    model = torch.nn.Sequential(torch.nn.LSTM(D, H))
    quantised = torch.ao.quantization.quantize_dynamic(
        model, {torch.nn.LSTM}, dtype=torch.qint8
    )[0]
    with pytest.raises(TypeError, match="convert the float module that was quantised"):
        interop.from_torch(quantised)
    with pytest.raises(ValueError, match="state dict of the float module"):
        interop.from_torch(quantised.state_dict())


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


def test_pruning_is_refused():
    module = prune.l1_unstructured(torch.nn.LSTM(D, H), "weight_hh_l0", 0.5)
    with pytest.raises(TypeError, match="torch.nn.utils.prune.remove"):
        interop.from_torch(module)
    prune.remove(module, "weight_hh_l0")
    layer = untyped(interop.from_torch(module))
    assert np.mean(np.asarray(layer.layers[0].cell.U) == 0) == 0.5


@pytest.mark.parametrize(
    "options",
    [{"kind": "lstm"}, {"prefix": "a."}, {"dropout": 0.0}, {"nonlinearity": "relu"}],
)
def test_a_module_has_its_own_options(options):
    message = f"{next(iter(options))} must be left out: it is for a state dict"
    with pytest.raises(ValueError, match=message):
        interop.from_torch(torch.nn.LSTM(D, H, 2, dropout=0.5), **options)


def test_other_modules_are_refused():
    model = torch.nn.Sequential(torch.nn.LSTM(D, H))
    with pytest.raises(TypeError, match=r"model's state_dict\(\) and prefix='0.'"):
        interop.from_torch(model)
    layer = interop.from_torch(model.state_dict(), prefix="0.")
    assert type(layer).__name__ == "LSTM"
    with pytest.raises(TypeError, match="or a state dict, got <class 'int'>"):
        interop.from_torch(3)
    with pytest.raises(TypeError, match="Linear.*no weights of recurrent modules"):
        interop.from_torch(torch.nn.Linear(D, H))


def test_state_dicts_of_several_modules_and_checkpoints():
    modules = {"a": torch.nn.LSTM(D, H), "b": torch.nn.GRUCell(D, H)}
    model = torch.nn.ModuleDict({**modules, "head": torch.nn.Linear(H, 2)})
    state = model.state_dict()
    for prefix in ("", "a", "c."):
        with pytest.raises(ValueError, match="prefix='a.' or prefix='b.'"):
            interop.from_torch(state, prefix=prefix)
    assert type(interop.from_torch(state, prefix="b.")).__name__ == "GRUCell"
    with pytest.raises(ValueError, match=r"a checkpoint: pass source\['state_dict'\]"):
        interop.from_torch({"epoch": 3, "state_dict": state})
    with pytest.raises(ValueError, match=r"a checkpoint: pass source\['model'\]"):
        interop.from_torch({"model": model["a"]})


def test_weights_that_are_no_numbers():
    state = torch.nn.LSTM(D, H).state_dict()
    integers = {name: value.to(torch.int8) for name, value in state.items()}
    with pytest.raises(TypeError, match="LSTMCell.W must be floating point, got int8"):
        interop.from_torch(integers)
    with pytest.raises(ValueError, match="have no data: their device is 'meta'"):
        interop.from_torch(torch.nn.LSTM(D, H, device="meta"))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
@pytest.mark.parametrize(
    "make",
    [
        lambda r: zoo.LSTM(D, H, 2, bidirectional=True, dropout=0.3, rngs=r),
        lambda r: zoo.LSTM(D, H, proj_size=2, rngs=r),
        lambda r: zoo.RNN(D, H, nonlinearity="relu", bias=False, rngs=r),
        lambda r: zoo.GRU(D, H, param_dtype=jnp.bfloat16, rngs=r),
    ],
)
def test_to_torch_returns_a_module(make):
    layer = make(nnx.Rngs(0))
    torch.manual_seed(0)
    module = interop.to_torch(layer, "module")
    assert torch.initial_seed() == 0 and torch.rand(1) == first_random_number()
    assert type(module).__name__ == type(layer).__name__
    assert module.batch_first
    for name, value in interop.to_torch(layer).items():
        assert torch.equal(value, module.state_dict()[name])
    dtype = module.weight_ih_l0.dtype
    back = untyped(interop.from_torch(module, param_dtype=str(dtype).split(".")[1]))
    assert back.dropout == layer.dropout
    assert_identical(zoo.functional(back)[0], zoo.functional(layer)[0])
    if dtype == torch.float32:
        x = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)
        expected = module.eval()(torch.from_numpy(x))[0].detach().numpy()
        assert_close(layer(x)[1], expected, REFERENCE)


def nested(inner: float, outer: float) -> zoo.Stacked:
    """Return two LSTM layers with dropout between them, below a third one."""
    r = nnx.Rngs(0)
    low = zoo.LSTM(D, H, 2, dropout=inner, rngs=r)
    return zoo.Stacked([low, zoo.LSTM(H, H, rngs=r)], dropout=outer)


def test_the_dropout_of_nested_stacks():
    assert interop.to_torch(nested(0.5, 0.5), "module").dropout == 0.5
    for inner, outer in ((0.5, 0.0), (0.3, 0.5)):
        stack = nested(inner, outer)
        with pytest.raises(ValueError, match=f"got the rates {inner}, {outer}, lowest"):
            interop.to_torch(stack, "module")
        assert "weight_ih_l2" in interop.to_torch(stack)  # has no rates


def first_random_number() -> float:
    """Return the first number of torch's generator after the seed 0."""
    return float(torch.rand(1, generator=torch.Generator().manual_seed(0)))


def test_to_torch_of_a_model_and_of_cells():
    model = Classifier(9, 2, embedding_dim=D, hidden_size=H, rngs=nnx.Rngs(0))
    module = interop.to_torch(model, "module")
    assert type(module) is torch.nn.LSTM and module.bidirectional
    assert torch.equal(module.bias_ih_l0, interop.to_torch(model)["bias_ih_l0"])
    cell = zoo.GRUCell(D, H, rngs=nnx.Rngs(0))
    back = interop.from_torch(interop.to_torch(cell, "module"))
    assert_identical(zoo.functional(back)[0], zoo.functional(cell)[0])
    projected = zoo.ProjectedLSTMCell(D, H, proj_size=2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="LSTMCell has no projection"):
        interop.to_torch(projected, "module")
    with pytest.raises(ValueError, match="did you mean 'module'"):
        interop.to_torch(cell, "modul")
