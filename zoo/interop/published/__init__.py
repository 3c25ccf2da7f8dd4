"""Published weights of other projects, read from a file without running code in it."""

from zoo.interop.published.awd_lstm import awd_lstm
from zoo.interop.published.char_rnn import char_rnn
from zoo.interop.published.flair import flair
from zoo.interop.published.keras_file import keras_layer
from zoo.interop.published.opennmt import opennmt
from zoo.interop.published.weights import read_checkpoint

__all__ = [
    "awd_lstm",
    "char_rnn",
    "flair",
    "keras_layer",
    "opennmt",
    "read_checkpoint",
]
