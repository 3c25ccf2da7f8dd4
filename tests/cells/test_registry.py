"""The names of the cells: collected from their files, public, and family by family."""

import importlib
import inspect
import pkgutil
import types

import pytest

import zoo
from zoo.cells.base import Cell

PACKAGE = importlib.import_module("zoo.cells")
FILES = [
    module.name
    for module in pkgutil.walk_packages(PACKAGE.__path__, "zoo.cells.")
    if not module.ispkg
]


@pytest.mark.parametrize("name", FILES)
def test_every_cell_of_a_file_is_public(name):
    """A file's `__all__` and its line in the family are easy to forget."""
    for cell in vars(importlib.import_module(name)).values():
        if not inspect.isclass(cell) or not issubclass(cell, Cell):
            continue
        if cell.__module__ == name and "name" in vars(cell):
            public = getattr(zoo, cell.__name__, None)
            assert public is not None, f"zoo has no {cell.__name__}"
            assert not public.registered or zoo.cells()[public.name] is public


def test_public_names_are_classes_of_cells_and_states():
    assert set(PACKAGE.__all__) <= set(zoo.__all__)
    assert len(zoo.__all__) == len(set(zoo.__all__))
    for name in PACKAGE.__all__:
        assert inspect.isclass(getattr(PACKAGE, name)), name


def test_families_are_packages():
    """A star import of `lstm.lstm` must not replace the package `zoo.cells.lstm`."""
    for module in pkgutil.iter_modules(PACKAGE.__path__, "zoo.cells."):
        attribute = getattr(PACKAGE, module.name.rpartition(".")[2])
        assert isinstance(attribute, types.ModuleType)
        assert attribute.__name__ == module.name
        assert hasattr(attribute, "__path__") == module.ispkg


def test_cells_are_listed_family_by_family():
    families = [cell.family for cell in zoo.cells().values()]
    assert families == sorted(families, key=families.index)


def test_cells_with_other_constructors_are_not_registered():
    for cell in (zoo.ConvLSTMCell, zoo.FastSlowCell, zoo.MultiplicativeCell):
        assert cell.name not in zoo.cells()
