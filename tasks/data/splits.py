"""Shares of a split: by text, so that none is in two, or by position."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.data.formats.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

PORTION = 0.1


def by_text(rows: "Dataset", count: int, seed: int) -> list["Dataset"]:
    """Take random shares of 10 % of the different texts from a split.

    Rows of one text stay together, and the order of the rows is kept. A row with a
    label that would be left to no other share comes back to the rest, with its text.
    The text of a pair is its source.

    Args:
        rows: the split: labelled, tagged or pairs.
        count: how many shares to take.
        seed: of the choice, which else hangs on the texts alone, not on their order.

    Returns:
        The rest, then the shares.

    Raises:
        DataError: if there are fewer different texts than that needs.
    """
    digest = np.fromiter(_digests(rows, seed), np.uint64, len(rows))
    groups = np.unique(digest)  # the digests of a seed are a random order of the texts
    size = max(1, round(len(groups) * PORTION))
    if len(groups) < count * size + 1:
        raise DataError(
            f"{len(groups)} different texts are too few to take a dev or a test share "
            "from; give --dev-file and --test-file"
        )
    share = np.zeros(len(rows), np.int64)  # 0 is the rest
    for number in range(count):
        share[np.isin(digest, groups[number * size : (number + 1) * size])] = number + 1
    if "source" not in rows.column_names:
        _keep_labels(rows, digest, share)
    taken = [rows.select(np.flatnonzero(share == k)) for k in range(count + 1)]
    if not all(map(len, taken)):
        raise DataError("no label comes often enough for shares; give --dev-file")
    return taken


def by_position(rows: "Dataset") -> tuple["Dataset", "Dataset"]:
    """Divide a text into its first 90 % and its last 10 %, counted in characters.

    The line at the border is cut in two.

    Args:
        rows: the text, a line a row.

    Raises:
        DataError: if the text is too short.
    """
    from datasets import concatenate_datasets

    lengths = (len(t) for batch in rows.iter(1000) for t in _column(batch, "text"))
    ends = np.cumsum(np.fromiter(lengths, np.int64, len(rows)))
    cut = int(ends[-1] * (1 - PORTION)) if len(ends) else 0
    if not 0 < cut < ends[-1]:
        raise DataError("the text is too short to divide; give --dev-file")
    place = int(np.searchsorted(ends, cut, side="right"))
    line = rows[place]["text"]
    inside = cut - int(ends[place]) + len(line)
    first, last = [rows.select(range(place))], []
    if inside:
        first.append(_line(line[:inside], rows))
        last.append(_line(line[inside:], rows))
        place += 1
    if place < len(rows):
        last.append(rows.select(range(place, len(rows))))
    return concatenate_datasets(first), concatenate_datasets(last)


def labels(rows: "Dataset") -> set[str]:
    """Return the different labels or tags of a split.

    Args:
        rows: the split, labelled or tagged.
    """
    return set().union(*_labels(rows))


def _keep_labels(rows: "Dataset", digest: np.ndarray, share: np.ndarray) -> None:
    """Bring back to the rest, in place, the texts whose labels it would lack."""
    seen: set[str] = set()
    for place, found in enumerate(_labels(rows)):
        seen |= found if share[place] == 0 else set()
    for place, found in enumerate(_labels(rows)):
        if share[place] and not found <= seen:
            share[digest == digest[place]] = 0
            seen |= found


def _labels(rows: "Dataset") -> Iterator[set[str]]:
    """Yield the labels of each row."""
    for batch in rows.iter(1000):
        if "label" in rows.column_names:
            yield from ({label} for label in _column(batch, "label"))
        else:
            yield from map(set, _column(batch, "tags"))


def _digests(rows: "Dataset", seed: int) -> Iterator[int]:
    """Yield a number of 64 bits for each row's text."""
    key = str(seed).encode()
    for batch in rows.iter(1000):
        if name := next((n for n in ("text", "source") if n in batch), None):
            texts = _column(batch, name)
        else:
            texts = ["\0".join(tokens) for tokens in _column(batch, "tokens")]
        for text in texts:
            digest = hashlib.blake2b(text.encode(), digest_size=8, key=key).digest()
            yield int.from_bytes(digest)


def _column(batch: Any, name: str) -> list:
    return batch[name]


def _line(text: str, like: "Dataset") -> "Dataset":
    return type(like).from_dict({"text": [text]}, features=like.features)
