"""Train a part-of-speech tagger in plain PyTorch, as a short program would.

``python benchmarks/startup/torch_tagger.py --epochs N TRAIN DEV TEST`` reads CoNLL-U
files, each of which may be ``FILE:SPLIT`` for the sentences whose comments say
``# split = SPLIT``. The model, the batch size and the optimiser are those of ``train.py
pos``: words 100, characters by a convolution 100, two LSTM layers of 200 units in both
directions, packed batches of 32. It writes no checkpoint and no report.
"""

import argparse
import random
from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, relu
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

Sentence = tuple[list[str], list[str]]  # words and tags
Row = tuple[Tensor, Tensor, Tensor]  # ids of words, of their characters, and of tags
RATE, BATCH_SIZE, PAD, UNKNOWN = 0.5, 32, 0, 1


def read(name: str) -> list[Sentence]:
    """Return the sentences of a file.

    Args:
        name: ``FILE`` or ``FILE:SPLIT``.
    """
    path, _, split = name.partition(":")
    sentences = []
    for block in open(path, encoding="utf-8").read().split("\n\n"):
        lines = block.splitlines()
        if split and f"# split = {split}" not in lines:
            continue
        rows = [line.split("\t") for line in lines if line[:1].isdigit()]
        rows = [row for row in rows if row[0].isdigit()]
        if rows:
            sentences.append(([row[1] for row in rows], [row[3] for row in rows]))
    return sentences


def columns(rows: list[Row]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return the words, the characters and the tags of some rows."""
    words, chars, tags = map(list, zip(*rows, strict=True))
    return words, chars, tags


class Tagger(nn.Module):
    """Words, a convolution over characters, LSTM layers, a score for each tag."""

    def __init__(self, num_words: int, num_chars: int, num_tags: int) -> None:
        """Build the layers."""
        super().__init__()
        self.words = nn.Embedding(num_words, 100, padding_idx=PAD)
        self.chars = nn.Embedding(num_chars, 30, padding_idx=PAD)
        self.convolution = nn.Conv1d(30, 100, 3, padding=1)
        self.layers = nn.LSTM(200, 200, 2, bidirectional=True, dropout=RATE)
        self.output = nn.Linear(400, num_tags)

    def forward(self, words: list[Tensor], chars: list[Tensor]) -> Tensor:
        """Return the scores of the words of all sentences, ``[N, num_tags]``."""
        lengths = torch.tensor([len(ids) for ids in words])
        letters = torch.cat(chars)
        features = self.convolution(self.chars(letters).transpose(1, 2))
        features = relu(features).masked_fill((letters == PAD)[:, None], 0).amax(dim=2)
        x = torch.cat([self.words(torch.cat(words)), features], dim=1)
        x = dropout(x, RATE, self.training)
        padded = pad_sequence(list(x.split(lengths.tolist())))
        packed = pack_padded_sequence(padded, lengths, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.layers(packed)[0])
        rows = torch.cat([y[:n, b] for b, n in enumerate(lengths.tolist())])
        return self.output(dropout(rows, RATE, self.training))


def main() -> None:
    """Read the data, train, and print the accuracy on dev after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("files", nargs=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    random.seed(0)
    train, dev, test = map(read, options.files)
    words = {w: k + 2 for k, w in enumerate(sorted({w for s in train for w in s[0]}))}
    chars = {c: k + 2 for k, c in enumerate(sorted({c for w in words for c in w}))}
    tags = {t: k for k, t in enumerate(sorted({t for s in train for t in s[1]}))}
    counts = Counter(w for s in train for w in s[0])

    def encode(sentence: Sentence) -> Row:
        tokens, labels = sentence
        letters = [[chars.get(c, UNKNOWN) for c in word[:30]] for word in tokens]
        padded = torch.tensor([row + [PAD] * (30 - len(row)) for row in letters])
        ids = torch.tensor([words.get(word, UNKNOWN) for word in tokens])
        return ids, padded, torch.tensor([tags.get(label, 0) for label in labels])

    encoded = [list(map(encode, split)) for split in (train, dev, test)]
    model = Tagger(len(words) + 2, len(chars) + 2, len(tags))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
    rates = torch.zeros(len(words) + 2)
    for word, k in words.items():
        rates[k] = 0.25 / (0.25 + counts[word])
    order = sorted(range(len(train)), key=lambda k: len(train[k][0]))
    batches = [order[k : k + BATCH_SIZE] for k in range(0, len(order), BATCH_SIZE)]

    def accuracy(rows: list[Row]) -> float:
        model.eval()
        right = total = 0
        rows = sorted(rows, key=lambda row: len(row[0]))
        with torch.inference_mode():
            for k in range(0, len(rows), BATCH_SIZE):
                ids, letters, labels = columns(rows[k : k + BATCH_SIZE])
                best = model(ids, letters).argmax(dim=1)
                right += int((best == torch.cat(labels)).sum())
                total += len(best)
        return right / total

    for epoch in range(options.epochs):
        model.train()
        random.shuffle(batches)
        for batch in batches:
            ids, letters, labels = columns([encoded[0][k] for k in batch])
            ids = [i.masked_fill(torch.rand(i.shape) < rates[i], UNKNOWN) for i in ids]
            loss = cross_entropy(model(ids, letters), torch.cat(labels))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()
        print(f"epoch {epoch + 1}  dev accuracy {accuracy(encoded[1]):.4f}", flush=True)
    print(f"test accuracy {accuracy(encoded[2]):.4f}")


if __name__ == "__main__":
    main()
