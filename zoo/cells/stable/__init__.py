"""Cells whose recurrent matrices are constrained to keep the dynamics stable."""

from zoo.cells.stable.antisymmetric_rnn import *
from zoo.cells.stable.lipschitz_rnn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
