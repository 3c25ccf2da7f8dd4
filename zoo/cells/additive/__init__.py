"""Cells whose new state is a gated sum, with no matrix product inside the sum."""

from zoo.cells.additive.ran import *
from zoo.cells.additive.atr import *
from zoo.cells.additive.minimal_rnn import *
from zoo.cells.additive.cfn import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
