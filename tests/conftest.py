"""Options, groups and fixtures of the whole suite."""

import gc
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# The tolerances are those of a CPU: a GPU multiplies float32 as TF32.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Programs are compiled once for all tests and processes, and kept for the next time.
os.environ.setdefault(
    "ZOO_COMPILE_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
)

import hypothesis
import jax
import pytest

from tests.helpers import browser, training
from tests.helpers.tolerances import largest_error
from zoo.cli import compile_cache

# The suite compiles many small programs and runs each for microseconds: without
# optimisation, that takes half to two thirds of the time. XLA reads the flags when it
# first compiles. Set XLA_FLAGS to the empty string to test with full optimisation, as
# `.ci/run` does for the contract.
FLAGS = ["--xla_backend_optimization_level=0"]
FLAGS.append("--xla_cpu_parallel_codegen_split_count=1")
if jax.__version_info__ < (0, 11, 1):
    # Later versions end a process that sets this flag.
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(FLAGS))
compile_cache.use()

COMPILATION = "/jax/core/compile/backend_compile_duration"

# No deadline: the first example compiles, and machines differ.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--thorough``."""
    message = "test every cell and every task, not only one of each kind"
    parser.addoption("--thorough", action="store_true", help=message)


# Files whose tests may run in different processes: they are long, and share no fixture
# or one that all processes share.
UNGROUPED = ("test_train", "test_train_errors", "test_resume", "test_report")
UNGROUPED += ("test_browser", "test_torchrecurrent", "test_every_cell", "test_pages")


def case_of(item: pytest.Item) -> str:
    """Return the parameter ``case`` of a test."""
    assert isinstance(item, pytest.Function)
    return str(item.callspec.params["case"])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run the tests of a file in one process, those of the contract case by case.

    xdist reads the groups before `pytest_collection_modifyitems`.
    """
    group = item.path.stem
    if group == "test_contract":
        group += "::" + case_of(item)
    if group not in UNGROUPED:
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """Exempt the libraries and the tests from garbage collection: they stay.

    And collect rarely: tracing makes many objects and little garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Select from the slower tests, unless ``--thorough`` is given."""
    if config.getoption("thorough"):
        return

    def is_selected(item: pytest.Item) -> bool:
        if item.get_closest_marker("thorough"):
            return False
        if not item.get_closest_marker("one_of_each_kind"):
            return True
        module = item.getparent(pytest.Module)
        assert module is not None
        return case_of(item) in module.obj.OF_EACH_KIND

    deselected = [item for item in items if not is_selected(item)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if is_selected(item)]


@pytest.fixture(autouse=True)
def strict_promotion() -> Iterator[None]:
    """Make implicit promotion of dtypes and ranks an error, as users may set JAX."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture
def standard_promotion() -> Iterator[None]:
    """Allow the standard promotion again: optax and other libraries need it."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """The name of the thread of each compilation since the list was cleared."""
    threads: list[str] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        if event == COMPILATION:
            threads.append(threading.current_thread().name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield threads
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def data_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let this process use the data cache of all tests, as `environment` names it."""
    from datasets import config

    folder = training.environment(tmp_path_factory)["HF_DATASETS_CACHE"]
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", folder)


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Browser]:
    """A browser for all tests of a module."""
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium, or set ZOO_BROWSER")
    instance = browser.Browser(path)
    instance.emulate()
    yield instance
    instance.close()


@pytest.fixture
def compared(
    record_property: Callable[[str, object], None],
) -> Callable[[str, str, tuple[Any, Any], tuple[Any, Any]], None]:
    """Return a function that records a comparison, for `benchmarks/cells.py`.

    Its arguments are the name of the cell, the library of the reference, and pairs of
    actual and expected outputs and gradients.
    """

    def record(
        cell: str, peer: str, outputs: tuple[Any, Any], gradients: tuple[Any, Any]
    ) -> None:
        record_property("cell", cell)
        record_property("peer", peer)
        record_property("outputs", largest_error(*outputs))
        record_property("gradients", largest_error(*gradients))

    return record
