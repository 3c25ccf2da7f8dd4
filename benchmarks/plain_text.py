"""Write the plain text on which character language models are trained.

``python -m benchmarks.plain_text FILE`` writes the sentences of the training parts of
four corpora in ``$ZOO_DATA``: the Penn Treebank, AG News, English Web Treebank and
CoNLL-2003. A line is a sentence, its tokens are separated by spaces. No text of dev or
test is among them.
"""

import argparse
import csv
import os
import random
from collections.abc import Iterator
from pathlib import Path

from zoo.text import tokenize

BLOCK = 50  # sentences that stay together when the corpora are mixed


def sentences(data: Path) -> list[str]:
    """Return the sentences of all corpora, one corpus after another.

    Args:
        data: the folder of the corpora.
    """
    treebank = (data / "charlm/ptb/ptb.train.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in treebank.splitlines()]
    path = data / "classification/ag_news/train_5k.csv"
    with open(path, encoding="utf-8", newline="") as file:
        lines += [tokenize(text) for text, _ in csv.reader(file)]
    lines += columns(data / "pos/en_ewt/en_ewt-ud-train.conllu", "\t", 1)
    lines += columns(data / "ner/conll2003/eng.train", " ", 0)
    return [" ".join(words) for words in lines]


def columns(path: Path, separator: str, column: int) -> Iterator[list[str]]:
    """Yield the words of each sentence of a file with a line for each word.

    Args:
        path: of the file.
        separator: of the columns.
        column: of the words. In front of another than the first is the number of the
            word; comments, and lines that are no words of the text, have no number.
    """
    words: list[str] = []
    for line in [*path.read_text(encoding="utf-8").split("\n"), ""]:
        fields = line.split(separator)
        if not line.strip():
            if words:
                yield words
            words = []
        elif line.startswith("-DOCSTART-") or (column and not fields[0].isdigit()):
            continue
        else:
            words.append(fields[column])


def main() -> None:
    """Write the file that the command names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file", type=Path, help="the file to write")
    path = parser.parse_args().file
    lines = sentences(Path(os.environ["ZOO_DATA"]))
    # Mixed, so that each of the parallel streams of training has all kinds of text.
    blocks = [lines[i : i + BLOCK] for i in range(0, len(lines), BLOCK)]
    random.Random(0).shuffle(blocks)
    text = "".join(f"{line}\n" for block in blocks for line in block)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
