"""Untrained pipelines with small vocabularies."""

from typing import Any

from zoo.pipelines import (
    ClassifierPipeline,
    LanguageModelPipeline,
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
