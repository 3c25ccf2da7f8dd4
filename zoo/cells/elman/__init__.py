"""Simple recurrent networks: one recurrent product and no gates."""

from zoo.cells.elman.rnn import *
from zoo.cells.elman.indrnn import *
from zoo.cells.elman.scrn import *
from zoo.cells.elman.fast_rnn import *
from zoo.cells.elman.lmu import *
from zoo.cells.elman.esn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
