"""Cells that are linear in their state, which is a matrix for each head."""

from zoo.cells.matrix.base import *
from zoo.cells.matrix.linear_attention import *
from zoo.cells.matrix.retnet import *
from zoo.cells.matrix.gla import *
from zoo.cells.matrix.mlstm import *
from zoo.cells.matrix.deltanet import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
