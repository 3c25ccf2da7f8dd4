"""Forms of JSON: arrays, values that are no labels, and entities as offsets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.data_files import parse, parse_labelled
from zoo.tasks.data import formats
from zoo.tasks.data.formats import FormatError
from zoo.text import tokenize

TEXT = "Lio Vant hums."
TOKENS = ["Lio", "Vant", "hums", "."]
TAGS = ["B-PER", "I-PER", "O", "O"]


def lines(*records: Any) -> str:
    """Return JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
def test_an_array_of_objects(
    write: Callable[..., Path], name: str, indent: int | None
) -> None:
    records = [{"text": f"tea {k}", "label": "ab"[k % 2]} for k in range(4)]
    array = json.dumps(records, indent=indent)
    for text in (array, f"\n  \n{array}\n", array.replace("},", "}\n ,")):
        rows = parse_labelled(write(name, text))
        assert rows == [(f"tea {k}", "ab"[k % 2]) for k in range(4)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            '[{"text": "a", "label": 1},\n{"text": "b", "label": }]',
            2,
            "Expecting value",
        ),
        ('[{"text": "a", "label": 1},\n 3]', 2, "a JSON object"),
        ('[{"text": "a", "label": 1}', 1, "the end of the array"),
        ('[{"text": "a", "label": 1},\n,', 2, "Expecting value"),
        ('[{"text": "a", "label": 1}\n{"text": "b"', 2, "a comma between two"),
        ('[{"text": "a", "label": 1}]\nx', 1, "nothing after the array"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": NaN}', 2, "a value in col"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": -Infinity}', 2, "a value"),
        (
            '{"text": "a", "label": 1}\n{"text": "b", "label": 1e999}',
            2,
            "a value in col",
        ),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": true}', 2, "all true or"),
        ('{"text": "a", "label": true}\n{"text": "b", "label": 0}', 2, "all true or"),
        ('{"text": "a", "label": 1}\n{"text": "\\udc80", "label": 2}', 2, "surrogate"),
        ('{"text": "a", "label": 1}\n{"x": ' + "[" * 99_999, 2, "too deeply nested"),
        ("[" * 99_999, 1, "too deeply nested"),
        ('{"text": "a", "label": 1}\n{"x": ' + "9" * 9999 + "}", 2, "too many digits"),
    ],
)
def test_errors_name_the_line(
    write: Callable[..., Path], text: str, line: int, message: str
) -> None:
    path = write("a.json", text)
    with pytest.raises(FormatError, match=message) as error:
        parse_labelled(path)
    assert error.value.line == line
    assert str(error.value).startswith(f"{path}:{line}: expected")


def test_numbers_without_a_fraction_are_one_class(write: Callable[..., Path]) -> None:
    path = write("a.jsonl", lines(*({"text": "a", "label": k} for k in (1, 1.0, 2.5))))
    assert [label for _, label in parse_labelled(path)] == ["1", "1", "2.5"]
    unused = '{"text": "a", "label": 1, "score": NaN}\n'
    assert parse_labelled(write("b.jsonl", unused)) == [("a", "1")]


def test_a_list_of_one_label_is_a_label(write: Callable[..., Path]) -> None:
    records = [{"text": f"tea {k}", "label": ["ab"[k % 2]]} for k in range(4)]
    path = write("a.jsonl", lines(*records))
    assert parse_labelled(path)[1] == ("tea 1", "b")
    path = write("b.jsonl", lines(*records, {"text": "c", "label": ["a", "b"]}))
    with pytest.raises(FormatError, match="b.jsonl:5: expected a value in column"):
        parse_labelled(path)


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "text": TEXT, "label": [[0, 8, "PER"]]},
        {"text": TEXT, "labels": [[0, 9, "PER"]], "meta": {}},
        {"text": TEXT, "entities": [{"start": 0, "end": 8, "label": "PER"}]},
        {
            "text": TEXT,
            "entities": [{"start_offset": 0, "end_offset": 8, "label": "PER"}],
        },
        {
            "text": TEXT,
            "spans": [{"start": 0, "end": 8, "label": "PER", "token_end": 1}],
        },
        [TEXT, {"entities": [[0, 8, "PER"]]}],
    ],
)
def test_character_offsets(write: Callable[..., Path], record: Any) -> None:
    assert tokenize(TEXT) == TOKENS
    for text in (lines(record), json.dumps([record, record])):
        path = write("a.json", text)
        assert parse(path, "entities")[0] == {"tokens": TOKENS, "tags": TAGS}
    description = formats.describe(formats.plan(path, "entities"))
    assert description.endswith("(character offsets)")


