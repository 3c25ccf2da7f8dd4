"""Heads: from tokens to labels, tags and text, on any recurrent stack of the zoo."""

from zoo.models.classifier import Classifier
from zoo.models.language_model import LanguageModel
from zoo.models.tagger import Tagger

__all__ = ["Classifier", "LanguageModel", "Tagger"]
