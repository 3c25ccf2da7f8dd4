"""Cells that are time steps of differential equations, such as those of oscillators."""

from zoo.cells.oscillator.base import *
from zoo.cells.oscillator.cornn import *
from zoo.cells.oscillator.unicornn import *
from zoo.cells.oscillator.lem import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
