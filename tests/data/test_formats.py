"""JSON Lines, Parquet, lines of text, encodings, and the detection of formats."""

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.data_files import parse, parse_labelled
from zoo.tasks.data import formats
from zoo.tasks.data.formats import DataError, FormatError, Kind

CONLLU_WORD = "1\tA\ta\tDET\tDT\t_\t0\troot\t_\t_\n"


def test_jsonl(write: Callable[..., Path]) -> None:
    path = write("a.jsonl", '{"id": 1, "text": "a b", "label": true}\n' * 2 + "\n")
    assert parse_labelled(path) == [("a b", "True")] * 2
    record = {"tokens": ["EU", "x"], "ner_tags": ["I-ORG", "O"], "pos_tags": ["N", "V"]}
    path = write("b", json.dumps(record) + "\n")
    assert parse(path, "tagged")[0]["tags"] == ["N", "V"]
    assert parse(path, "entities")[0]["tags"] == ["B-ORG", "O"]
    assert parse(path, "tagged", tag="ner_tags")[0]["tags"] == ["I-ORG", "O"]
    assert parse(write("c.jsonl", '{"text": "a"}\n'), "text") == [{"text": "a\n"}]


@pytest.mark.parametrize(
    ("text", "kind", "line", "message"),
    [
        ('{"text": "a", "label": 1}\n{"text": \n', "labelled", 2, "a JSON object"),
        ('{"text": "a", "label": 1}\n[1]\n', "labelled", 2, "a JSON object"),
        ('{"text": "a", "label": 1}\n{"text": "b"}\n', "labelled", 2, "column 'label'"),
        ('{"tokens": ["a"], "tags": []}\n', "tagged", 1, "as many tags as tokens"),
        ('{"tokens": ["a"], "tags": [1]}\n', "tagged", 1, "a list of words"),
    ],
)
def test_jsonl_errors(
    write: Callable[..., Path], text: str, kind: Kind, line: int, message: str
) -> None:
    with pytest.raises(FormatError, match=message) as error:
        parse(write("a.jsonl", text), kind)
    assert error.value.line == line


def test_columns_of_tokens_are_asked_for(write: Callable[..., Path]) -> None:
    for record, content in (
        ({"a": ["x"], "tags": ["N"]}, "tokens; name it with --token-column: 'a', 'ta"),
        ({"tokens": ["x"], "b": "N"}, "tags; name it with --tag-column: 'tokens', 'b'"),
    ):
        path = write("a.jsonl", json.dumps(record) + "\n")
        with pytest.raises(DataError, match=f"lists that holds the {content}"):
            parse(path, "tagged")


def test_parquet_class_indices_become_class_names(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    entity = datasets.ClassLabel(names=["O", "B-X"])
    table = datasets.Dataset.from_dict(
        {"text": ["a b", "c"], "mood": [1, 0], "words": [["a"]] * 2, "ner": [[1]] * 2},
        features=datasets.Features(
            text=datasets.Value("string"),
            mood=datasets.ClassLabel(names=["bad", "good"]),
            words=datasets.List(datasets.Value("string")),
            ner=datasets.List(entity),
        ),
    )
    datasets.disable_progress_bars()
    table.to_parquet(tmp_path / "a.parquet")
    table.to_parquet(tmp_path / "b")
    assert parse_labelled(tmp_path / "a.parquet") == [("a b", "good"), ("c", "bad")]
    assert parse(tmp_path / "b", "entities")[0] == {"tokens": ["a"], "tags": ["B-X"]}
    with pytest.raises(FormatError, match="a Parquet file"):
        parse(write("c.parquet", "text"), "labelled")


def test_labelled_lines(write: Callable[..., Path]) -> None:
    path = write("stsa.fine.train", "4 a  film \n__label__1\tan other\n")
    assert parse_labelled(path) == [("a  film", "4"), ("an other", "1")]
    with pytest.raises(FormatError, match=r"a:2: expected a label, a space and a text"):
        parse(write("a", "4 a\n3\n"), "labelled", format="labelled")
    with pytest.raises(FormatError, match=r"a:2: expected a label"):
        parse(write("a", "4 a\n\n3 b\n"), "labelled")


def test_file_per_class(write: Callable[..., Path]) -> None:
    path = write("Irish.txt", "Adam\n\nO'Neal\n")
    rows = parse_labelled(path, format="folder")
    assert rows == [("Adam", "Irish"), ("O'Neal", "Irish")]
    reading = formats.plan(path, "labelled", format="folder", label="x")
    assert next(formats.rows(reading)) == {"text": "Adam", "label": "x"}
    (remark,) = reading.remarks
    assert remark == "blank lines left out: 1, the first at Irish.txt:2"


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(text=st.text(CHARACTERS, max_size=50))
def test_joined_rows_of_text_are_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "text"
    path.write_bytes(text.encode())
    rows = parse(path, "text")
    assert "".join(row["text"] for row in rows) == text.removeprefix("\ufeff")
    assert all(row["text"].endswith("\n") for row in rows[:-1])


def test_encodings(write: Callable[..., Path]) -> None:
    rows = parse(write("a", "Ёж", "cp1251"), "text", encoding="cp1251")
    assert rows[0]["text"] == "Ёж"
    rows = parse(write("a", "Ёж\nа", "utf-16"), "text", encoding="utf-16")
    assert rows[1]["text"] == "а"
    path = write("a", "a O\n" * 5000 + "Ёж O\n", "cp1251")
    message = r"a:5001: expected text in utf-8 .*--encoding"
    with pytest.raises(FormatError, match=message):
        parse(path, "tagged")
    with pytest.raises(DataError, match="no such encoding"):
        parse(path, "tagged", encoding="utf-9")
    assert parse(write("a", "\ufeffb O\n"), "tagged")[0]["tokens"] == ["b"]


@pytest.mark.parametrize(
    ("text", "kind", "format"),
    [
        (CONLLU_WORD, "tagged", "conllu"),
        ("# c\n" + CONLLU_WORD, "labelled", "conllu"),
        (CONLLU_WORD, "text", "text"),
        ("a\tO\n", "entities", "columns"),
        ('{"text": "a"}', "labelled", "jsonl"),
        ("4 a b\n3 c d\n", "labelled", "labelled"),
        ("pos a\nneg b\npos c\nneg d\n", "labelled", "labelled"),
        ("a b\t1\nc d\t0\n", "labelled", "tsv"),
        ('"a b",1\n"c d",0\n', "labelled", "csv"),
    ],
)
def test_formats_are_detected_by_content(
    write: Callable[..., Path], text: str, kind: Kind, format: str
) -> None:
    assert formats.detect(write("data", text), kind) == format


def test_a_format_that_cannot_be_detected_is_asked_for(
    write: Callable[..., Path],
) -> None:
    path = write("a.txt", "No label here.\nOr so it seems.\nAt all.\n")
    with pytest.raises(FormatError, match="--format: conllu, csv, tsv"):
        parse(path, "labelled")
    with pytest.raises(DataError, match="--format text cannot hold tagged rows"):
        parse(path, "tagged", format="text")
