"""Trained models for use: text in; labels, tags or text out."""

from zoo.pipelines.base import Pipeline
from zoo.pipelines.classifier import Classification, ClassifierPipeline
from zoo.pipelines.language_model import LanguageModelPipeline
from zoo.pipelines.reader import ReaderPipeline, Reading
from zoo.pipelines.seq2seq import Output, Seq2SeqPipeline, Writing
from zoo.pipelines.tagger import Entity, TaggerPipeline, Tagging, entities

PIPELINES: dict[str, type[Pipeline]] = {
    kind.kind: kind
    for kind in (
        ClassifierPipeline,
        TaggerPipeline,
        LanguageModelPipeline,
        Seq2SeqPipeline,
        ReaderPipeline,
    )
}

__all__ = [
    "PIPELINES",
    "Classification",
    "ClassifierPipeline",
    "Entity",
    "LanguageModelPipeline",
    "Output",
    "Pipeline",
    "ReaderPipeline",
    "Reading",
    "Seq2SeqPipeline",
    "Tagging",
    "TaggerPipeline",
    "Writing",
    "entities",
]
