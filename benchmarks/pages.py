"""Parts of the pages in ``docs/generated``."""

from collections.abc import Iterable, Sequence

from benchmarks.paths import TEMPLATES


def read_template(name: str) -> str:
    """Return the text of a template, without the last newline.

    Args:
        name: of the file in ``benchmarks/templates``.
    """
    return (TEMPLATES / name).read_text(encoding="utf-8").removesuffix("\n")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Args:
        header: names of the columns.
        rows: the same number of texts each.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
