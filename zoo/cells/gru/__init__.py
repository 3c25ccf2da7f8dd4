"""The gated recurrent unit, its variants and other cells with one state and gates."""

from zoo.cells.gru.gru import *
from zoo.cells.gru.reset_before_gru import *
from zoo.cells.gru.layernorm_gru import *
from zoo.cells.gru.mgu import *
from zoo.cells.gru.reset_after_mgu import *
from zoo.cells.gru.ugrnn import *
from zoo.cells.gru.intersection_rnn import *
from zoo.cells.gru.ligru import *
from zoo.cells.gru.star import *
from zoo.cells.gru.sgrn import *
from zoo.cells.gru.lightru import *
from zoo.cells.gru.miru import *
from zoo.cells.gru.sgu import *
from zoo.cells.gru.mut import *
from zoo.cells.gru.fast_grnn import *
from zoo.cells.gru.brc import *

__all__ = [name for name, value in vars().items() if isinstance(value, type)]
