"""Models: classifier, tagger, language model, sequence to sequence; with any cell."""

from zoo.models.bridge import Bridge
from zoo.models.classifier import Classifier
from zoo.models.decoder import Decoder, DecoderState
from zoo.models.language_model import LanguageModel
from zoo.models.reader import Reader
from zoo.models.seq2seq import Seq2Seq
from zoo.models.tagger import Tagger

__all__ = [
    "Bridge",
    "Classifier",
    "Decoder",
    "DecoderState",
    "LanguageModel",
    "Reader",
    "Seq2Seq",
    "Tagger",
]
