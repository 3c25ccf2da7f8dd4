"""Formats of tokens and tags: CoNLL-U and CoNLL columns."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import parse
from zoo.tasks.data import formats
from zoo.tasks.data.formats import FormatError, Kind

WORD = "1\tA\ta\tDET\tDT\t_\t0\troot\t_\t_\n"
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


def test_conllu(write: Callable[..., Path]) -> None:
    path = write("a.conllu", CONLLU)
    first, second = parse(path, "tagged")
    assert first["tokens"] == ["Do", "n't", "go on", "_"]
    assert first["tags"] == ["AUX", "PART", "VERB", "PUNCT"]
    assert second == {"tokens": ["#"], "tags": ["SYM"]}
    assert parse(path, "tagged", tag="xpos")[0]["tags"] == ["VB", "RB", "VB", ":"]
    assert parse(path, "tagged", tag="4", token="2")[1]["tokens"] == ["#"]
    assert parse(path, "entities")[0]["tags"] == ["O", "B-PER", "I-PER", "O"]
    assert parse(path, "labelled") == [
        {"text": "Don't go_ _", "label": "sport"},
        {"text": "#", "label": "food"},
    ]
    assert parse(path, "labelled", label="topic", text="topic")[0]["text"] == "sport"


@pytest.mark.parametrize(
    ("text", "kind", "line", "message"),
    [
        (
            WORD + WORD.replace("\t_\n", "\n"),
            "tagged",
            2,
            r"10 columns separated by tabs \(9 found\)",
        ),
        (WORD + WORD.replace("\t", " "), "tagged", 2, "10 columns separated by tabs"),
        (WORD + WORD.replace("1", "x", 1), "tagged", 2, "a word's number"),
        (WORD.replace("DET", "_"), "tagged", 1, "a tag for the word 1"),
        (WORD, "entities", None, "the key NER of MISC"),
        (WORD + "\n" + WORD, "labelled", 1, "`# topic = ...` or `# label = ...`"),
        (WORD[:-2] + "NER=PER\n", "entities", 1, "an entity tag, O or like B-PER"),
        (WORD + WORD.replace("1", "3", 1), "tagged", 2, "the word 2 in column ID"),
        (WORD.replace("1", "2", 1), "tagged", 1, "the word 1 in column ID"),
        (WORD[:-2] + "NER=B-X|ner=B-Y\n", "entities", 1, "a single value of the key"),
    ],
)
def test_conllu_errors(
    write: Callable[..., Path], text: str, kind: Kind, line: int | None, message: str
) -> None:
    path = write("a.conllu", text)
    with pytest.raises(FormatError, match=message) as error:
        parse(path, kind)
    assert error.value.line == line
    assert str(error.value).startswith(f"{path}:{line}:" if line else f"{path}:")


def test_a_word_1_starts_a_sentence_without_a_blank_line(
    write: Callable[..., Path],
) -> None:
    second = WORD.replace("1\tA", "1-2\tB", 1) + WORD.replace("\tA\t", "\tC\t")
    path = write("a.conllu", f"# topic = x\n{WORD}# topic = y\n{WORD}{second}")
    assert [row["tokens"] for row in parse(path, "tagged")] == [["A"], ["A"], ["C"]]
    metadata = write("b.conllu", f"# topic = x\n{WORD}# topic = y\n{WORD}")
    assert [row["label"] for row in parse(metadata, "labelled")] == ["x", "y"]
    (remark,) = formats.plan(path, "tagged").remarks
    expected = "sentences that start without a blank line: 2, the first at a.conllu:4"
    assert remark == expected


def test_spellings_of_misc_and_underscores(write: Callable[..., Path]) -> None:
    misc = ["ner=B-X SpaceAfter=No", "Gloss=to go|Ner=I-X", "A=1 NER=I-X B=2", "_"]
    words = [WORD.replace("1", str(k), 1)[:-2] + m for k, m in enumerate(misc, 1)]
    path = write("a.conllu", "\n".join(words))
    assert parse(path, "entities")[0]["tags"] == ["B-X", "I-X", "I-X", "O"]
    assert parse(path, "tagged", tag="feats")[0]["tags"] == ["_"] * 4
    path = write("b.conllu", WORD.replace("DT", "_"))
    assert parse(path, "tagged", tag="xpos")[0]["tags"] == ["_"]


def test_columns(write: Callable[..., Path]) -> None:
    text = "-DOCSTART- -X- O O\n\nEU NNP  I-ORG\n\" '' O\n-DOCSTART- -X- O\na b O\n \n"
    text += "c d O"
    path = write("eng.testa", text)
    tokens = [row["tokens"] for row in parse(path, "entities")]
    assert tokens == [["EU", '"'], ["a"], ["c"]]
    assert parse(path, "entities")[0]["tags"] == ["B-ORG", "O"]
    assert parse(path, "tagged", tag="1")[0]["tags"] == ["NNP", "''"]
    row = parse(path, "tagged", token="-2", tag="0")[1]
    assert row == {"tokens": ["b"], "tags": ["a"]}


def test_tab_separated_columns_hold_any_token(write: Callable[..., Path]) -> None:
    tokens = ["\ufeff", "\u200b", "\U0001f600", "New York", "\u00a0", "\u2028", "\x85"]
    text = "Hi\tO\r\n\t\r\n" + "".join(f"{token}\tO\r\n" for token in tokens) + "\t\n"
    rows = parse(write("a", text), "tagged")
    assert [row["tokens"] for row in rows] == [["Hi"], tokens]


@pytest.mark.parametrize(
    ("text", "kind", "line", "message"),
    [
        ("a\tO\nb\n", "tagged", 2, "2 columns separated by tabs, as in line 1"),
        ("a x O\nb O\n", "tagged", 2, "3 columns separated by spaces"),
        ("a\n", "tagged", 1, "a token and its tag"),
        ("a\tO\n\tO\n", "tagged", 2, "a token and its tag"),
        ("a O\n\nb PER\n", "entities", 3, "an entity tag, O or like B-PER"),
    ],
)
def test_columns_errors(
    write: Callable[..., Path], text: str, kind: Kind, line: int, message: str
) -> None:
    path = write("a.txt", text)
    with pytest.raises(FormatError, match=message) as error:
        parse(path, kind)
    assert error.value.line == line


def test_column_numbers_out_of_range(write: Callable[..., Path]) -> None:
    message = "a number from 0 to 1 as --tag-column, as there are 2 columns, got '2'"
    with pytest.raises(FormatError, match=message):
        parse(write("a", "a O\n"), "tagged", tag="2")
