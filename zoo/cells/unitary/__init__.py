"""Cells with an orthogonal or unitary recurrent matrix."""

from zoo.cells.unitary.exprnn import *
from zoo.cells.unitary.urnn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
