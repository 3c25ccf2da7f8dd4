"""Every format: what it reads, what it refuses and how it says so, how it is told."""

import json
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data import formats
from tasks.data.formats import Columns, DataError, FormatError

WORD = "1\tA\ta\tDET\tDT\t_\t0\troot\t_\t_\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def rows(path: Path, kind: formats.Kind, **options) -> list[dict]:
    columns = Columns(**{k: options.pop(k) for k in Columns._fields if k in options})
    reading = formats.plan(path, kind, columns=columns, **options)
    return list(formats.rows(reading))


# -- CoNLL-U --------------------------------------------------------------------------

CONLLU = """\
# newdoc id = one
# text = Don't go_ _
# topic = sport
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\tSpaceAfter=No|NER=B-PER
2.1\tnone\t_\tVERB\t_\t_\t_\t_\t_\t_
3\tgo on\tgo\tVERB\tVB\t_\t1\txcomp\t_\tNER=I-PER
4\t_\t_\tPUNCT\t:\t_\t1\tpunct\t_\t_
 \t
# topic = food
1\t#\t#\tSYM\t#\t_\t0\troot\t_\t_"""


def test_conllu(write):
    path = write("a.conllu", CONLLU)
    first, second = rows(path, "tagged")
    assert first["tokens"] == ["Do", "n't", "go on", "_"]
    assert first["tags"] == ["AUX", "PART", "VERB", "PUNCT"]
    assert second == {"tokens": ["#"], "tags": ["SYM"]}
    assert rows(path, "tagged", tag="xpos")[0]["tags"] == ["VB", "RB", "VB", ":"]
    assert rows(path, "tagged", tag="4", token="2")[1]["tokens"] == ["#"]
    assert rows(path, "entities")[0]["tags"] == ["O", "B-PER", "I-PER", "O"]
    assert rows(path, "labelled") == [
        {"text": "Don't go_ _", "label": "sport"},
        {"text": "#", "label": "food"},
    ]
    assert rows(path, "labelled", label="topic", text="topic")[0]["text"] == "sport"


@pytest.mark.parametrize(
    ("text", "kind", "line", "message"),
    [
        (WORD + WORD.replace("\t_\n", "\n"), "tagged", 2, "10 columns divided by tabs"),
        (WORD + WORD.replace("\t", " "), "tagged", 2, "10 columns divided by tabs"),
        (WORD + WORD.replace("1", "x", 1), "tagged", 2, "a word's number"),
        (WORD.replace("DET", "_"), "tagged", 1, "a tag for the word 1"),
        (WORD, "entities", None, "the key NER of MISC"),
        (WORD + "\n" + WORD, "labelled", 1, "`# topic = ...` or `# label = ...`"),
        (WORD[:-2] + "NER=PER\n", "entities", 1, "an entity tag, O or like B-PER"),
        (WORD[:-2] + "NER=B-X\n\n" + WORD[:-2] + "NER=I-X", "entities", 3, "BIO2"),
    ],
)
def test_conllu_errors(write, text, kind, line, message):
    path = write("a.conllu", text)
    with pytest.raises(FormatError, match=message) as error:
        rows(path, kind)
    assert error.value.line == line
    assert str(error.value).startswith(f"{path}:{line}:" if line else f"{path}:")


# -- Columns --------------------------------------------------------------------------


def test_columns(write):
    text = "-DOCSTART- -X- O O\n\nEU NNP  I-ORG\n\" '' O\n-DOCSTART- -X- O\na b O\n \n"
    text += "c d O"
    path = write("eng.testa", text)
    assert [row["tokens"] for row in rows(path, "entities")] == [
        ["EU", '"'],
        ["a"],
        ["c"],
    ]
    assert rows(path, "entities")[0]["tags"] == ["B-ORG", "O"]
    assert rows(path, "tagged", tag="1")[0]["tags"] == ["NNP", "''"]
    assert rows(path, "tagged", token="-2", tag="0")[1] == {
        "tokens": ["b"],
        "tags": ["a"],
    }


def test_columns_by_tabs_hold_any_token(write):
    tokens = ["\ufeff", "\u200b", "\U0001f600", "New York", "\u00a0", "\u2028", "\x85"]
    text = "Hi\tO\r\n\t\r\n" + "".join(f"{token}\tO\r\n" for token in tokens) + "\t\n"
    assert [row["tokens"] for row in rows(write("a", text), "tagged")] == [
        ["Hi"],
        tokens,
    ]


