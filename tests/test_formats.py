"""The parsers: what they read, and what they say of broken files."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats import FormatError, Options, detect, parse, schemes

LABELLED = Options("labelled")
TAGGED = Options("tagged")
ENTITIES = Options("entities")


def rows(path, content, options, name=None):
    """Write a file and return its rows."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = list(parse(path, options, name))
    for row in found:
        row.pop("line", None)
    return found


CONLLU = """\
# topic = sport
# text = Don't go.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\t_\tAUX\tVB\t_\t_\t_\t_\tNER=O
2\tn't\t_\tPART\tRB\t_\t_\t_\t_\tNER=O|SpaceAfter=No
3\tgo\t_\tVERB\tVB\t_\t_\t_\t_\tNER=O
3.1\tgone\t_\tVERB\t_\t_\t_\t_\t_\t_
4\t_\t_\tPUNCT\t.\t_\t_\t_\t_\tNER=O

# topic = food
1\t#\t_\tSYM\t_\t_\t_\t_\t_\tNER=B-ORG
"""


def test_conllu(tmp_path):
    path = tmp_path / "a.conllu"
    assert rows(path, CONLLU, TAGGED) == [
        {
            "tokens": ["Do", "n't", "go", "_"],
            "tags": ["AUX", "PART", "VERB", "PUNCT"],
        },
        {"tokens": ["#"], "tags": ["SYM"]},
    ]
    assert [r["label"] for r in rows(path, CONLLU, LABELLED)] == ["sport", "food"]
    assert rows(path, CONLLU, LABELLED)[0]["text"] == "Don't go."
    xpos = Options("tagged", tag_column="xpos")
    assert rows(path, CONLLU, xpos)[0]["tags"] == ["VB", "RB", "VB", "."]
    assert rows(path, CONLLU, ENTITIES)[1]["tags"] == ["B-ORG"]
    with pytest.raises(FormatError, match=r"a\.conllu, line 4: expected ten columns"):
        rows(path, CONLLU.replace("VB\t_", "VB _", 1), TAGGED)
    with pytest.raises(FormatError, match="line 1: expected a word's number"):
        rows(path, "x\ta" + "\t_" * 8 + "\n", TAGGED)


def test_columns(tmp_path):
    path = tmp_path / "a.conll"
    text = '-DOCSTART- -X- O\n\nU.N. NNP I-ORG\n\ufeff X O\n" " O\n\t\nhe PRP O'
    assert rows(path, text, ENTITIES) == [
        {"tokens": ["U.N.", "\ufeff", '"'], "tags": ["I-ORG", "O", "O"]},
        {"tokens": ["he"], "tags": ["O"]},
    ]
    chunk = Options("entities", tag_column="1")
    assert rows(path, text, chunk)[1]["tags"] == ["PRP"]
    with pytest.raises(FormatError, match="line 2: expected 2 columns.*got 1"):
        rows(path, "a O\nb\n", ENTITIES)
    with pytest.raises(FormatError, match="expected a column '7', found columns 0 to"):
        rows(path, text, Options("entities", tag_column="7"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", 'good "film"\t1\nbad\t0\nbad\t0\n'),
        ("a.tsv", 'label\ttext\n1\tgood "film"\n0\tbad\n0\tbad\n'),
        ("a.csv", '"good ""film""",1\nbad,0\nbad,0\n'),
        ("a.csv", 'id,review,sentiment\n7,"good ""film""",1\n8,bad,0\n9,bad,0\n'),
        ("a.csv", '1,good,"""film"""\n0,bad,\n0,bad,\n'),
        ("a.train", '1 good "film"\n0 bad\n0 bad\n'),
        (
            "a.jsonl",
            '{"text": "good \\"film\\"", "label": 1}\n'
            + 2 * '{"text": "bad", "label": 0}\n',
        ),
    ],
)
def test_labelled_texts(tmp_path, name, text):
    found = rows(tmp_path / name, text, LABELLED)
    assert [row["label"] for row in found] == ["1", "0", "0"]
    assert [row["text"].strip() for row in found] == ['good "film"', "bad", "bad"]


