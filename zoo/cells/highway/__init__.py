"""Cells with several highway layers in each step."""

from zoo.cells.highway.rhn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
