"""A language model that reads from the last token to the first."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.helpers.parsed_page import Page
from tests.helpers.training import losses, weights
from zoo.pipelines import LanguageModelPipeline
from zoo.text import Text

SIZES = ["--hidden-size", 8, "--embedding-dim", 8, "--num-layers", 1, "--epochs", 2]
SIZES += ["--max-length", 20, "--batch-size", 4, "--dropout", 0.2]
TEXTS = {
    "train": "To be, or not to bé:\nthat is the question.\n" * 30,
    "dev": "Whether 'tis nobler in the mind to suffer\n" * 7,
    "test": "not to be: that is the question,\n" * 50,
}


def files(folder: Path, texts: dict[str, str]) -> list[Any]:
    """Write a file for each split, and return their flags."""
    folder.mkdir()
    arguments: list[Any] = []
    for split, text in texts.items():
        (folder / f"{split}.txt").write_text(text)
        arguments += [f"--{split}-file", folder / f"{split}.txt"]
    return arguments


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backward")


def test_it_is_a_forward_model_of_the_reversed_text(
    folder: Path, output_of: Callable[..., str]
) -> None:
    reversed_texts = {split: text[::-1] for split, text in TEXTS.items()}
    reversed_files = files(folder / "reversed", reversed_texts)
    own_files = files(folder / "own", TEXTS)
    forward, backward = folder / "forward", folder / "backward"
    output_of("charlm", *SIZES, *reversed_files, "--out", forward, command="train")
    args = ["charlm", *SIZES, *own_files, "--out", backward, "--backward"]
    printed = output_of(*args, command="train")
    assert "--prompt ' is the question,' --length" in printed
    report = Page((backward / "report.html").read_text())
    for sample in report.all("pre", "sample"):
        assert sample.text.endswith(" is the question,")
    assert len(report.all("pre", "sample")) == 3
    *surprising, end = [paragraph.text for paragraph in report.all("p", "characters")]
    lines = TEXTS["test"][:-1].replace("\n", "⏎")
    assert lines.endswith(end.replace("\n", "")) and len(end) > 500
    assert len(surprising) == 20
    for text in surprising:
        assert text.replace("␣", " ") in lines
    assert "direction        backward" in output_of(backward, command="info")
    assert '"backward": true' in (backward / "model" / "README.md").read_text()
    assert losses(forward) == losses(backward)
    ours, theirs = weights(backward), weights(forward)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])
    scores = [json.loads((f / "metrics.json").read_text()) for f in (forward, backward)]
    assert scores[0]["test"] == scores[1]["test"]
    nats = f"nats           {scores[0]['test']['nats']:.4f}"
    assert nats in output_of(backward, command="evaluate")
    other = output_of(
        backward, "--test-file", folder / "own/test.txt", command="evaluate"
    )
    assert nats in other
    ahead = output_of(
        backward, "--test-file", folder / "reversed/test.txt", command="evaluate"
    )
    assert nats not in ahead


def pair(units: str) -> list[LanguageModelPipeline]:
    """Return a forward and a backward model with the same parameters."""
    text = Text.build(["to be, or not to be:\nthat is"], units)
    options = {"vocab_size": len(text.vocabulary), "embedding_dim": 6, "hidden_size": 5}
    return [
        LanguageModelPipeline(options, text, backward=backward, seed=1)
        for backward in (False, True)
    ]


def test_it_writes_what_precedes_the_prompt() -> None:
    """The tokens are those of the forward model after the reversed prompt."""
    forward, backward = pair("chars")
    options: dict[str, Any] = {"length": 30, "top_p": 0.9, "seed": 3}
    written = list(forward.generate("eb", **options))
    pieces = list(backward.generate("be", **options))
    assert pieces == written != list(backward.generate("eb", **options))
    completion = list(backward.completion("be", iter(pieces)))
    assert completion == [*pieces[::-1], "be"]
    assert list(forward.completion("eb", written)) == ["eb", *written]
    assert list(backward.generate(**options)) == list(forward.generate(**options))


def test_its_words_are_separated_on_their_right() -> None:
    forward, backward = pair("words")
    written = list(forward.generate("be to", 5, seed=2))
    pieces = list(backward.generate("to be", 5, seed=2))
    assert pieces == [word[1:] + " " for word in written]
    assert all(word[0] == " " for word in written)
    *words, last, prompt = "".join(backward.completion("to be", pieces)).split(" ")
    assert [last, prompt] == ["to", "be"]
    assert words == [word.strip() for word in reversed(written)]


def test_a_saved_model_keeps_its_direction(
    tmp_path: Path, output_of: Callable[..., str]
) -> None:
    forward, backward = pair("chars")
    assert forward.to_json().keys() == {"options", "text"}
    assert backward.to_json() == {**forward.to_json(), "backward": True}
    zoo.save(tmp_path, backward)
    loaded = zoo.load(tmp_path)
    assert isinstance(loaded, LanguageModelPipeline) and loaded.backward
    assert list(loaded.generate("be", 9)) == list(backward.generate("be", 9))
    args = ["--prompt", "be", "--length", 9, "--temperature", 0]
    pieces = list(backward.generate("be", 9, temperature=0))
    printed = output_of(tmp_path, *args, command="generate")
    assert printed == "".join(pieces[::-1]) + "be\n"
    wrong = {**forward.to_json(), "backward": 1}
    with pytest.raises(TypeError, match="pipeline.backward must be bool, got 1"):
        LanguageModelPipeline.from_json(wrong)
