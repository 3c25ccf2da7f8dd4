"""Dev and test splits taken from the training data, by text or by position."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from zoo.tasks.data.blocks import blocks
from zoo.tasks.data.formats.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

HELD_OUT_FRACTION = 0.1


def by_text(rows: "Dataset", count: int, seed: int) -> list["Dataset"]:
    """Hold out random splits of 10 % of the distinct texts each.

    Rows with the same text stay together, and the order of the rows is kept. The texts
    of each label are shared out in proportion (stratified). If a label or a tag would
    be missing from the remaining rows, the texts that have it are not held out. The
    text of a pair is its source.

    Args:
        rows: labelled rows, tagged rows or pairs.
        count: number of splits to hold out.
        seed: seed of the choice. Apart from it, the choice depends on the texts and
            labels only, not on their order.

    Returns:
        The remaining rows, then the held-out splits.

    Raises:
        DataError: if there are too few distinct texts.
    """
    digests = np.fromiter(_digests(rows, seed), np.uint64, len(rows))
    # Sorted digests are a random order of the texts, which depends on the seed.
    texts, rows_of = np.unique(digests, return_inverse=True)
    size = max(1, round(len(texts) * HELD_OUT_FRACTION))
    if len(texts) < count * size + 1:
        raise DataError(
            f"{len(texts)} distinct texts are too few to hold out a dev or a test "
            "split; give --dev-file and --test-file"
        )
    classes = _text_labels(rows, rows_of)
    counts = np.bincount(classes)
    by_class = np.argsort(classes, kind="stable")
    starts = np.cumsum(counts) - counts  # of the texts of each label
    held_out = np.zeros_like(counts)
    of_text = np.zeros(len(texts), np.int64)
    for k in range(count):
        # One text of each label is never held out.
        quotas = _quotas(counts, size, (counts - 1 - held_out).clip(0))
        for label in np.flatnonzero(quotas):
            first = starts[label] + held_out[label]
            of_text[by_class[first : first + quotas[label]]] = k + 1
        held_out += quotas
    if "source" not in rows.column_names:
        _keep_labels(rows, rows_of, of_text)
    split = of_text[rows_of]  # 0: the remaining rows
    splits = [rows.select(np.flatnonzero(split == k)) for k in range(count + 1)]
    if not all(map(len, splits)):
        raise DataError(
            "no label is frequent enough to hold out a dev or a test split; "
            "give --dev-file and --test-file"
        )
    return splits


def by_position(rows: "Dataset") -> tuple["Dataset", "Dataset"]:
    """Split a text into its first 90 % and its last 10 %, counted in characters.

    The line at the boundary is cut in two.

    Args:
        rows: the text, a line per row.

    Raises:
        DataError: if the text is too short.
    """
    from datasets import concatenate_datasets
    from pyarrow import compute

    lengths = [
        compute.call_function("utf8_length", [block]).to_numpy()
        for block in blocks(rows, "text")
    ]
    ends = np.cumsum(np.concatenate([[], *lengths]).astype(np.int64))
    cut = int(ends[-1] * (1 - HELD_OUT_FRACTION)) if len(ends) else 0
    if not 0 < cut < ends[-1]:
        raise DataError("the text is too short to split; give --dev-file")
    row = int(np.searchsorted(ends, cut, side="right"))
    line = rows[row]["text"]
    column = cut - int(ends[row]) + len(line)
    first, last = [rows.select(range(row))], []
    if column:
        first.append(_single_line(line[:column], rows))
        last.append(_single_line(line[column:], rows))
        row += 1
    if row < len(rows):
        last.append(rows.select(range(row, len(rows))))
    return concatenate_datasets(first), concatenate_datasets(last)


def digest(*parts: "Dataset") -> str:
    """Return a digest of which rows of one dataset its splits are.

    Args:
        *parts: what `by_text` or `by_position` returned.
    """
    from xxhash import xxh3_128

    result = xxh3_128()
    for rows in parts:
        ends = (rows[0], rows[len(rows) - 1])
        result.update(repr((len(rows), ends)).encode("utf-8", "backslashreplace"))
        if rows._indices is not None:
            for numbers in rows._indices.column(0).chunks:
                result.update(numbers.to_numpy())
    return result.hexdigest()


def labels(rows: "Dataset") -> set[str]:
    """Return the distinct labels or tags of a split.

    Args:
        rows: labelled or tagged rows.
    """
    return set(label_counts(rows))


def label_counts(rows: "Dataset") -> Counter[str]:
    """Return in how many rows each label or tag occurs.

    Args:
        rows: labelled or tagged rows.
    """
    counts: Counter[str] = Counter()
    for names, rows_of, labels_of, _ in _label_blocks(rows):
        # A row that repeats a tag has it once.
        once = np.unique(rows_of * len(names) + labels_of) % max(len(names), 1)
        for name, count in zip(names, np.bincount(once).tolist(), strict=True):
            counts[name] += count
    return counts


def _label_blocks(
    rows: "Dataset",
) -> Iterator[tuple[list[str], np.ndarray, np.ndarray, int]]:
    """Yield the labels or tags of a block of rows.

    Yields:
        Their V distinct names; for each of the N labels of the rows the number of its
        row in the block and that of its name, int64 ``[N]`` both; the number of rows.
    """
    of_one = "label" in rows.column_names
    for block in blocks(rows, "label" if of_one else "tags"):
        count = len(block)
        rows_of = np.arange(count)
        if not of_one:
            rows_of = block.value_parent_indices().to_numpy()
            block = block.flatten()
        encoded = block.dictionary_encode()
        labels_of = encoded.indices.to_numpy().astype(np.int64)
        names = encoded.dictionary.to_pylist()
        yield names, rows_of.astype(np.int64), labels_of, count


def _labels_by_row(rows: "Dataset") -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the labels or tags of all rows.

    Returns:
        Their V distinct names, sorted; and for each of the N labels of the rows the
        number of its row and that of its name, int32 ``[N]`` both.
    """
    numbers: dict[str, int] = {}
    owners, labels, first = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], 0
    for names, rows_of, labels_of, count in _label_blocks(rows):
        of_names = [numbers.setdefault(name, len(numbers)) for name in names]
        labels.append(np.array(of_names, np.int32)[labels_of])
        owners.append((first + rows_of).astype(np.int32))
        first += count
    rank = np.zeros(len(numbers), np.int32)
    rank[[numbers[name] for name in sorted(numbers)]] = np.arange(len(numbers))
    return sorted(numbers), np.concatenate(owners), rank[np.concatenate(labels)]


