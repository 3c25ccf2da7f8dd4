"""Strongly typed cells: no product with the state, gates that read two inputs."""

from zoo.cells.typed.tgru import *
from zoo.cells.typed.tlstm import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
