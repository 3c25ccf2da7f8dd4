"""A trained model as a folder: ``zoo.save(path, pipeline)`` and ``zoo.load(path)``.

``weights.safetensors`` holds the arrays, ``config.json`` the kind of model, its options
and vocabularies, ``README.md`` the model card. The folder contains no code, and loading
executes none.
"""

from zoo.artifact.config import CONFIG, FORMAT_VERSION
from zoo.artifact.error import ArtifactError
from zoo.artifact.model import CARD, Description, about, describe, load, save
from zoo.artifact.weights import WEIGHTS

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT_VERSION",
    "WEIGHTS",
    "ArtifactError",
    "Description",
    "about",
    "describe",
    "load",
    "save",
]
