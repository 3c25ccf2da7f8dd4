"""Cells made of other cells."""

from zoo.cells.composite.fast_slow import *
from zoo.cells.composite.multiplicative import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
