"""Cells whose blocks of units are updated with different periods."""

from zoo.cells.clock.clockwork_rnn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
