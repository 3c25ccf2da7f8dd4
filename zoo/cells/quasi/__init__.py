"""Quasi-recurrent cells: all of their large products are with the input."""

from zoo.cells.quasi.sru import *
from zoo.cells.quasi.qrnn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