def test_the_tokens_of_a_record_come_first(write: Callable[..., Path]) -> None:
    pieces = [("Lio Vant", 0, 8), ("hums.", 9, 14)]
    tokens = [{"text": t, "start": a, "end": b, "id": 0} for t, a, b in pieces]
    spans = [{"start": 0, "end": 8, "label": "PER"}]
    path = write("a.jsonl", lines({"text": TEXT, "tokens": tokens, "spans": spans}))
    expected = {"tokens": ["Lio Vant", "hums."], "tags": ["B-PER", "O"]}
    assert parse(path, "entities") == [expected]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([[0, 2, "PER"]], "the entity 'Li' cuts 'Lio'"),
        ([[1, 8, "PER"]], "cuts 'Lio' or 'Vant'"),
        ([[0, 15, "PER"]], "a text of 14 characters"),
        ([[5, 5, "PER"]], "a text of 14 characters"),
        ([[0, 3, "PER"], [0, 8, "PER"]], "do not overlap"),
        ([[0, "PER"]], "a list of start, end and type"),
        ("PER", "a list of start, end and type"),
    ],
)
def test_offsets_that_cannot_be_read(
    write: Callable[..., Path], spans: Any, message: str
) -> None:
    good = {"text": TEXT, "label": [[0, 3, "PER"]]}
    path = write("a.jsonl", lines(good) + lines({"text": TEXT, "label": spans}))
    with pytest.raises(FormatError, match=message) as error:
        parse(path, "entities")
    assert error.value.line == 2


def test_an_entity_without_tokens(write: Callable[..., Path]) -> None:
    tokens = [{"text": "Lio", "start": 0, "end": 3}]  # the rest of the text has none
    good = {"text": TEXT, "tokens": tokens, "label": [[0, 3, "PER"]]}
    path = write("a.jsonl", lines(good) + lines({**good, "label": [[4, 8, "PER"]]}))
    with pytest.raises(FormatError, match="a token where the entity 'Vant' is"):
        parse(path, "entities")


@pytest.mark.parametrize(
    ("text", "entity", "tokens"),
    [
        ("Don't ask Dr. Vant!", "Vant", ["Do", "n't", "ask", "Dr.", "Vant", "!"]),
        ("नीली मेज है", "मेज", ["नीली", "मेज", "है"]),  # letters keep their marks
        ("红茶好", "茶", ["红", "茶", "好"]),  # a Han character is a token
        ("tea tea", "tea", ["tea", "tea"]),
    ],
)
def test_offsets_in_the_tokens_of_the_tokenizer(
    write: Callable[..., Path], text: str, entity: str, tokens: list[str]
) -> None:
    start = text.rindex(entity)
    record = {"text": text, "label": [[start, start + len(entity), "X"]]}
    tags = ["O"] * len(tokens)
    tags[len(tokens) - 1 - tokens[::-1].index(entity)] = "B-X"
    path = write("a.jsonl", lines(record))
    assert parse(path, "entities") == [{"tokens": tokens, "tags": tags}]


def test_offsets_in_tokens_between_white_space(write: Callable[..., Path]) -> None:
    path = write(
        "a.jsonl", lines({"text": "the COVID-19 law", "label": [[4, 12, "X"]]})
    )
    assert parse(path, "entities", tokenizer="whitespace") == [
        {"tokens": ["the", "COVID-19", "law"], "tags": ["O", "B-X", "O"]}
    ]
    assert parse(path, "entities")[0]["tags"] == ["O", "B-X", "I-X", "I-X", "O"]
    path = write("b.jsonl", lines({"text": "to Peru.", "label": [[3, 7, "X"]]}))
    with pytest.raises(FormatError, match=r"'Peru' cuts 'Peru.'"):
        parse(path, "entities", tokenizer="whitespace")


def test_names_next_to_class_numbers(write: Callable[..., Path]) -> None:
    record = {"tokens": TOKENS, "ner_tags": [1, 2, 0, 0], "ner_tags_names": TAGS}
    path = write("a.jsonl", lines(record))
    assert parse(path, "entities") == [{"tokens": TOKENS, "tags": TAGS}]
    rows = [
        {"text": f"tea {k}", "label": k % 2, "label_text": "ab"[k % 2]} for k in (0, 1)
    ]
    path = write("c.jsonl", lines({"tokens": TOKENS, "ner_tags": [1, 2, 0, 0]}))
    with pytest.raises(FormatError, match="no column names these numbers"):
        parse(path, "entities")
    path = write("b.jsonl", lines(*rows))
    assert parse_labelled(path) == [("tea 0", "a"), ("tea 1", "b")]


def test_empty_tokens_and_tags_are_errors(write: Callable[..., Path]) -> None:
    good = '{"tokens": ["a"], "tags": ["B-PER"]}\n'
    for bad in (
        '{"tokens": [""], "tags": ["B-PER"]}',
        '{"tokens": ["a"], "tags": [""]}',
    ):
        path = write("a.jsonl", good + bad)
        for kind in ("tagged", "entities"):
            with pytest.raises(
                FormatError, match=r"a\.jsonl:2: expected a word in each"
            ):
                parse(path, kind)
            rows = parse(path, kind, skip_bad_rows=True)
            assert rows == [{"tokens": ["a"], "tags": ["B-PER"]}]
