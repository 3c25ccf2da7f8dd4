"""The line about the kernels of a model that a run prints."""

import pytest
from flax import nnx

import zoo
from zoo.engine import native
from zoo.layers.kernels import describe_kernels

MISSING = "none were built"


def lstm(**options) -> zoo.Layer:
    return zoo.LSTM(4, 5, 2, bidirectional=True, rngs=nnx.Rngs(0), **options)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels be available, under a name."""
    monkeypatch.setattr(native, "missing", lambda *kernel: None)
    monkeypatch.setattr(native, "loaded", lambda platform: f"for a {platform}")


def test_without_kernels_the_line_says_why(monkeypatch):
    monkeypatch.setattr(native, "missing", lambda *kernel: MISSING)
    assert describe_kernels(lstm()) == f"none: {MISSING}"


def test_what_is_not_installed_says_what_it_gives_and_how_to_get_it():
    assert "pip install ./native" in native.NOT_INSTALLED
    assert "times as fast" in native.NOT_INSTALLED


@pytest.mark.usefixtures("installed")
def test_with_kernels_the_line_names_them():
    assert describe_kernels(lstm()) == "for a cpu"
    classifier = zoo.models.Classifier(
        *(20, 3), embedding_dim=4, hidden_size=5, rngs=nnx.Rngs(0)
    )
    assert describe_kernels(classifier) == "for a cpu"


@pytest.mark.usefixtures("installed")
def test_a_layer_that_trains_without_its_kernel_is_mentioned():
    noisy = "a regulariser acts on every step"
    assert describe_kernels(lstm(recurrent_dropout=0.5)) == f"none: {noisy}"
    assert describe_kernels(lstm(backend="scan")) == "none: as asked"
    stack = zoo.Stacked(
        [
            zoo.Recurrent(zoo.GRUCell(4, 5, rngs=nnx.Rngs(0))),
            zoo.Recurrent(zoo.GRUCell(5, 5, rngs=nnx.Rngs(0)), zoneout=0.1),
        ]
    )
    assert describe_kernels(stack) == f"only for some layers: {noisy}"


def test_there_is_no_line_without_a_cell_that_has_a_kernel():
    cell = zoo.LRUCell(4, 5, rngs=nnx.Rngs(0))
    assert describe_kernels(zoo.Recurrent(cell)) is None