def test_columns_by_flag(tmp_path):
    options = Options("labelled", text_column="b", label_column="a")
    assert rows(tmp_path / "x.csv", "a,b,c\n1,2,3\n", options) == [
        {"text": "2", "label": "1"}
    ]
    numbers = Options("labelled", text_column="2", label_column="0")
    assert rows(tmp_path / "x.tsv", "1\t2\t3\n", numbers) == [
        {"text": "3", "label": "1"}
    ]


def test_parquet_and_json_lines_of_tags(tmp_path):
    table = {"tokens": [["a", "b"], ["c"]], "ner_tags": [["O", "B-X"], ["O"]]}
    pyarrow.parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    expected = [
        {"tokens": ["a", "b"], "tags": ["O", "B-X"]},
        {"tokens": ["c"], "tags": ["O"]},
    ]
    assert list(parse(tmp_path / "a.parquet", ENTITIES, None)) == expected
    lines = "".join(
        json.dumps({"words": r["tokens"], "tags": r["tags"]}) + "\n" for r in expected
    )
    assert rows(tmp_path / "a.jsonl", lines, ENTITIES) == expected
    with pytest.raises(FormatError, match="line 1: expected JSON"):
        rows(tmp_path / "a.jsonl", "{oops\n", ENTITIES)
    with pytest.raises(FormatError, match="expected Parquet"):
        rows(tmp_path / "a.parquet", "no", ENTITIES)


def test_folder_of_classes(tmp_path):
    (tmp_path / "Greek.txt").write_text("Papadakis\n\nNikolaou\n")
    (tmp_path / "Irish.txt").write_text("O'Shea\n")
    assert detect(tmp_path, LABELLED) == "folder"
    assert list(parse(tmp_path, LABELLED, None)) == [
        {"text": "Papadakis", "label": "Greek"},
        {"text": "Nikolaou", "label": "Greek"},
        {"text": "O'Shea", "label": "Irish"},
    ]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff")))
def test_plain_text_is_the_file(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("plain") / "a.txt"
    found = rows(path, text, Options("text"))
    assert "".join(row["text"] for row in found) == text


def test_encoding(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(FormatError, match=r"a\.txt, line 2: this is not utf-8; --enc"):
        rows(path, b"one\nna\xefve\n", Options("text"))
    found = rows(path, b"one\nna\xefve\n", Options("text", "latin-1"))
    assert found[1] == {"text": "naïve\n"}


BIO2 = ["B-PER", "I-PER", "B-PER", "O", "B-LOC", "B-ORG", "I-ORG", "I-ORG"]
OTHERS = {
    "IOB1": ["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG", "I-ORG", "I-ORG"],
    "IOBES": ["B-PER", "E-PER", "S-PER", "O", "S-LOC", "B-ORG", "I-ORG", "E-ORG"],
    "BILOU": ["B-PER", "L-PER", "U-PER", "O", "U-LOC", "B-ORG", "I-ORG", "L-ORG"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_schemes(name):
    tags = OTHERS[name]
    assert schemes.to_bio2(tags, schemes.detect([tags])) == BIO2
    assert schemes.detect([BIO2]) == "BIO2"


@given(
    st.lists(
        st.tuples(st.sampled_from(["O", "PER", "LOC"]), st.integers(1, 3)), max_size=8
    )
)
def test_every_scheme_comes_back(spans):
    bio2, iobes = [], []
    for kind, size in spans:
        if kind == "O":
            bio2 += ["O"] * size
            iobes += ["O"] * size
        else:
            bio2 += [f"B-{kind}"] + [f"I-{kind}"] * (size - 1)
            middle = [f"I-{kind}"] * (size - 2)
            whole = [f"B-{kind}", *middle, f"E-{kind}"] if size > 1 else [f"S-{kind}"]
            iobes += whole
    assert schemes.to_bio2(iobes, "IOBES") == bio2
    assert schemes.to_bio2(bio2, "BIO2") == bio2


def test_wrong_tags_are_named(tmp_path):
    with pytest.raises(schemes.SchemeError, match="got 'PER'"):
        schemes.detect([["O"], ["O", "PER"]])
    with pytest.raises(schemes.SchemeError, match="expected one scheme") as caught:
        schemes.detect([["B-PER", "O"], ["O", "I-LOC"]])
    assert (caught.value.row, caught.value.token) == (1, 1)
