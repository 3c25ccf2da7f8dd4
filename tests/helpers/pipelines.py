"""Untrained pipelines with small vocabularies."""

from typing import Any

from zoo.pipelines import (
    ClassifierPipeline,
    LanguageModelPipeline,
    ReaderPipeline,
    Seq2SeqPipeline,
    TaggerPipeline,
)
from zoo.text import Text, Vocabulary, Words

BIO = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]


def pipelines() -> list[Any]:
    """Return an untrained pipeline of each kind."""
    text = Text.build(["the cat sat", "a dog ran"])
    labels = Vocabulary(["no", "yes"])
    sizes = {"embedding_dim": 6, "hidden_size": 5}
    words = Words.build([["Anna", "ran"], ["in", "Oslo"]])
    tagger_options = {
        "vocab_size": len(words.words),
        "num_labels": 5,
        "num_chars": len(words.chars),
        "use_crf": True,
        "bio_labels": BIO,
        **sizes,
    }
    chars = Text.build(["hello\n"], "chars")
    classifier_options = {
        "vocab_size": len(text.vocabulary),
        "num_labels": 2,
        **sizes,
    }
    language_model_options = {"vocab_size": len(chars.vocabulary), **sizes}
    source = Text.build(["Anna ran to the dog", "a dog"], "bpe", max_size=30)
    target = Text.build(["D AO G", "EY"], "symbols", marks=True)
    seq2seq_options = {
        "source_vocab_size": len(source.vocabulary),
        "target_vocab_size": len(target.vocabulary),
        **sizes,
    }
    return [
        ClassifierPipeline(classifier_options, text, labels, seed=1),
        TaggerPipeline(tagger_options, words, Vocabulary(BIO), seed=1),
        LanguageModelPipeline(language_model_options, chars, seed=1),
        Seq2SeqPipeline(seq2seq_options, source, target, 7, seed=1),
    ]


def reader(**options: Any) -> ReaderPipeline:
    """Return an untrained pipeline over symbols, with a class for each step."""
    sizes = {"input_size": 3, "output_size": 4, "each": True, "hidden_size": 5}
    return ReaderPipeline(sizes | options, symbols=3, seed=1)


def answers(pipeline: Any) -> Any:
    """Return the predictions of a pipeline for a few inputs, or a generated text."""
    if pipeline.kind == "language_model":
        return "".join(pipeline.generate("he", 12, top_p=0.9, seed=3))
    texts = ["Anna ran to the dog", "", "a"]
    inputs = [[0, 1, 2], [2]] if pipeline.kind == "reader" else texts
    return pipeline.predict(inputs, batch_size=2)
