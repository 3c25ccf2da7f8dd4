"""From text to IDs and back: tokenizer, vocabularies, encoders, padding; numpy only."""

from zoo.text.encoders import Text, Words
from zoo.text.padding import pad
from zoo.text.subwords import Subwords
from zoo.text.tokenizer import NUM_SHAPES, shape, tokenize
from zoo.text.vocabulary import BEGIN, END, PAD, UNK, Vocabulary

__all__ = [
    "BEGIN",
    "END",
    "NUM_SHAPES",
    "PAD",
    "UNK",
    "Subwords",
    "Text",
    "Vocabulary",
    "Words",
    "pad",
    "shape",
    "tokenize",
]
