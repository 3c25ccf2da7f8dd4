"""CoNLL columns: a word a line with its tags, a blank line after each sentence.

Columns are separated by tabs, or else by spaces. Lines ``-DOCSTART-`` stand between
documents and are no words.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.formats.base import FormatError, Options, lines, pick


def read(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the sentences of a file.

    Args:
        path: the file.
        options: `token_column` is by default the first, `tag_column` the last.

    Raises:
        FormatError: naming file and line.
    """
    of_token, of_tag = options.token_column or "0", options.tag_column or "-1"
    tokens: list[str] = []
    tags: list[str] = []
    width = None
    begin = 1
    for number, line in lines(path, options.encoding):
        # A token may itself be an unusual space: only these separate sentences.
        if not line.strip(" \t") or line.startswith("-DOCSTART-"):
            if tokens:
                yield {"tokens": tokens, "tags": tags, "line": begin}
            tokens, tags = [], []
            continue
        begin = begin if tokens else number
        parts = line.split("\t") if "\t" in line else line.strip(" ").split(" ")
        width = width or len(parts)
        if len(parts) != width or width < 2:
            raise FormatError(
                path,
                number,
                f"expected {max(width, 2)} columns between tabs or spaces, a word and "
                f"its tag among them, got {len(parts)}: {line[:60]!r}",
            )
        tokens.append(pick(parts, of_token, path, number))
        tags.append(pick(parts, of_tag, path, number))
        if not tokens[-1] or not tags[-1]:
            raise FormatError(
                path, number, f"expected a word and a tag, got {line[:60]!r}"
            )
    if tokens:
        yield {"tokens": tokens, "tags": tags, "line": begin}
