"""One step of each recurrence, by family; see `zoo.cells.base` for the contract.

The order of the lines here and in each family is the order of ``zoo.cells()``.
"""

from zoo.cells.base import *
from zoo.cells.skip import *
from zoo.cells.elman import *
from zoo.cells.lstm import *
from zoo.cells.gru import *
from zoo.cells.additive import *
from zoo.cells.stable import *
from zoo.cells.oscillator import *
from zoo.cells.linear import *
from zoo.cells.typed import *
from zoo.cells.quasi import *
from zoo.cells.clock import *
from zoo.cells.highway import *
from zoo.cells.unitary import *
from zoo.cells.matrix import *
from zoo.cells.composite import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