@pytest.mark.parametrize(
    ("text", "kind", "line", "message"),
    [
        ("a\tO\nb\n", "tagged", 2, "2 columns divided by tabs, as in line 1"),
        ("a x O\nb O\n", "tagged", 2, "3 columns divided by spaces"),
        ("a\n", "tagged", 1, "a token and its tag"),
        ("a\tO\n\tO\n", "tagged", 2, "a token and its tag"),
        ("a O\n\nb PER\n", "entities", 3, "an entity tag, O or like B-PER"),
        ("a B-X\n\nb B-Y\nc I-X\n", "entities", 4, "a tag that BIO2 allows here"),
    ],
)
def test_columns_errors(write, text, kind, line, message):
    path = write("a.txt", text)
    with pytest.raises(FormatError, match=message) as error:
        rows(path, kind)
    assert error.value.line == line


def test_columns_out_of_range(write):
    with pytest.raises(FormatError, match="a number from 0 to 1 as --tag-column"):
        rows(write("a", "a O\n"), "tagged", tag="2")


# -- CSV and TSV ----------------------------------------------------------------------


def found(path: Path, **options) -> list[tuple[str, str]]:
    return [(row["text"], row["label"]) for row in rows(path, "labelled", **options)]


LINES = ["good film", "bad film", "so so", "a fine one"]


@pytest.mark.parametrize(
    "header", ["text,label\n", "Sentence,my class\n", "what it says,how it feels\n", ""]
)
def test_csv_with_and_without_header(write, header):
    body = "".join(f'"{text}",{k % 2}\n' for k, text in enumerate(LINES))
    wanted = [(text, str(k % 2)) for k, text in enumerate(LINES)]
    assert found(write("a.csv", header + body)) == wanted
    label = header.strip().split(",")[-1] if header else "1"
    assert found(write("b.csv", header + body), label=label) == wanted
    assert found(write("b.csv", header + body), label="1", text="0") == wanted


def test_csv_joins_the_columns_of_the_text(write):
    text = 'class,title,description,id\n3,T N,"He said ""no"", twice\nor so",9\n'
    path = write("a.csv", text)
    assert found(path) == [('T N He said "no", twice\nor so', "3")]
    assert found(path, text="title") == [("T N", "3")]
    assert found(path, text="description,title", label="id")[0][1] == "9"
    assert found(write("b.csv", "a b;x\nc d;y\ne f;x\ng h;y\n"))[3] == ("g h", "y")


def test_a_word_to_classify_is_no_header(write):
    names = (
        "Khoury,Arabic\nNahas,Arabic\nAng,Chinese\nAbl,Czech\nAdsit,Czech\nYi,Chinese\n"
    )
    assert found(write("a.csv", names))[0] == ("Khoury", "Arabic")


def test_tsv_is_never_quoted(write):
    path = write("a.tsv", '"a" film\t1\n"half a film\t0\nlast one\t1\nor so\t0')
    assert [text for text, _ in found(path)][:2] == ['"a" film', '"half a film']


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("a.csv", "text,label\na,1\n\nb,0\n", 3, "cells divided by ','"),
        ("a.csv", "text,label\na,1\nb\n", 3, "2 cells, as in the first row"),
        ("a.csv", 'text,label\na,1\n"b,0\nc,1\n', 3, "CSV"),
        ("a.csv", "text,label\na,1\n,0\n", 3, "a text"),
        ("a.tsv", "text\tlabel\na\t1\n\nb\t0\n", 3, "cells divided by tabs"),
        ("a.tsv", "text\tlabel\na\t\n", 2, "a label"),
        ("a.tsv", "text\tlabel\na\t1\t2\n", 2, "2 cells, as in the first row"),
    ],
)
def test_table_errors(write, name, text, line, message):
    with pytest.raises(FormatError, match=message) as error:
        rows(write(name, text), "labelled")
    assert error.value.line == line


def test_a_missing_column_is_named(write):
    path = write("a.csv", "text,label\na,1\nb,0\n")
    with pytest.raises(DataError, match="no column 'lable'.*there are 'text', 'label'"):
        rows(path, "labelled", label="lable")
    with pytest.raises(DataError, match="did you mean 'label'"):
        rows(path, "labelled", label="lable", text="text")
    unlike = "".join(f"{k} a,{k} b\n" for k in range(30))
    with pytest.raises(DataError, match="name it with --label-column: '0', '1'"):
        rows(write("b.csv", unlike), "labelled")


# -- JSON lines and Parquet -----------------------------------------------------------


