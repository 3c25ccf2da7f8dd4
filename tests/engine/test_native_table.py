"""The table of kernels: the same for Python, C++ and the cells."""

import sys
from types import SimpleNamespace

import jax.numpy as jnp
import pytest
from flax import nnx

import zoo
from tests.helpers.kernel_table import load_table
from tests.helpers.kernels import CELLS
from zoo.engine import native

TABLE = load_table().read()


def test_the_interface_is_that_of_the_table():
    """After a change of kernels.json, adapt `zoo` to it and update its INTERFACE."""
    assert native.INTERFACE == TABLE.interface


def test_every_kernel_has_a_cell_and_every_cell_a_kernel():
    assert set(TABLE.kernels) == set(CELLS)
    for name, cell in CELLS.items():
        options = {"nonlinearity": "relu"} if name == "rnn_relu" else {}
        assert cell(2, 3, rngs=nnx.Rngs(0), **options).kernel() == name


@pytest.mark.parametrize("name", CELLS)
def test_gates_and_biases_are_those_of_the_cell(name):
    options = {"nonlinearity": "relu"} if name == "rnn_relu" else {}
    cell = CELLS[name](2, 3, rngs=nnx.Rngs(0), **options)
    kernel = TABLE.kernels[name]
    assert cell.U.shape == (3, 3 * kernel.gates)
    assert kernel.gates <= len(kernel.planes) <= kernel.gates + 1
    assert kernel.cell_state == ("c" in cell.init_state(1)._fields)


def test_aliases_name_arguments_and_results():
    for call in TABLE.calls.values():
        for argument, result in call.aliases.items():
            assert argument in call.arguments
            assert result in call.results


def test_the_header_has_every_kernel_and_call():
    header = load_table().header(TABLE)
    assert f'INTERFACE[] = "{TABLE.interface}"' in header
    for name, kernel in TABLE.kernels.items():
        assert f'KERNEL("{name}", {kernel.cell}, ' in header
    for name, call in TABLE.calls.items():
        macro = header.split(f"#define {name.upper()}_SIGNATURE")[1].split("#define")[0]
        assert macro.count(".Arg<") == len(call.arguments)
        assert macro.count(".Ret<") == len(call.results)


@pytest.fixture
def clear_cache():
    """Check whether kernels are available in this test, and again after it."""
    native.missing.cache_clear()
    yield
    native.missing.cache_clear()


@pytest.mark.usefixtures("clear_cache")
@pytest.mark.parametrize("interface", ["0123456789ab", 6, None])
def test_a_wheel_built_from_another_table_is_refused(monkeypatch, interface):
    wheel = SimpleNamespace(INTERFACE=interface)
    monkeypatch.setitem(sys.modules, "zoo_native", wheel)
    layer = zoo.Recurrent(zoo.LSTMCell(2, 3, rngs=nnx.Rngs(0)), backend="native")
    with pytest.raises(ValueError, match="built from another table of kernels"):
        layer(jnp.zeros((1, 2, 2)))
