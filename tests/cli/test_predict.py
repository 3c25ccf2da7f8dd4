"""``zoo predict``: one output for each input, and wrong bytes."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
import zoo.__main__
from tests.helpers.pipelines import pipelines
from zoo.pipelines import ClassifierPipeline, Seq2SeqPipeline, TaggerPipeline
from zoo.tasks.data.formats.lines import numbered_lines
from zoo.text import Text, Vocabulary, Words

OPTIONS = {"embedding_dim": 4, "hidden_size": 4}
TEXTS = ["", "a cat", "  ", "a dog"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an untrained classifier and an untrained tagger."""
    folder = tmp_path_factory.mktemp("models")
    text = Text.build(["a cat", "a dog"])
    options = {**OPTIONS, "vocab_size": len(text.vocabulary), "num_labels": 2}
    classifier = ClassifierPipeline(options, text, Vocabulary(["no", "yes"]))
    zoo.save(folder / "classifier", classifier)
    words = Words.build([["a", "cat"]])
    options = {**OPTIONS, "vocab_size": len(words.words), "num_labels": 3}
    options |= {"num_chars": len(words.chars), "chars": "none", "shape_dim": 0}
    tags = ["B-X", "I-X", "O"]
    for name, bio in (("pos", None), ("ner", tags)):
        tagger = TaggerPipeline({**options, "bio_labels": bio}, words, Vocabulary(tags))
        zoo.save(folder / name, tagger)
    return folder


@pytest.fixture
def output_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Return a function that runs the command: its output and its errors."""

    def output_of(*args: object, stdin: bytes = b"") -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["zoo", "predict", *map(str, args)])
        binary: Any = io.BytesIO(stdin)
        stream = io.TextIOWrapper(io.BufferedReader(binary))
        monkeypatch.setattr(sys, "stdin", stream)
        try:
            zoo.__main__.main()
        except SystemExit as exit:
            assert exit.code == 1
        return capsys.readouterr()

    return output_of


@pytest.mark.parametrize("kind", ["classifier", "pos", "ner"])
def test_one_output_for_each_line(
    models: Path, output_of: Callable[..., tuple[str, str]], tmp_path: Path, kind: str
) -> None:
    content = "\n".join(TEXTS) + "\n"
    path = tmp_path / "texts.txt"
    path.write_text(content, encoding="utf-8")
    for args in [("--file", path), ("--file", "-"), ()]:
        out, _ = output_of(models / kind, *args, "--json", stdin=content.encode())
        assert [json.loads(line)["text"] for line in out.splitlines()] == TEXTS
        out, _ = output_of(models / kind, *args, stdin=content.encode())
        assert len(out.splitlines()) == len(TEXTS) * (3 if kind == "pos" else 1)


def test_encodings(
    models: Path, output_of: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    model, path = models / "classifier", tmp_path / "texts.txt"
    text = "кот\n\nпёс"
    for name, content in (
        ("utf-8", text.encode("utf-8-sig")),
        ("utf-16", text.encode("utf-16")),
        ("utf-16-le", ("\ufeff" + text).encode("utf-16-le")),
        ("utf-32-be", text.encode("utf-32-be")),
        ("cp1251", text.encode("cp1251")),
    ):
        path.write_bytes(content)
        for args in [("--file", path), ()]:
            flags = ("--encoding", name, "--json")
            out, _ = output_of(model, *args, *flags, stdin=content)
            texts = [json.loads(line)["text"] for line in out.splitlines()]
            assert texts == ["кот", "", "пёс"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"\xef\xbb\xbfa b\r\n\r\nc", ["a b", "", "c"]),
        (b"a b\r\rc\r", ["a b", "", "c"]),
        (b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e\n", ["a\x0bb\x0cc\x85d\u2028e"]),
        (b"", []),
        (b"\n", [""]),
        (b"\r", [""]),
    ],
)
def test_lines_are_those_of_training(
    models: Path,
    output_of: Callable[..., tuple[str, str]],
    tmp_path: Path,
    content: bytes,
    texts: list[str],
) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    assert [line for _, line in numbered_lines(path, "utf-8")] == texts
    for args in [("--file", path), ()]:
        out, _ = output_of(models / "classifier", *args, "--json", stdin=content)
        assert [json.loads(line)["text"] for line in out.split("\n")[:-1]] == texts


def test_errors_of_the_file_and_the_flags(
    models: Path, output_of: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    model = models / "classifier"
    path = tmp_path / "texts.txt"
    path.write_text("abcd")
    wrong = tmp_path / "text.txt"
    no_such = "no such encoding of text; expected one such as utf-8, utf-16-le, "
    no_such += "latin-1 or cp1251"
    for args, error in [
        (("--file", wrong), f"--file {wrong}: no such file; did you mean {path}?"),
        (("--file", tmp_path), f"--file {tmp_path}: Is a directory"),
        (("a", "b\udcff"), "text 2: expected text in utf-8, got b'\\xff'"),
        (("--file", path, "--encoding", "hex"), f"--encoding hex: {no_such}"),
        (
            ("--file", path, "--encoding", "utf-16"),
            f"{path}: expected a byte order mark at the start, as in utf-16; without "
            "one, name the order with --encoding utf-16-le or utf-16-be",
        ),
        (
            ("a", "--batch-size", "0"),
            "--batch-size must be an int of 1 or more, got 0",
        ),
    ]:
        assert output_of(model, *args) == ("", f"error: {error}\n")


def test_a_source_that_is_too_long_is_said(
    output_of: Callable[..., tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Seq2SeqPipeline, "max_source", 3)
    zoo.save(tmp_path / "model", pipelines()[3])
    out, error = output_of(tmp_path / "model", "--json", "a", "d o g d o g")
    unread = [json.loads(line)["unread"] for line in out.splitlines()]
    assert unread[0] == 0 < unread[1]
    assert error == f"note: text 2: its last {unread[1]} tokens are not read\n"


def test_a_wrong_byte_is_an_error(
    models: Path, output_of: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    content = "a\n\nкот\n".encode("cp1251")
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    for args, name in [(("--file", path), path), ((), "standard input")]:
        _, error = output_of(models / "classifier", *args, stdin=content)
        assert error == (
            f"error: {name}:3: expected text in utf-8 (name another encoding with "
            "--encoding), got b'\\xea\\xee\\xf2'\n"
        )
    _, error = output_of(models / "classifier", "--encoding", "utf-9", stdin=b"a")
    assert error.startswith("error: --encoding utf-9: no such encoding of text; ")
