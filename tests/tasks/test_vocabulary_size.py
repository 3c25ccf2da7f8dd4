"""``--vocab-size`` of the tasks that have a vocabulary of words."""

from pathlib import Path
from typing import Any

import pytest

from zoo.tasks import charlm, classification, pos, seq2seq
from zoo.text import UNK

TINY: dict[str, Any] = {"hidden_size": 2, "embedding_dim": 2}
WORDS = "a a a a b b b c c d".split()  # ten tokens of four words


def write(folder: Path, name: str, text: str) -> tuple[str]:
    """Write a file, and return its path."""
    (folder / name).write_text(text)
    return (str(folder / name),)


def splits(files: tuple[str]) -> dict[str, Any]:
    """Return the flags of a file that is train, dev and test."""
    return {f"{split}_file": files for split in ("train", "dev", "test")}


def note(units: str) -> str:
    """Return the note about the two words that a limit of two leaves out."""
    return (
        f"the vocabulary has 2 of the 4 {units} of train (--vocab-size 2); the 2 least "
        "frequent, 30 % of its tokens, are unknown"
    )


def test_classification(tmp_path: Path) -> None:
    rows = [f"{word},{'yes' if k % 2 else 'no'}\n" for k, word in enumerate(WORDS)]
    files = splits(write(tmp_path, "a.csv", "text,label\n" + "".join(rows)))
    kind, config = classification.Classification, classification.Config
    task = kind(config(**files, **TINY, vocab_size=2))
    vocabulary = task.pipeline.text.vocabulary
    assert vocabulary.tokens == ["<pad>", UNK, "a", "b"]
    assert vocabulary.counts == [0, 3, 4, 3]
    assert note("words") in task.notes
    words = [b["words"][b["mask"]].tolist() for b in task.batches("test", None)]
    assert words == [[2, 2, 2, 2, 3, 3, 3, 1, 1, 1]]
    unlimited = kind(config(**files, **TINY))
    assert len(unlimited.pipeline.text.vocabulary) == 6
    assert not [n for n in unlimited.notes if "--vocab-size" in n]
    chars = kind(config(**files, **TINY, vocab_size=2, units="chars"))
    assert len(chars.pipeline.text.vocabulary) == 6


def test_tagging(tmp_path: Path) -> None:
    rows = "".join(f"{word} X\n" for word in WORDS)
    files = splits(write(tmp_path, "a.conll", rows))
    flags: dict[str, Any] = {**TINY, "char_size": 2, "vocab_size": 2}
    task = pos.PartOfSpeech(pos.Config(**files, **flags))
    words = task.pipeline.words
    assert words.words.tokens == ["<pad>", UNK, "a", "b"]
    assert len(words.chars) == 6
    assert note("words") in task.notes


@pytest.mark.parametrize("units", ["words", "symbols"])
def test_charlm(tmp_path: Path, units: Any) -> None:
    files = splits(write(tmp_path, "a.txt", " ".join(WORDS)))
    config = charlm.Config(**files, **TINY, vocab_size=2, units=units)
    task = charlm.CharacterModel(config)
    assert task.pipeline.text.vocabulary.tokens == ["<pad>", UNK, "a", "b"]
    assert note(units) in task.notes


def test_seq2seq(tmp_path: Path) -> None:
    files = splits(write(tmp_path, "a.tsv", "x y\t" + " ".join(WORDS) + "\n"))
    tokens: dict[str, Any] = {
        "source_tokens": "symbols",
        "target_tokens": "symbols",
        "vocab_size": 2,
    }
    task = seq2seq.SequenceToSequence(seq2seq.Config(**files, **TINY, **tokens))
    target = task.pipeline.target.vocabulary
    assert target.tokens == ["<pad>", UNK, "<s>", "</s>", "a", "b"]
    assert note("target symbols") in task.notes