def _text_labels(rows: "Dataset", rows_of: np.ndarray) -> np.ndarray:
    """Return the number of the label of each text; 0 for rows that have no one label.

    Args:
        rows: rows of any kind.
        rows_of: number of the text of each row.
    """
    numbers = np.zeros(len(rows), np.int64)
    if "label" in rows.column_names:
        _, _, numbers = _labels_by_row(rows)
    # Of a text with several labels, the first in the order of their names.
    result = np.full(rows_of.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(result, rows_of, numbers)
    return result


def _quotas(counts: np.ndarray, size: int, most: np.ndarray) -> np.ndarray:
    """Return how many texts of each label a split gets: their share of all texts.

    The sum is `size` where possible. What rounding down leaves goes to the labels with
    the largest remainders.

    Args:
        counts: number of texts of each label.
        size: number of texts of a split.
        most: the largest number for each label.
    """
    shares = size * counts / max(counts.sum(), 1)
    quotas = np.minimum(shares.astype(np.int64), most)
    # The label that lacks most is first.
    lacking = [(quotas[k] - shares[k], int(k)) for k in np.flatnonzero(quotas < most)]
    heapq.heapify(lacking)
    for _ in range(size - int(quotas.sum())):
        if not lacking:
            break
        _, k = lacking[0]
        quotas[k] += 1
        if quotas[k] < most[k]:
            heapq.heapreplace(lacking, (quotas[k] - shares[k], k))
        else:
            heapq.heappop(lacking)
    return quotas


def _keep_labels(rows: "Dataset", rows_of: np.ndarray, of_text: np.ndarray) -> None:
    """Set `of_text` to 0 for texts with a label that the remaining rows would lack."""
    names, owners, labels_of = _labels_by_row(rows)
    texts = rows_of[owners]
    remains = np.zeros(len(names), bool)
    remains[labels_of[of_text[texts] == 0]] = True
    lacking = np.flatnonzero(~remains[labels_of])
    # In the order of the rows: a text that is taken back brings all labels of its row.
    for row in dict.fromkeys(owners[lacking].tolist()):
        own = labels_of[slice(*np.searchsorted(owners, (row, row + 1)))]
        if of_text[rows_of[row]] and not remains[own].all():
            of_text[rows_of[row]] = 0
            remains[own] = True


def _digests(rows: "Dataset", seed: int) -> Iterator[int]:
    """Yield a 64-bit digest of the text of each row."""
    key = str(seed).encode()
    name = next(n for n in ("text", "source", "tokens") if n in rows.column_names)
    for block in blocks(rows, name):
        values = block.to_pylist()
        texts = map("\0".join, values) if name == "tokens" else values
        for text in texts:
            digest = hashlib.blake2b(text.encode(), digest_size=8, key=key).digest()
            yield int.from_bytes(digest)


def _single_line(text: str, like: "Dataset") -> "Dataset":
    """Return a dataset of one row with the features of another dataset."""
    return type(like).from_dict({"text": [text]}, features=like.features)
