"""The parameters of another model: rows by token or label, layers by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.pipelines import reader
from tests.helpers.tolerances import assert_identical
from tests.helpers.training import flags, losses, weights
from zoo import artifact, train
from zoo.pipelines import (
    ClassifierPipeline,
    LanguageModelPipeline,
    Seq2SeqPipeline,
    TaggerPipeline,
)
from zoo.tasks.configs import CONFIGS
from zoo.tasks.layer_groups import dotted
from zoo.tasks.registry import TASKS
from zoo.tasks.run import flags as run_flags
from zoo.tasks.run.errors import RunError
from zoo.tasks.transfer import transfer
from zoo.text import Text, Vocabulary, Words

SIZES = {"embedding_dim": 4, "hidden_size": 3, "num_layers": 1}


def classifier(texts: list[str], labels: str, seed: int, **options: Any) -> Any:
    text = Text.build(texts, lowercase=True)
    known = Vocabulary(labels.split(), reserved=0)
    sizes = {"vocab_size": len(text.vocabulary), "num_labels": len(known)}
    return ClassifierPipeline({**SIZES, **sizes, **options}, text, known, seed=seed)


def language_model(texts: list[str], seed: int, *units: str, **options: Any) -> Any:
    text = Text.build(texts, *units)
    sizes = {"vocab_size": len(text.vocabulary)}
    return LanguageModelPipeline({**SIZES, **sizes, **options}, text, seed=seed)


def tagger(sentences: list[str], labels: str, seed: int, **options: Any) -> Any:
    words = Words.build([sentence.split() for sentence in sentences])
    known = Vocabulary(labels.split(), reserved=0)
    sizes = {
        "vocab_size": len(words.words),
        "num_labels": len(known),
        "num_chars": len(words.chars),
        "char_size": 5,
        "use_crf": True,
    }
    return TaggerPipeline({**SIZES, **sizes, **options}, words, known, seed=seed)


def arrays(pipeline: Any) -> dict[str, np.ndarray]:
    return {name: np.array(a) for name, a in dotted(pipeline.params).items()}


def start(
    old: Any, new: Any, task: str = "classification", **options: Any
) -> tuple[Any, dict[str, np.ndarray], list[str]]:
    """Return the new model, its parameters before, and the notes."""
    before = arrays(new)
    config = CONFIGS[task](**options)
    grown, notes = transfer(old, new, config, Path("old"))
    return grown, before, notes


def rows(old: Vocabulary, new: Vocabulary) -> list[tuple[int, int]]:
    """Return the IDs of each token that both have, by a search."""
    return [
        (i, k)
        for i, token in enumerate(new.tokens)
        for k, other in enumerate(old.tokens)
        if token == other and (i < new.reserved) == (k < old.reserved)
    ]


def test_rows_are_taken_by_token_and_label() -> None:
    old = classifier(["the cat sat", "the <pad>", "dog"], "bad fine good", 1)
    new = classifier(["The dog ran", "cat"], "awful bad good", 2)
    small = len(new.text.vocabulary)
    grown, before, notes = start(old, new)
    ours, theirs = grown.text.vocabulary, old.text.vocabulary
    # The tokens of train come first; those of the old model follow in its order.
    assert ours.tokens[2:small] == ["cat", "dog", "ran", "the"]
    assert ours.tokens[small:] == ["<", ">", "pad", "sat"]
    assert grown.options["vocab_size"] == len(ours) and ours.counts[small:] == [0] * 4
    was, now = arrays(old), arrays(grown)
    expected = np.zeros_like(now["embedding.table"])
    expected[:small] = before["embedding.table"]
    for i, k in rows(theirs, ours):
        expected[i] = was["embedding.table"][k]
    np.testing.assert_array_equal(now["embedding.table"], expected)
    output = before["output.W"].copy(), before["output.b"].copy()
    for i, k in [(1, 0), (2, 2)]:
        output[0][:, i], output[1][i] = was["output.W"][:, k], was["output.b"][k]
    assert_identical((now["output.W"], now["output.b"]), output)
    layers = [name for name in now if name.startswith("layers.")]
    assert_identical([now[n] for n in layers], [was[n] for n in layers])
    assert notes == [
        "taken: embedding (7 of 8 tokens), layers.0.backward, layers.0.forward, output "
        "(2 of 3 labels)",
        "words that the old model lacks: 'ran'",
        "words of the old model added to the vocabulary: 4",
    ]
    assert grown.predict(["the cat"])[0].label in ("awful", "bad", "good")


@pytest.mark.parametrize(
    "cell, given",
    [
        ("lstm", {"bias": True, "param_dtype": "float32"}),
        ("lstm", {"learn_initial_state": False, "merge": "concat"}),
        ("lstm", {"unroll": 4, "backend": "scan", "remat": "none"}),
        ("clockwork_rnn", {"periods": [1, 2, 4, 8]}),
    ],
)
def test_a_default_is_equal_to_an_option_that_is_not_given(
    cell: str, given: dict[str, Any]
) -> None:
    sizes: Any = {"cell": cell, "hidden_size": 8}
    for options in [({}, given), (given, {})]:
        old, new = (classifier(["a b"], "x y", 1, **sizes, **o) for o in options)
        assert start(old, new)[2] == [
            "taken: embedding (2 of 2 tokens), layers.0.backward, layers.0.forward, "
            "output (2 of 2 labels)"
        ]


def test_layers_with_other_options_are_initialised() -> None:
    old = classifier(["a b"], "x y", 1, zoneout=0.1)
    grown, before, notes = start(old, classifier(["a b"], "x y", 2, bias=True))
    name = "layers.layers.0.forward.cell.W"
    assert_identical(arrays(grown)[name], before[name])
    assert "layers.0.forward (zoneout is 0.1 there" in notes[1]


def test_the_vocabulary_grows_only_for_a_part_that_is_taken() -> None:
    old = tagger(["aé b"], "x", 1, char_size=4)
    new = tagger(["a b"], "x", 2, char_size=6)  # the convolution has another shape
    grown, before, notes = start(old, new, "pos")
    assert "é" not in grown.words.chars.tokens
    assert (
        "chars (shape [90, 4] of W.0 there; not taken: W.0, b, embedding.table)"
        in notes[1]
    )
    table = "chars.embedding.table"
    np.testing.assert_array_equal(arrays(grown)[table], before[table])


@pytest.mark.parametrize("text", ["a b", "c d"])  # with and without a token in common
@pytest.mark.parametrize(
    "ours, theirs, reason",
    [
        ({"vector_dim": 6}, {}, "projection.W is not in the other model"),
        ({"vector_dim": 6}, {"vector_dim": 7}, "shape [7, 4] of projection.W there"),
        ({}, {"embedding_dim": 5}, "shape [4, 5] of table there"),
    ],
)
def test_no_token_of_an_embedding_with_other_sizes(
    text: str, ours: dict[str, int], theirs: dict[str, int], reason: str
) -> None:
    old = classifier(["a b"], "x y", 1, **theirs)
    new = classifier([text], "x y", 2, **ours)
    before = new.text.vocabulary.tokens
    grown, _, notes = start(old, new)
    assert grown.text.vocabulary.tokens == before
    names = sorted(n for n in arrays(old) if n in arrays(new) and n[:5] == "embed")
    local = ", ".join(name.removeprefix("embedding.") for name in names)
    assert f"embedding ({reason}; not taken: {local})" in notes[1]


def test_parameters_of_a_taken_part_that_are_not_used_are_named() -> None:
    old = classifier(["a b"], "x y", 1, vector_dim=6)
    new = classifier(["a b"], "x y", 2, embedding_dim=6)
    assert (
        "not used: embedding.projection.W, embedding.projection.b"
        in (start(old, new)[2])
    )


def test_a_language_model_that_predicts_only_some_of_its_tokens() -> None:
    """Those that ``--vectors`` adds, and those of the old model, are only read."""
    old = language_model(["a b c"], 1, "words", num_outputs=4)  # a, b
    new = language_model(["b d c"], 2, "words", num_outputs=4)  # b, c
    new.stored_dtypes = {"embedding/table": "float16"}
    grown, before, _ = start(old, new, "charlm", units="words")
    assert grown.text.vocabulary.tokens[2:] == ["b", "c", "d", "a"]
    was, now = arrays(old), arrays(grown)
    expected = before["output.W"].copy()
    # The reserved tokens and b are predicted by both, c by the new model alone.
    expected[:, [0, 1, 2]] = was["output.W"][:, [0, 1, 3]]
    np.testing.assert_array_equal(now["output.W"], expected)
    table = was["embedding.table"][[0, 1, 3, 4, 0, 2]]
    table[4] = before["embedding.table"][4]
    np.testing.assert_array_equal(now["embedding.table"], table)
    assert grown.stored_dtypes == new.stored_dtypes


def test_a_limit_of_the_vocabulary_and_words_that_no_text_has() -> None:
    old = classifier(["one two three three"], "a b", 1)
    old.text.vocabulary = Vocabulary(
        [*old.text.vocabulary.tokens[:-1], "Two"], reserved=2
    )
    new = classifier(["two four"], "a b", 2)
    grown, _, notes = start(old, new, vocab_size=3)
    # Of a lower-case text no token is "Two".
    assert grown.text.vocabulary.tokens[2:] == ["four", "two", "three"]
    assert "words of the old model left out: 1 (--vocab-size 3)" in notes
    new = classifier(["two four"], "a b", 2)
    limits = {"vocab_size": 2, "vector_words": 1, "vectors": "file"}
    notes = start(old, new, **limits)[2]
    note = "words of the old model left out: 1 (--vocab-size 2, --vector-words 1)"
    assert note in notes


@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model_to_another(tied: bool) -> None:
    options = {"tied": tied, "hidden_size": 4, "num_layers": 2}
    old = language_model(["hello"], 1, "chars", **options)
    new = language_model(["low"], 2, "chars", **options)
    grown, before, notes = start(old, new, "charlm")
    ours, theirs = grown.text.vocabulary, old.text.vocabulary
    assert ours.tokens[2:] == ["l", "o", "w", "e", "h"]
    was, now = arrays(old), arrays(grown)
    # Characters that train lacks are read, and not predicted.
    assert grown.num_outputs == len(now["output.b"]) == 5
    for i, k in rows(theirs, ours):
        assert_identical(now["embedding.table"][i], was["embedding.table"][k])
        if i >= 5:
            continue
        assert now["output.b"][i] == was["output.b"][k]
        if not tied:
            assert_identical(now["output.W"][:, i], was["output.W"][:, k])
    w = ours.number("w")
    assert_identical(now["embedding.table"][w], before["embedding.table"][w])
    assert ("output.W" in now) != tied
    assert_identical(now["layers.layers.1.cell.U"], was["layers.layers.1.cell.U"])
    assert "characters that the old model lacks: 'w'" in notes


def test_a_tagger_to_another_with_characters_and_transitions() -> None:
    old = tagger(["Anna ran", "in Oslo"], "DET NOUN VERB", 1)
    new = tagger(["Bob ran"], "ADJ NOUN VERB", 2)
    grown, before, notes = start(old, new, "pos")
    was, now = arrays(old), arrays(grown)
    transitions = before["transitions.between"].copy()
    transitions[1:, 1:] = was["transitions.between"][1:, 1:]
    assert_identical(now["transitions.between"], transitions)
    words, chars = grown.words.words, grown.words.chars
    assert words.tokens[2:] == ["bob", "ran", "anna", "in", "oslo"]
    assert chars.tokens[2:8] == ["B", "a", "b", "n", "o", "r"]
    for i, k in rows(old.words.chars, chars):
        row = was["chars.embedding.table"][k]
        assert_identical(now["chars.embedding.table"][i], row)
    assert_identical(now["chars.W.0"], was["chars.W.0"])
    assert_identical(now["shapes.table"], was["shapes.table"])
    assert "characters that the old model lacks: 'B', 'b'" in notes


def test_a_language_model_to_classifiers() -> None:
    old = language_model(["the cat sat"], 1, num_layers=2)
    # One direction: all layers.
    new = classifier(["the dog"], "a b", 2, num_layers=2, bidirectional=False)
    grown, before, notes = start(old, new)
    was, now = arrays(old), arrays(grown)
    for k in (0, 1):
        name = f"layers.layers.{k}.cell.W"
        assert_identical(now[name], was[name])
    assert_identical(now["output.W"], before["output.W"])
    # Both directions: one forward layer.
    new = classifier(["the dog"], "a b", 2)
    grown, before, notes = start(old, new)
    now = arrays(grown)
    for part in "WUb":
        forward = now[f"layers.layers.0.forward.cell.{part}"]
        assert_identical(forward, was[f"layers.layers.0.cell.{part}"])
        name = f"layers.layers.0.backward.cell.{part}"
        assert_identical(now[name], before[name])
    assert notes[0] == "taken: embedding (3 of 4 tokens), layers.0.forward"
    assert notes[1] == (
        "initialised: layers.0.backward (not in the other model), output (shape [3, 5] "
        "of W there; not taken: W, b)"
    )
    assert notes[2] == "not used: layers.1"
    assert notes[-1].endswith(
        "lowercase is False in the old model, True here; tokens that differ have no "
        "common row"
    )


def test_a_sequence_to_sequence_model_to_another() -> None:
    def build(sources: list[str], targets: list[str], seed: int) -> Any:
        source = Text.build(sources)
        target = Text.build(targets, "symbols", marks=True)
        sizes = {
            "source_vocab_size": len(source.vocabulary),
            "target_vocab_size": len(target.vocabulary),
        }
        return Seq2SeqPipeline({**SIZES, **sizes}, source, target, 7, seed=seed)

    old, new = build(["a b"], ["X Y Z"], 1), build(["b c"], ["Y W"], 2)
    grown, before, _ = start(old, new, "seq2seq")
    was, now = arrays(old), arrays(grown)
    assert grown.source.vocabulary.tokens[2:] == ["b", "c", "a"]
    assert grown.target.vocabulary.tokens[4:] == ["W", "Y", "X", "Z"]
    for i, k in rows(old.target.vocabulary, grown.target.vocabulary):
        name = "decoder.embedding.table"
        assert_identical(now[name][i], was[name][k])
        name = "decoder.output.W"
        assert_identical(now[name][:, i], was[name][:, k])
    w = grown.target.vocabulary.number("W")
    assert_identical(now["decoder.output.W"][:, w], before["decoder.output.W"][:, w])
    for name in ("bridge.projections.0.W", "decoder.layers.layers.0.cell.W"):
        assert_identical(now[name], was[name])
    assert grown.predict(["a b"], beam=1)[0].outputs


def test_constants_come_with_their_layer() -> None:
    old, new = reader(cell="esn"), reader(cell="esn")
    other = type(new)(new.options, symbols=3, seed=5)
    grown, _, _ = start(old, other, "memory")
    x = {"x": np.eye(3, dtype=np.float32)[None], "mask": np.ones((1, 3), bool)}
    assert_identical(*(p.apply(p.params, x["x"], x["mask"]) for p in (grown, old)))


def test_other_layers_leave_the_embedding() -> None:
    old = language_model(["the cat"], 1, cell="gru")
    new = classifier(["the dog"], "a b", 2, bidirectional=False)
    _, _, notes = start(old, new)
    assert notes[0] == "taken: embedding (2 of 3 tokens)"
    assert notes[1].startswith(
        "initialised: layers.0 (cell gru there; not taken: cell.U, cell.W, cell.b), "
        "output ("
    )


def test_what_cannot_be_taken_is_an_error() -> None:
    words = language_model(["the cat"], 1)
    new = classifier(["the dog"], "a b", 2, num_layers=2)
    with pytest.raises(ValueError, match="read forward; .*add --no-bidirectional, or"):
        start(words, new)
    one = classifier(["the dog"], "a b", 2, bidirectional=False)
    both = classifier(["the dog"], "a b", 2)
    with pytest.raises(
        ValueError, match="read in both directions.*add --bidirectional"
    ):
        start(both, one)
    chars = language_model(["the cat"], 1, "chars")
    with pytest.raises(ValueError, match="its embeddings are of chars, .* of words"):
        start(chars, one)
    backward = language_model(["the cat"], 1)
    backward.backward = True
    reason = "reads a text {}, this run {}: train both with --backward, or both without"
    for new in (one, both, words):
        with pytest.raises(ValueError, match=reason.format("backward", "forward")):
            start(backward, new)
    with pytest.raises(ValueError, match=reason.format("forward", "backward")):
        start(words, backward)
    other = language_model(["the cat"], 1, embedding_dim=5, hidden_size=7)
    with pytest.raises(
        ValueError,
        match=r"no parameter can be taken \(embedding: shape \[4, 5\] of table there; "
        r"not taken: table; layers\.0: shape \[.*; not taken: cell.U, cell.W, cell.b; "
        r"output: ",
    ):
        start(other, one)
    # Labels and tokens are different, whatever their names and shapes.
    small = language_model(["a b"], 1, embedding_dim=9, hidden_size=3)
    with pytest.raises(
        ValueError, match="output: W is for tokens there; not taken: W, b"
    ):
        start(small, classifier(["c"], "a b c d", 2, bidirectional=False))


class Stop(Exception):
    """The end of a process, between two steps."""


def test_a_fine_tuned_run_resumes_without_the_other(
    tmp_path: Path, output_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "finish", lambda training: None)
    args = ["charlm", *flags("charlm", tmp_path)]
    kind: Any = TASKS["charlm"]
    data = tmp_path / "old.txt"
    data.write_text("To do is to be; 2 be is 2 do.\n" * 60)
    sizes = {"hidden_size": 8, "num_layers": 1, "embedding_dim": 8}
    old = kind(kind.Config(data=str(data), seed=7, **sizes))
    artifact.save(tmp_path / "old", old.pipeline)
    # Three groups; the layer from the second epoch on, the embedding never.
    args += ["--init", tmp_path / "old", "--unfreeze-every", 1, "--layer-decay", 0.5]
    args += ["--freeze", "layers.*.b", "--ema", 0.9, "--schedule", "slanted"]
    whole, out = tmp_path / "whole", tmp_path / "killed"
    printed = output_of(*args, "--out", whole, command="train")
    assert "note: --init" in printed and "of them trained" in printed
    model: Any = artifact.load(whole)
    assert "2" in model.text.vocabulary.tokens  # only of the old model
    assert "of them trained" in output_of(whole, command="info")

    step = train.Program.train_step

    def stop(self: Any, state: Any, batch: Any, number: int) -> Any:
        if number == 40:
            raise Stop
        return step(self, state, batch, number)

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(train.Program, "train_step", stop)
        often = ("--checkpoint-seconds", 0, "--debug")
        output_of(*args, *often, "--out", out, command="train")
    for path in (tmp_path / "old").iterdir():
        path.unlink()
    again = output_of("charlm", "--out", out, "--resume", command="train")
    assert "resuming in epoch 2, after " in again
    assert_identical(weights(out), weights(whole))
    assert losses(out) == losses(whole)
    one, other = (json.loads((p / "config.json").read_text()) for p in (out, whole))
    assert one["digests"] == other["digests"]
    notes = [line for line in printed.splitlines() if "note: --init" in line]
    assert notes == [line for line in again.splitlines() if "note: --init" in line]


def test_a_missing_model_is_an_error(
    tmp_path: Path, error_of: Callable[..., str]
) -> None:
    message = error_of("memory", "--init", tmp_path / "none", "--out", tmp_path / "run")
    assert message.startswith(f"error: --init: no model in {tmp_path / 'none'}: ")
    assert not (tmp_path / "run" / "config.json").exists()


def test_the_old_model_may_be_moved_before_a_resume_but_not_changed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    config = CONFIGS["pos"](init="before", out=folder, resume=True)
    saved = run_flags.describe(
        "pos", run_flags.to_json(config), {"the model of --init": "1"}
    )
    (folder / "config.json").write_text(json.dumps(saved))
    moved = CONFIGS["pos"](init="after", out=folder, resume=True)
    assert run_flags.of_run(moved, "pos").init == "after"
    left_out = CONFIGS["pos"](out=folder, resume=True)
    assert run_flags.of_run(left_out, "pos").init == "before"
    run_flags.check_unchanged(folder, "pos", run_flags.of_run(moved, "pos"))
    run_flags.check_digests(folder, {"the model of --init": "1"})
    with pytest.raises(RunError, match="the model of --init changed"):
        run_flags.check_digests(folder, {"the model of --init": "2"})
