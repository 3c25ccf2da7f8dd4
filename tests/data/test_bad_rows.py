"""Rows that break the format: errors, or left out and listed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import labelled_lines, parse
from zoo.tasks.data import FormatError, Kind, Source, formats, load

CASES: dict[str, tuple[str, Kind, list[int]]] = {
    "a.csv": (
        "message,label\ntea 1,a\n,b\n\ntea 2,a\ntea 3\ntea 4,b\n",
        "labelled",
        [3, 4, 6],
    ),
    "a.tsv": ("text\tlabel\ntea 1\ta\n\ntea 2\t\ntea 3\tb\n", "labelled", [3, 4]),
    "a.jsonl": ('{"text": "a", "label": 1}\n{"text": "b"}\n{\n', "labelled", [2, 3]),
    "a.txt": ("1 a\n2\n\n1 b\n", "labelled", [2, 3]),
    "b.tsv": ("warm\tlau\ncold\t\nred\trot\n", "pairs", [2]),
    "a.dict": ("tea T IY\nred\nsea S IY\n", "pairs", [2]),
    "a.conll": ("Lio B-PER\nhums\n\nVant PER\n\nhums O\n", "entities", [2, 4]),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_rows_are_left_out_and_listed(
    write: Callable[..., Path], name: str
) -> None:
    text, kind, bad = CASES[name]
    path = write(name, text)
    format = "labelled" if name == "a.txt" else None
    with pytest.raises(FormatError) as error:
        parse(path, kind, format=format)
    assert error.value.line == bad[0]
    reading = formats.plan(path, kind, format=format, skip_bad_rows=True)
    assert list(formats.rows(reading))
    (remark,) = reading.remarks
    lines = ", ".join(map(str, bad))
    assert remark.startswith(
        f"bad rows left out of {name}: {len(bad)}, in lines {lines} "
    )


def test_an_empty_cell_is_named(write: Callable[..., Path]) -> None:
    path = write("a.csv", CASES["a.csv"][0])
    with pytest.raises(FormatError, match="a.csv:3: .*: message is empty; --skip-bad"):
        parse(path, "labelled")
    rows = parse(path, "labelled", skip_bad_rows=True)
    assert rows == [{"text": f"tea {k}", "label": "ab"[k == 4]} for k in (1, 2, 4)]


def test_the_flag_and_the_cache(write: Callable[..., Path], cache: Path) -> None:
    path = write("a.tsv", labelled_lines(10) + "no label\n" + labelled_lines(10, 10))
    with pytest.raises(FormatError, match="a.tsv:11"):
        load(Source(str(path)), "labelled", cache_dir=cache)
    for _ in range(2):
        source = Source(str(path), skip_bad_rows=True)
        splits = load(source, "labelled", cache_dir=cache)
        assert sum(map(len, splits[:3])) == 20
        assert any("bad rows left out of a.tsv: 1" in note for note in splits.notes)
