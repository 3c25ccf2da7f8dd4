"""Files that are hard to read: encodings, compression, numbers, nesting, length."""

import codecs
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.data_files import parse
from zoo.tasks.data import DataError, FormatError, Kind, Source, read
from zoo.tasks.data.formats import lines


@pytest.mark.parametrize(
    "encoding",
    [
        "hex",
        "rot13",
        "zip",
        "utf-7",
        "unicode_escape",
        "punycode",
        "none",
        "a\0b",
        "\ud800",
    ],
)
def test_what_is_no_encoding_of_text_is_refused(
    write: Callable[..., Path], encoding: str
) -> None:
    path = write("a.txt", "one\n")
    with pytest.raises(DataError, match="--encoding .*: no such encoding of text"):
        parse(path, "text", encoding=encoding)


def test_byte_order_marks(write: Callable[..., Path]) -> None:
    text = "ä\nb\n"
    rows = [{"text": "ä\n"}, {"text": "b\n"}]
    for codec in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        base = codec[:6]
        path = write("marked.txt", f"\ufeff{text}", codec)
        assert parse(path, "text", encoding=base) == rows
        assert parse(path, "text", encoding=codec) == rows
        path = write("a.txt", text, codec)
        assert parse(path, "text", encoding=codec) == rows
        message = f"a.txt: expected a byte order mark .*{base}-le or {base}-be"
        with pytest.raises(FormatError, match=message):
            parse(path, "text", encoding=base)
    for codec in ("utf-8", "utf-8-sig"):
        assert parse(write("a.txt", f"\ufeff{text}"), "text", encoding=codec) == rows
        assert parse(write("a.txt", text), "text", encoding=codec) == rows
        with pytest.raises(FormatError, match=r"a\.txt:1: expected text in utf-8"):
            path.write_bytes(codecs.BOM_UTF8[:2])  # not an empty file
            parse(path, "text", encoding=codec)
    assert parse(write("a.txt", ""), "text", encoding="utf-16") == []


@pytest.mark.parametrize(
    ("data", "encoding", "line"),
    [
        (b"a\nb\n\xff", "utf-8", 3),
        (b"a\rb\r\xff", "utf-8", 3),
        (b"a\rb\n\xff", "utf-8", 2),
        (b"a\n" * 90_000 + b"\xe4\xb8", "utf-8", 90_001),
        ("a\nb\n".encode("utf-16-le") + b"\x00\xd8\x00", "utf-16-le", 3),
        (b"a\n\x81", "cp1252", 2),
        (b"a\nb\x80\x20\n", "gb18030", 2),
    ],
    ids=["lf", "cr", "both", "far", "utf-16", "cp1252", "gb18030"],
)
def test_the_line_that_cannot_be_decoded(
    tmp_path: Path, data: bytes, encoding: str, line: int
) -> None:
    for path in (tmp_path / "a.txt", tmp_path / "a.txt.gz"):
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        with pytest.raises(FormatError, match=f"expected text in {encoding}") as error:
            parse(path, "text", encoding=encoding)
        assert error.value.line == line


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        ("a b\t1\nc d\t0\re f\t1\n", "labelled", "2: expected one kind of line end"),
        ("A AH0\rB B IY1\nC S IY1\n", "pairs", "1: expected one kind of line end"),
        ("a\tb\nc\td\re\tf\n", "pairs", "2: expected one kind of line end"),
        ("a O\nb O\rc O\n", "tagged", "2: expected one kind of line end"),
        (
            "text,label\na b,c\nd e,f\rg h,i\n",
            "labelled",
            "3: expected one kind of line end",
        ),
        ("a b\nc\0d\n", "text", "2: expected text without null characters, .*utf-16"),
        ("text,label\na b,c\n\0,d\n", "labelled", "3: .* null characters"),
        ("text,label\na b,c\ntext,label\n", "labelled", "3: .* repeats the header"),
    ],
)
def test_what_would_be_read_wrong_is_an_error(
    write: Callable[..., Path], content: str, kind: Any, expected: str
) -> None:
    with pytest.raises(FormatError, match=f":{expected}"):
        parse(write("a", content), kind)


def test_byte_order_marks_of_appended_files(write: Callable[..., Path]) -> None:
    cases: list[tuple[str, Any, list[str]]] = [
        ("a b\t1\n\ufeffc d\t0\n", "labelled", ["a b", "c d"]),
        ("label,text\n0,a b\n\ufeff\ufeff1,c d\n", "labelled", ["a b", "c d"]),
    ]
    for content, kind, rows in cases:
        parsed = parse(write("a", content), kind)
        assert [row["text"] for row in parsed] == rows
        assert {row["label"] for row in parsed} == {"0", "1"}
    words = parse(write("a", "\ufeff\ufeffa O\nb O\n\n\ufeffc O\n"), "tagged")
    assert [row["tokens"] for row in words] == [["a", "b"], ["c"]]


