"""CoNLL columns: which column is the token, which the tag, and which lines are none."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.data_files import parse
from zoo.tasks.data import DataError, Source, formats, load
from zoo.tasks.data.formats import FormatError, Kind

WORDS = [("Lio", "N", "B-PER"), ("Vant", "N", "I-PER"), ("hums", "V", "O")]
NAME = {"tokens": ["Lio", "Vant", "hums"], "tags": ["B-PER", "I-PER", "O"]}


def sentences(count: int, row: str) -> str:
    """Return sentences of `WORDS`; `row` has fields k (from 0), w, pos and tag."""
    lines = [
        row.format(k=k, one=k + 1, w=word, pos=pos, tag=tag) + "\n"
        for k, (word, pos, tag) in enumerate(WORDS)
    ]
    return ("".join(lines) + "\n") * count


def description(path: Path, kind: Kind) -> str:
    """Return how a file is read."""
    return formats.describe(formats.plan(path, kind))


@pytest.mark.parametrize(
    ("row", "token", "tag"),
    [
        ("{w} {pos} {tag}", 0, 2),
        ("{k} {w} {pos} {tag}", 1, 3),
        ("{one}\t{w}\t{pos}\t{tag}", 1, 3),
        ("doc/a 0 {k} {w} {pos} {tag}", 3, 5),
        ("{one}\t{w}\t{tag}\t-\tann7", 1, 2),
        ("{w} {pos} {tag} _", 0, 2),
        ("{w} {pos} {tag} B-PER", 0, 2),
        ("{w} {pos} I-NP {tag}", 0, 3),
        ("1\t{w}\t_\t{pos}\t{pos}\t_\t0\t_\t_\t{tag}", None, None),
    ],
)
def test_the_columns_of_entities(
    write: Callable[..., Path], row: str, token: int | None, tag: int | None
) -> None:
    if token is None:  # ten columns that start with an ID, and end with the entities
        row, token, tag = row.replace("1", "{one}", 1), 1, 9
    path = write("a.txt", sentences(4, row))
    assert parse(path, "entities") == [NAME] * 4
    assert f"token = column {token}, tag = column {tag}" in description(
        path, "entities"
    )


def test_a_running_number_is_no_token(write: Callable[..., Path]) -> None:
    path = write("a.txt", sentences(3, "{one} {w}"))
    with pytest.raises(FormatError, match="0, a running number .*--token-column"):
        parse(path, "tagged")
    assert parse(path, "tagged", token="1", tag="0")[0]["tokens"] == NAME["tokens"]
    through = "".join(f"{k}\tw{k}\tX\n{'' if k % 4 else chr(10)}" for k in range(20))
    assert parse(write("b.txt", through), "tagged")[1]["tokens"][0] == "w1"
    numbers = write("c.txt", "7 NUM\n3 NUM\nof ADP\n")
    assert parse(numbers, "tagged")[0]["tokens"] == ["7", "3", "of"]
    parts = "1-2\tdont\tO\n1\tdo\tO\n2\tnt\tO\n1\tLio\tB-PER\n2\tsat\tO\n"
    path = write("d.txt", parts)
    assert [row["tokens"] for row in parse(path, "entities")] == [
        ["do", "nt"],
        ["Lio", "sat"],
    ]
    assert formats.plan(path, "entities").remarks == (
        "multiword tokens and empty nodes left out: 1, the first at d.txt:1",
        "sentences that start without a blank line: 1, the first at d.txt:4",
    )


def test_sentences_of_one_token_are_numbered_too(write: Callable[..., Path]) -> None:
    path = write("a.txt", "1 Lio N\n\n1 Vant N\n")
    assert [row["tokens"] for row in parse(path, "tagged")] == [["Lio"], ["Vant"]]


def test_numbered_rows_may_differ_in_width(write: Callable[..., Path]) -> None:
    text = "# a\n1\tLio\tB-PER\t-\tann\n2\tVant\tI-PER\n3\thums\tO\t-\tann\n"
    assert parse(write("a.iob2", text), "entities") == [NAME]
    with pytest.raises(FormatError, match="b.iob2:2: expected 3 columns"):
        parse(write("b.iob2", "Lio\tx\tB-PER\nVant\tI-PER\n"), "entities")


def test_a_column_that_names_the_document_is_no_token(
    write: Callable[..., Path],
) -> None:
    path = write("a.txt", sentences(4, "doc {w} {tag}"))
    with pytest.raises(FormatError, match="a:?.*the same in all lines.*--token-column"):
        parse(path, "entities")
    assert parse(path, "entities", token="1") == [NAME] * 4


def test_placeholders_are_no_tags(write: Callable[..., Path]) -> None:
    path = write("a.txt", sentences(2, "{w}\t{pos}\t_"))
    assert parse(path, "tagged")[0]["tags"] == ["N", "N", "V"]
    treebank = sentences(2, "{k}\t{w}\t_\t{pos}\tx\t_\t{k}\tdep\t_\t_")
    path = write("c.txt", treebank)
    assert parse(path, "tagged")[0]["tags"] == ["N", "N", "V"]
    conll = "#begin document (a); part 000\n"
    conll += sentences(2, "a 0 {k} {w} {pos} (* - - - * -") + "#end document\n"
    path = write("b.conll", conll)
    assert parse(path, "tagged")[0] == {
        "tokens": NAME["tokens"],
        "tags": ["N", "N", "V"],
    }


def test_ten_columns_are_conllu_whatever_the_ending(write: Callable[..., Path]) -> None:
    row = "{one}\t{w}\t_\t{pos}\t{pos}\t_\t0\t_\t_\t_"
    for name in ("a.conll", "a.txt", "a.tsv"):
        path = write(name, "# a comment\n" + sentences(2, row))
        assert parse(path, "tagged")[1]["tags"] == ["N", "N", "V"]
        assert "token = FORM, tag = UPOS" in description(path, "tagged")


def test_comments(write: Callable[..., Path]) -> None:
    body = sentences(2, "{w} _ _ {tag}")
    path = write("a.conll", f"# id 7f\tdomain=en\n{body}# id 80\n{body}")
    assert parse(path, "entities") == [NAME] * 4
    remark = "comment lines left out: 2, the first at a.conll:1"
    assert formats.plan(path, "entities").remarks == (remark,)
    text = f"# newdoc\n{sentences(1, '{w} {pos}')}# SYM\n! SYM\n"
    tokens = [row["tokens"] for row in parse(write("b.txt", text), "tagged")]
    assert tokens == [NAME["tokens"], ["#", "!"]]
    path = write("c.txt", "#lio\tN\n#\t#\nhums\tV\n\n#\tSYM\n")
    tokens = [row["tokens"] for row in parse(path, "tagged")]
    assert tokens == [["#lio", "#", "hums"], ["#"]]
    with pytest.raises(FormatError, match="d.txt:2: expected 2 columns"):
        parse(write("d.txt", "Lio\tN\n# a comment\nhums\tV\n"), "tagged")


def test_a_header_names_the_columns(write: Callable[..., Path]) -> None:
    body = sentences(2, "{tag}\t{w}\t{pos}")
    path = write("a.txt", "NER\tWord\tPOS\n" + body)
    assert parse(path, "entities") == [NAME] * 2
    assert parse(path, "tagged")[0]["tags"] == ["N", "N", "V"]
    assert parse(path, "tagged", tag="NER")[0]["tags"] == NAME["tags"]
    with pytest.raises(FormatError, match="a number from 0 to 2 or one of NER, Word"):
        parse(path, "tagged", tag="XPOS")
    path = write("b.txt", "word\ttag\nword\ttag\nLio\tN\n")
    assert parse(path, "tagged")[0]["tokens"] == ["word", "word", "Lio"]


def test_files_with_different_columns_are_refused(
    write: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    write("train.txt", sentences(3, "{one} {w} {tag}"))
    write("dev.txt", "1 Lio B-PER\n")
    write("test.txt", "Vant N O\n")
    flags = "columns 1 and 2 of the first, 0 and 2 of the second: name them with --tok"
    with pytest.raises(DataError, match=flags):
        load(Source(str(tmp_path)), "entities", cache_dir=cache)
    source = Source(str(tmp_path), token_column="1", tag_column="2")
    splits = load(source, "entities", cache_dir=cache)
    assert splits.dev[0] == {"tokens": ["Lio"], "tags": ["B-PER"]}


def test_compressed_files_and_cr(write: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "a.conll.gz"
    path.write_bytes(gzip.compress(sentences(2, "{w} {tag}").encode()))
    assert parse(path, "entities") == [NAME] * 2
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FormatError, match="a complete gzip file"):
        parse(path, "entities")
    path = write("b.conll", sentences(2, "{w} {tag}").replace("\n", "\r"))
    assert parse(path, "entities") == [NAME] * 2


def test_a_broken_tag_is_read_and_reported(write: Callable[..., Path]) -> None:
    path = write("a.conll", sentences(3, "{w} {tag}") + "hums O\nVant I-LOC\n")
    assert parse(path, "entities")[3]["tags"] == ["O", "B-LOC"]
    (remark,) = formats.plan(path, "entities").remarks
    expected = "tags that break BIO2, read as conlleval reads them: 1, the first at "
    assert remark == expected + "a.conll:14"
