"""From text to IDs and back: tokenizer, vocabularies, encoders, padding."""

from zoo.text import vectors
from zoo.text.encoders import Text, Words
from zoo.text.padding import pad
from zoo.text.sentence_chars import SentenceChars
from zoo.text.subwords import Subwords
from zoo.text.tokenizer import CURRENT_TOKENIZERS, NUM_SHAPES, shape, tokenize
from zoo.text.vocabulary import BEGIN, END, PAD, UNK, Vocabulary

__all__ = [
    "BEGIN",
    "CURRENT_TOKENIZERS",
    "END",
    "NUM_SHAPES",
    "PAD",
    "UNK",
    "SentenceChars",
    "Subwords",
    "Text",
    "Vocabulary",
    "Words",
    "pad",
    "shape",
    "tokenize",
    "vectors",
]
