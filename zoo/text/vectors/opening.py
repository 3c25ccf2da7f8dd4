"""Opens a file of word vectors, whose format is detected from its content."""

import os
import re
from pathlib import Path

from zoo.text.vectors.fasttext_binary import MAGIC, FastTextBinary
from zoo.text.vectors.navec_archive import NavecArchive
from zoo.text.vectors.source import Source
from zoo.text.vectors.text_rows import TextRows, count_numbers, guess_dim, header
from zoo.text.vectors.vector_file import VectorError, VectorFile
from zoo.text.vectors.word2vec_binary import Word2VecBinary

_HEAD = 1 << 20  # bytes from which the format is detected
_MIN_BINARY_SAMPLE = 256  # bytes of binary numbers that are never text by chance
_LARGEST = 1 << 16  # D, and lines of so many numbers fit into the head
_ARCHIVES = {
    b"PK\x03\x04": "a zip",
    b"BZh": "a bzip2",
    b"\xfd7zXZ\x00": "an xz",
    b"\x28\xb5\x2f\xfd": "a zstd",
    b"\x89HDF": "an HDF5",
}
EXPECTED = (
    "expected word vectors: GloVe, word2vec, fastText (.vec or .bin) or navec, "
    "gzip-compressed or not"
)


def open_vectors(path: str | os.PathLike) -> VectorFile:
    """Open a file of word vectors, and detect its format from its content.

    ::

        file = zoo.text.vectors.open_vectors("glove.6B.100d.txt")
        for words, rows in file.blocks():
            cats = [k for k, word in enumerate(words) if word.startswith("cat")]
            print(rows(cats))       # float32 [n, 100]

    Args:
        path: GloVe text, word2vec text or binary, fastText ``.vec`` or ``.bin``, each
            gzip-compressed or not, or an archive of navec.

    Raises:
        ImportError: if it is an archive of navec, which is not installed.
        VectorError: if there is no such file, or it has no such format.
    """
    source = Source(Path(path))
    head = source.head(_HEAD)
    if not head.strip():
        raise VectorError(source.path, f"the file is empty; {EXPECTED}")
    if head.startswith(MAGIC):
        return FastTextBinary(source)
    if head[257:262] == b"ustar":
        return NavecArchive(source)
    for magic, name in _ARCHIVES.items():
        if head.startswith(magic):
            raise VectorError(source.path, f"is {name} file; {EXPECTED}: unpack it")
    lines = head.split(b"\n")
    sizes = header(lines[0])
    if sizes is None:
        # The last line of the head may be cut.
        complete = lines[:-1] if any(map(bytes.strip, lines[:-1])) else lines
        dim, place = guess_dim(complete)
        if dim < 2 or not _is_text(complete[place]):
            start = complete[place][:40]
            raise VectorError(
                source.path,
                f"line {place + 1}: {EXPECTED}, a word and its numbers in each line, "
                f"got {start!r}",
            )
        return TextRows(source, dim, None, complete)
    size, dim = sizes
    if not (size and 0 < dim <= _LARGEST):
        raise VectorError(
            source.path,
            f"line 1: expected the number of words and the size of a vector, got "
            f"{size} and {dim}",
        )
    if len(lines) < 2 or not lines[1]:
        raise VectorError(source.path, "the file ends after line 1: it is cut off")
    if _is_text(lines[1]) and count_numbers(lines[1]):
        return TextRows(source, dim, size, lines[1:-1] or lines[1:])
    if len(head) >= _MIN_BINARY_SAMPLE and _is_text(head) and _is_utf8(head):
        raise VectorError(
            source.path,
            f"line 2: {EXPECTED}, a word and {dim} numbers, got {lines[1][:40]!r}",
        )
    return Word2VecBinary(source, dim, size)


def _is_text(content: bytes) -> bool:
    """Return whether there are no control characters, which binary numbers have."""
    return not re.search(rb"[\x00-\x08\x0e-\x1f]", content)


def _is_utf8(content: bytes) -> bool:
    """Return whether the start of a file is in UTF-8; its last character may be cut."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(content) - 4
    return True
