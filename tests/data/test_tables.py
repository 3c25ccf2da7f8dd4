"""CSV and TSV of texts and labels, with and without a header."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import parse, parse_labelled
from zoo.tasks.data.formats import DataError, FormatError

TEXTS = ["good film", "bad film", "so so", "a fine one"]


@pytest.mark.parametrize(
    "header", ["text,label\n", "Sentence,my class\n", "what it says,how it feels\n", ""]
)
def test_csv_with_and_without_header(write: Callable[..., Path], header: str) -> None:
    body = "".join(f'"{text}",{k % 2}\n' for k, text in enumerate(TEXTS))
    expected = [(text, str(k % 2)) for k, text in enumerate(TEXTS)]
    path = write("a.csv", header + body)
    assert parse_labelled(path) == expected
    label = header.strip().split(",")[-1] if header else "1"
    assert parse_labelled(path, label=label) == expected
    assert parse_labelled(path, label="1", text="0") == expected


def test_csv_joins_the_columns_of_the_text(write: Callable[..., Path]) -> None:
    text = 'class,title,description,id\n3,T N,"He said ""no"", twice\nor so",9\n'
    path = write("a.csv", text)
    assert parse_labelled(path) == [('T N He said "no", twice\nor so', "3")]
    assert parse_labelled(path, text="title") == [("T N", "3")]
    assert parse_labelled(path, text="description,title", label="id")[0][1] == "9"
    semicolons = write("b.csv", "a b;x\nc d;y\ne f;x\ng h;y\n")
    assert parse_labelled(semicolons)[3] == ("g h", "y")


def test_a_row_of_short_texts_is_not_a_header(write: Callable[..., Path]) -> None:
    names = ("Khoury,Arabic", "Nahas,Arabic", "Ang,Chinese", "Abl,Czech")
    names += ("Adsit,Czech", "Yi,Chinese\n")
    path = write("a.csv", "\n".join(names))
    assert parse_labelled(path)[0] == ("Khoury", "Arabic")


def test_tsv_is_never_quoted(write: Callable[..., Path]) -> None:
    path = write("a.tsv", '"a" film\t1\n"half a film\t0\nlast one\t1\nor so\t0')
    texts = [text for text, _ in parse_labelled(path)]
    assert texts[:2] == ['"a" film', '"half a film']


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("a.csv", "text,label\na,1\n\nb,0\n", 3, "cells separated by ','"),
        ("a.csv", "text,label\na,1\nb\n", 3, "2 cells, as in the first row"),
        ("a.csv", 'text,label\na,1\n"b,0\nc,1\n', 3, "CSV"),
        ("a.csv", "text,label\na,1\n,0\n", 3, "a text"),
        ("a.tsv", "text\tlabel\na\t1\n\nb\t0\n", 3, "cells separated by tabs"),
        ("a.tsv", "text\tlabel\na\t\n", 2, "a label"),
        ("a.tsv", "text\tlabel\na\t1\t2\n", 2, "2 cells, as in the first row"),
    ],
)
def test_table_errors(
    write: Callable[..., Path], name: str, text: str, line: int, message: str
) -> None:
    with pytest.raises(FormatError, match=message) as error:
        parse(write(name, text), "labelled")
    assert error.value.line == line


def test_errors_about_columns_list_the_columns(write: Callable[..., Path]) -> None:
    path = write("a.csv", "text,label\na,1\nb,0\n")
    with pytest.raises(DataError, match="no column 'lable'.*there are 'text', 'label'"):
        parse(path, "labelled", label="lable")
    with pytest.raises(DataError, match="did you mean 'label'"):
        parse(path, "labelled", label="lable", text="text")
    distinct = "".join(f"{k} a,{k} b\n" for k in range(30))
    with pytest.raises(DataError, match="its column with --label-column: '0', '1'"):
        parse(write("b.csv", distinct), "labelled")
