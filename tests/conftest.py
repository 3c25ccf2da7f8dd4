"""Strict types and numbers for the whole suite."""

import os

# How equal is equal holds for CPUs: a GPU multiplies float32 as TF32.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# The suite compiles many small programs and runs each for microseconds: these flags
# halve the time of the compiler. Set XLA_FLAGS to nothing to test with full
# optimisation, as `.ci/run` does for the contract.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false",
)

import hypothesis
import jax
import pytest

from tests.helpers import browser
from tests.helpers.tolerances import largest_error

# How long an example takes says more of the machine, and of what is compiled first.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser):
    """Add ``--thorough``."""
    text = "test every cell and every task, not only one of each kind"
    parser.addoption("--thorough", action="store_true", help=text)


# Long tests that share no fixture, or one that all processes share: each by itself.
ALONE = ("test_train", "test_train_errors", "test_resume", "test_report")
ALONE += ("test_browser", "test_torchrecurrent", "test_every_cell", "test_pages")


def pytest_itemcollected(item):
    """Keep the tests of a file in one process, those of the contract case by case.

    Here, since xdist reads the groups before any hook that sees all items.
    """
    group = item.path.stem
    if group == "test_contract":
        group += "::" + item.callspec.params["case"]
    if group not in ALONE:
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_modifyitems(config, items):
    """Choose what the slower tests are run with."""
    if config.getoption("thorough"):
        return

    def chosen(item):
        if not item.get_closest_marker("one_of_each_kind"):
            return True
        return item.callspec.params["case"] in item.module.OF_EACH_KIND

    config.hook.pytest_deselected(items=[item for item in items if not chosen(item)])
    items[:] = [item for item in items if chosen(item)]


@pytest.fixture(autouse=True)
def strict_promotion():
    """Make every silent change of a dtype an error, as in user code it may be."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def standard_promotion():
    """Allow the usual promotion again: optax needs it."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def chromium():
    """A browser for a whole module."""
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium, or set ZOO_BROWSER")
    found = browser.Browser(path)
    found.emulate()
    yield found
    found.close()


@pytest.fixture
def compared(record_property):
    """Return a function that records a comparison, for `benchmarks/cells.py`.

    It is told the cell, what it was compared with, and found and expected outputs and
    gradients.
    """

    def record(cell, peer, outputs, gradients):
        record_property("cell", cell)
        record_property("peer", peer)
        record_property("outputs", largest_error(*outputs))
        record_property("gradients", largest_error(*gradients))

    return record