def test_jsonl(write):
    path = write("a.jsonl", '{"id": 1, "text": "a b", "label": true}\n' * 2 + "\n")
    assert found(path) == [("a b", "True")] * 2
    record = {"tokens": ["EU", "x"], "ner_tags": ["I-ORG", "O"], "pos_tags": ["N", "V"]}
    path = write("b", json.dumps(record) + "\n")
    assert rows(path, "tagged")[0]["tags"] == ["N", "V"]
    assert rows(path, "entities")[0]["tags"] == ["B-ORG", "O"]
    assert rows(path, "tagged", tag="ner_tags")[0]["tags"] == ["I-ORG", "O"]
    assert rows(write("c.jsonl", '{"text": "a"}\n'), "text") == [{"text": "a\n"}]


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
def test_jsonl_errors(write, text, kind, line, message):
    with pytest.raises(FormatError, match=message) as error:
        rows(write("a.jsonl", text), kind)
    assert error.value.line == line


def test_parquet_gives_the_names_of_classes(tmp_path, write):
    word = datasets.ClassLabel(names=["O", "B-X"])
    table = datasets.Dataset.from_dict(
        {"text": ["a b", "c"], "mood": [1, 0], "words": [["a"]] * 2, "ner": [[1]] * 2},
        features=datasets.Features(
            text=datasets.Value("string"),
            mood=datasets.ClassLabel(names=["bad", "good"]),
            words=datasets.List(datasets.Value("string")),
            ner=datasets.List(word),
        ),
    )
    datasets.disable_progress_bars()
    table.to_parquet(tmp_path / "a.parquet")
    table.to_parquet(tmp_path / "b")
    assert found(tmp_path / "a.parquet") == [("a b", "good"), ("c", "bad")]
    assert rows(tmp_path / "b", "entities")[0] == {"tokens": ["a"], "tags": ["B-X"]}
    with pytest.raises(FormatError, match="a Parquet file"):
        rows(write("c.parquet", "text"), "labelled")


# -- Lines ----------------------------------------------------------------------------


def test_labelled_lines(write):
    path = write("stsa.fine.train", "4 a  film \n__label__1\tan other\n")
    wanted = [("a  film", "4"), ("an other", "1")]
    assert found(path) == wanted
    with pytest.raises(FormatError, match=r"a:2: expected a label, a space and a text"):
        rows(write("a", "4 a\n3\n"), "labelled", format="labelled")
    with pytest.raises(FormatError, match=r"a:2: expected a label"):
        rows(write("a", "4 a\n\n3 b\n"), "labelled")


def test_a_class_a_file(write):
    path = write("Irish.txt", "Adam\nO'Neal\n\n")
    assert found(path, format="folder") == [("Adam", "Irish"), ("O'Neal", "Irish")]
    with pytest.raises(FormatError, match="Irish.txt:2: expected a text"):
        rows(write("Irish.txt", "Adam\n\nAdel\n"), "labelled", format="folder")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(text=TEXT)
def test_text_is_the_file(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "text"
    path.write_bytes(text.encode())
    read = rows(path, "text")
    assert "".join(row["text"] for row in read) == text.removeprefix("\ufeff")
    assert all(row["text"].endswith("\n") for row in read[:-1])


# -- Encodings, detection -------------------------------------------------------------


def test_encodings(write):
    assert (
        rows(write("a", "Ёж", "cp1251"), "text", encoding="cp1251")[0]["text"] == "Ёж"
    )
    assert (
        rows(write("a", "Ёж\nа", "utf-16"), "text", encoding="utf-16")[1]["text"] == "а"
    )
    path = write("a", "a O\n" * 5000 + "Ёж O\n", "cp1251")
    with pytest.raises(
        FormatError, match=r"a:5001: expected text in utf-8 .*--encoding"
    ):
        rows(path, "tagged")
    with pytest.raises(DataError, match="no such encoding"):
        rows(path, "tagged", encoding="utf-9")
    assert rows(write("a", "\ufeffb O\n"), "tagged")[0]["tokens"] == ["b"]


@pytest.mark.parametrize(
    ("text", "kind", "format"),
    [
        (WORD, "tagged", "conllu"),
        ("# c\n" + WORD, "labelled", "conllu"),
        (WORD, "text", "text"),
        ("a\tO\n", "entities", "columns"),
        ('{"text": "a"}', "labelled", "jsonl"),
        ("4 a b\n3 c d\n", "labelled", "labelled"),
        ("pos a\nneg b\npos c\nneg d\n", "labelled", "labelled"),
        ("a b\t1\nc d\t0\n", "labelled", "tsv"),
        ('"a b",1\n"c d",0\n', "labelled", "csv"),
    ],
)
def test_the_content_tells_the_format(write, text, kind, format):
    assert formats.detect(write("data", text), kind) == format


def test_what_cannot_be_told_is_asked_for(write):
    path = write("a.txt", "No label here.\nOr so it seems.\nAt all.\n")
    with pytest.raises(FormatError, match="--format: conllu, csv, tsv"):
        rows(path, "labelled")
    with pytest.raises(DataError, match="--format csv gives no tagged rows"):
        rows(path, "tagged", format="csv")
