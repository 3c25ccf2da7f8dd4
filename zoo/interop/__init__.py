"""Conversion of weights from and to PyTorch, Flax, Keras and Haiku.

`zoo.interop.published` loads the weights of published models.
"""

from zoo.interop import published
from zoo.interop.flax import from_flax, to_flax
from zoo.interop.haiku import from_haiku, to_haiku
from zoo.interop.keras import from_keras, to_keras
from zoo.interop.torch import from_torch, to_torch

__all__ = [
    "from_flax",
    "from_haiku",
    "from_keras",
    "from_torch",
    "published",
    "to_flax",
    "to_haiku",
    "to_keras",
    "to_torch",
]
