"""Pretrained word vectors: files of GloVe, word2vec, fastText and navec."""

from zoo.text.vectors.look_up import LookUp, look_up
from zoo.text.vectors.opening import open_vectors
from zoo.text.vectors.reading import Vectors, read
from zoo.text.vectors.vector_file import Block, VectorError, VectorFile

__all__ = [
    "Block",
    "LookUp",
    "VectorError",
    "VectorFile",
    "Vectors",
    "look_up",
    "open_vectors",
    "read",
]
