"""Cells that are linear in their state, with a diagonal recurrence."""

from zoo.cells.linear.base import *
from zoo.cells.linear.complex import *
from zoo.cells.linear.trnn import *
from zoo.cells.linear.gilr import *
from zoo.cells.linear.mingru import *
from zoo.cells.linear.minlstm import *
from zoo.cells.linear.lru import *
from zoo.cells.linear.rglru import *
from zoo.cells.linear.hgrn import *
from zoo.cells.linear.s5 import *
from zoo.cells.linear.s6 import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