def test_damaged_and_endless_gzip_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt.gz"
    packed = gzip.compress("".join(map(chr, range(32, 5000))).encode())
    for data in (packed[:-9], packed[:5], packed + b"more", packed[:40] + packed[41:]):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"a\.txt\.gz: expected a complete gzip"):
            parse(path, "text")
    monkeypatch.setattr(lines, "MAX_LINE", 1 << 16)
    path.write_bytes(gzip.compress(b"a\n" * (1 << 20)))
    with pytest.raises(FormatError, match="it expands to more than .* bytes"):
        parse(path, "text")


def test_a_line_without_end(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    assert len(parse(write("a.txt", "a" * 1000), "text")) == 1
    with pytest.raises(FormatError, match=r"a\.txt:2: expected lines of at most 1,000"):
        parse(write("a.txt", f"a\n{'a' * 1001}"), "text")


def test_numbers_that_python_does_not_convert(write: Callable[..., Path]) -> None:
    many = "9" * 5000
    word = "{}\tw\t_\tX\t_\t_\t0\troot\t_\tNER=B-PER\n"
    path = write("a.conllu", word.format(1) + word.format(many))
    with pytest.raises(FormatError, match=r"a\.conllu:2: expected the word 2"):
        parse(path, "tagged")
    path = write("b.conllu", word.format(1))
    with pytest.raises(FormatError, match="as --token-column, got '²'"):
        parse(path, "tagged", token="²")
    with pytest.raises(FormatError, match="as the key ² of MISC"):
        parse(path, "entities", tag="²")
    sentence = "0 a X\n1 b Y\n\n"
    path = write("a.conll", f"{sentence * 20}0 c X\n{many} d Y\n² e X\n")
    assert parse(path, "tagged")[20]["tokens"] == ["c", "d", "e"]
    with pytest.raises(FormatError, match="expected a number from 0 to 2"):
        parse(path, "tagged", token=many)
    path = write("a.csv", "text,label\na b,c\n")
    for column in ("²", many):
        with pytest.raises(DataError, match="a.csv: no column"):
            parse(path, "labelled", label=column)
    for text in (f'{{"text": {many}}}\n', f'[{{"text": {many}}}]'):
        with pytest.raises(FormatError, match=r"a\.json:1: .*too many digits"):
            parse(write("a.json", text), "labelled")


def test_json_that_is_nested_too_deeply(write: Callable[..., Path]) -> None:
    for depth in (900, 100_000):
        nested = f'{{"text": "a", "label": "b", "x": {"[" * depth}{"]" * depth}}}'
        for text in (nested, f"[\n{nested}]", nested.replace('"b"', "null")):
            try:
                rows = parse(write("a.json", text), "labelled")
            except FormatError as error:
                assert re.search(r"a\.json:[12]: expected", str(error))
            else:
                assert depth == 900 and rows == [{"text": "a", "label": "b"}]


def test_lone_surrogates_in_json_are_errors(write: Callable[..., Path]) -> None:
    good = '{"text": "\\ud83d\\udca1", "label": "a"}'
    for bad in ('{"text": "\\ud83d", "label": "a"}', '{"text": "b", "\\udca1": "a"}'):
        path = write("a.jsonl", f"{good}\n{bad}\n")
        with pytest.raises(FormatError, match=r"a\.jsonl:2: .*a lone surrogate"):
            parse(path, "labelled")
        path = write("a.json", f"[{good},\n{bad}]")
        with pytest.raises(FormatError, match=r"a\.json:2: .*a lone surrogate"):
            parse(path, "labelled")
        rows = parse(path, "labelled", skip_bad_rows=True)
        assert rows == [{"text": "\U0001f4a1", "label": "a"}]


def test_endings_of_parallel_files_that_no_file_can_have(
    write: Callable[..., Path], cache: Path
) -> None:
    path = write("a.de", "eins\n")
    for target in ("a/b", "a\0b", "", "x" * 5000):
        source = Source(str(path), source_column="de", target_column=target)
        with pytest.raises(DataError, match="is not in the same folder"):
            read(source, "pairs", "train", cache_dir=cache)


ROW = "1\ta" + 7 * "\t_"
TWO_CELLS = "a O\n\n"
SPANS = [[3 * k, 3 * k + 2, "X"] for k in range(20_000)]
LONG: dict[str, tuple[str, Kind, int]] = {
    "metadata.conllu": (f"#{' ' * 50_000}\n{ROW}\tNER=O\n", "entities", 1),
    "misc.conllu": (f"{ROW}\tNER=O{' ' * 50_000}|\n", "entities", 1),
    "a.csv": (f"text,label{',a' * 50_000}\nb c,d{',e' * 50_000}\n", "labelled", 1),
    "a.conll": (f"{'a ' * 20_000}O\n\n{TWO_CELLS * 999}", "entities", 1),
    "a.json": (f"[{'{},' * 100_000} ]".replace("{}", '{"text": "a"}'), "text", 100_000),
    "a.jsonl": (json.dumps({"text": "ab " * 20_000, "label": SPANS}), "entities", 1),
}


@pytest.mark.parametrize("name", LONG)
def test_no_position_is_searched_again(write: Callable[..., Path], name: str) -> None:
    """Read what takes hours with a search, or a backtracking pattern, per position."""
    text, kind, num_rows = LONG[name]
    assert len(parse(write(name, text), kind, skip_bad_rows=True)) == num_rows
