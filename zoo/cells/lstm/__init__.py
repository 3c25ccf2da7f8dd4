"""The long short-term memory and its variants."""

from zoo.cells.lstm.lstm import *
from zoo.cells.lstm.projected_lstm import *
from zoo.cells.lstm.peephole_lstm import *
from zoo.cells.lstm.coupled_lstm import *
from zoo.cells.lstm.layernorm_lstm import *
from zoo.cells.lstm.janet import *
from zoo.cells.lstm.nas import *
from zoo.cells.lstm.multiplicative_lstm import *
from zoo.cells.lstm.mogrifier_lstm import *
from zoo.cells.lstm.augmented_lstm import *
from zoo.cells.lstm.residual_lstm import *
from zoo.cells.lstm.highway_lstm import *
from zoo.cells.lstm.phased_lstm import *
from zoo.cells.lstm.on_lstm import *
from zoo.cells.lstm.mclstm import *
from zoo.cells.lstm.wmclstm import *
from zoo.cells.lstm.slstm import *
from zoo.cells.lstm.conv_lstm import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
