"""Forms of CSV: headers, delimiters, line ends, and tables of tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import parse, parse_labelled
from zoo.tasks.data import formats
from zoo.tasks.data.formats import DataError, FormatError, headers

ROWS = [(f"the {k} tea", ("warm", "cold")[k % 2]) for k in range(12)]


def table(header: str, row: str) -> str:
    """Return a table of `ROWS`; `row` has the fields k, text and label."""
    lines = [row.format(k=k, text=t, label=label) for k, (t, label) in enumerate(ROWS)]
    return "\n".join([header, *lines] if header else lines) + "\n"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (",text,label", "{k},{text},{label}"),
        (",text,what it is", "{k},{text},{label}"),
        ("text,label,", "{text},{label},"),
        (
            'text,label,"a long question that was put to every reader"',
            "{text},{label},no",
        ),
        ("text,label,label", "{text},{label},x"),
        ("id,text,label", "{k},{text},{label}"),
        ("#1,what was written,#2", "7{k}9,{text},{label}"),
    ],
)
def test_headers(write: Callable[..., Path], header: str, row: str) -> None:
    assert parse_labelled(write("a.csv", table(header, row))) == ROWS


def test_a_repeated_name_is_reported(write: Callable[..., Path]) -> None:
    path = write("a.csv", table("text,label,label", "{text},{label},x{k}"))
    assert parse_labelled(path, label="label.1")[3] == ("the 3 tea", "x3")
    description = formats.describe(formats.plan(path, "labelled"))
    assert "the header repeats 'label': the second is label.1" in description


def test_first_rows_that_are_no_header() -> None:
    rows = [[text, label] for text, label in ROWS]
    assert not headers.has_header([["", "warm"], *rows])
    assert not headers.has_header([["x" * 50, "label of"], *rows])


@pytest.mark.parametrize(
    ("delimiter", "name"), [(";", ";"), ("\t", "tabs"), ("|", "|"), (",", "")]
)
@pytest.mark.parametrize("header", ["text{}label", ""])
def test_delimiters(
    write: Callable[..., Path], delimiter: str, name: str, header: str
) -> None:
    row = f"{{text}}{delimiter}{{label}}"
    path = write("a.csv", table(header.format(delimiter), row))
    assert parse_labelled(path) == ROWS
    description = formats.describe(formats.plan(path, "labelled"))
    assert description.endswith("divided by " + name) or header == "" or not name
    declared = write("b.csv", f"sep={delimiter}\n{path.read_text()}")
    assert parse_labelled(declared) == ROWS
    with pytest.raises(
        FormatError, match=f"b.csv:{13 + bool(header)}: expected 2 cells"
    ):
        parse_labelled(write("b.csv", declared.read_text().rstrip() + delimiter))


def test_prose_does_not_divide_cells(write: Callable[..., Path]) -> None:
    path = write("a.csv", table("", "Well, {text};{label}"))
    assert parse_labelled(path)[1] == ("Well, the 1 tea", "cold")
    path = write("b.csv", table("", "{text},{k};{label}"))
    assert parse_labelled(path)[1] == ("the 1 tea,1", "cold")
    path = write("c.csv", table("", "x{k},{k}a;b{k}"))
    with pytest.raises(DataError, match="divided by ',' or by ';'; .* such as sep=,"):
        parse_labelled(path)


def test_cr_ends_the_rows(write: Callable[..., Path]) -> None:
    path = write("a.csv", table("text,label", "{text},{label}").replace("\n", "\r"))
    assert parse_labelled(path) == ROWS


def test_a_table_of_tokens(write: Callable[..., Path]) -> None:
    body = 'Sentence: 1,Lio,NNP,B-per\n,hums,VBZ,O\n,",",",",O\n'
    body += "Sentence: 2,Vant,NNP,B-geo\n"
    path = write("a.csv", "Sentence #,Word,POS,Tag\n" + body)
    assert parse(path, "entities") == [
        {"tokens": ["Lio", "hums", ","], "tags": ["B-per", "O", "O"]},
        {"tokens": ["Vant"], "tags": ["B-geo"]},
    ]
    assert parse(path, "tagged")[0]["tags"] == ["NNP", "VBZ", ","]
    description = formats.describe(formats.plan(path, "entities"))
    expected = "format csv, token = Word, tag = Tag, sentences by Sentence #"
    assert description == expected
    blank = write("b.csv", "word;tag\nLio;N\n\nhums;V\n")
    assert [row["tokens"] for row in parse(blank, "tagged")] == [["Lio"], ["hums"]]
    empty = write("c.csv", "Sentence #,Word,POS,Tag\n" + body.replace("Lio", ""))
    with pytest.raises(FormatError, match="c.csv:2: .*: Word is empty"):
        parse(empty, "entities")
