"""--features: contextual string embeddings of taggers and classifiers."""

import importlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import zoo
from zoo import artifact
from zoo.pipelines import LanguageModelPipeline
from zoo.tasks import context, optimizers
from zoo.tasks.configs import CONFIGS
from zoo.tasks.context import context_of
from zoo.tasks.data import arrow_cache, entries
from zoo.tasks.evaluate import TASKS as TASK_CLASSES
from zoo.tasks.program import Program
from zoo.tasks.run.errors import RunError
from zoo.text import Text, Vocabulary

pytestmark = pytest.mark.usefixtures("data_cache", "standard_promotion")

SENTENCES = ["the dog runs", "a dog", "Oslo runs to the sea and to the dog"]


@pytest.fixture
def models(tmp_path: Path) -> str:
    """Write language models that read forward and backward, and return the flag."""
    text = Text(Vocabulary.build(list("\n abcdeghnorstuO")), "chars")
    for name, backward in (("forward", False), ("backward", True)):
        options = {
            "vocab_size": len(text.vocabulary),
            "embedding_dim": 3,
            "hidden_size": 4,
            "num_layers": 1,
            "tied": False,
        }
        seed = int(backward)
        pipeline = LanguageModelPipeline(options, text, backward=backward, seed=seed)
        zoo.save(tmp_path / name, pipeline)
    return f"{tmp_path / 'forward'}, {tmp_path / 'backward'}"


def build(name: str, folder: Path, **more: Any) -> Any:
    """Return a task with features."""
    flags: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "batch_size": 2}
    flags["dropout"] = 0.0
    if name == "classification":
        lines = [f"{text},{k % 2}" for k, text in enumerate(SENTENCES)]
        content = "\n".join(["text,label", *lines])
    else:
        flags |= {"char_size": 2, "char_dim": 2}
        tag = {"pos": "X", "ner": "O"}[name]
        rows = ["".join(f"{w} {tag}\n" for w in s.split()) for s in SENTENCES]
        content = "\n".join([*rows, "Oslo B-LOC\n"])
    path = folder / (f"{name}.csv" if name == "classification" else f"{name}.conll")
    path.write_text(content)
    files: dict[str, Any] = {
        f"{split}_file": (str(path),) for split in ("train", "dev", "test")
    }
    return TASK_CLASSES[name](CONFIGS[name](**flags | files | more))


def change(models: str) -> None:
    """Change the parameters of the first model."""
    folder = Path(models.split(",")[0])
    model: Any = artifact.load(folder)
    model.model.embedding.table[...] *= 2
    model.bind()
    zoo.save(folder, model)


def vectors_of(pipeline: Any, text: str) -> np.ndarray:
    """Return the vectors of the words of a text."""
    reader = pipeline.context_reader
    return reader.vectors(pipeline.params, [text.split()])[0]


@pytest.mark.parametrize("name", ["classification", "pos", "ner"])
def test_batches_have_the_vectors_or_what_they_are_computed_from(
    name: str, tmp_path: Path, models: str
) -> None:
    # The words of a classifier are lower-cased.
    lower = {"lowercase": False} if name == "classification" else {}
    frozen = build(name, tmp_path, features=models, **lower)
    tuned = build(name, tmp_path, features=models, tune_features=True, **lower)
    expected = {len(s.split()): vectors_of(frozen.pipeline, s) for s in SENTENCES}
    module = tuned.pipeline.model
    for split in ("train", "dev"):
        for one, other in zip(
            frozen.batches(split, None), tuned.batches(split, None), strict=True
        ):
            assert "context_ids_0" not in one
            assert "context" not in other
            computed = np.asarray(context_of(module, other))
            np.testing.assert_allclose(one["context"], computed, atol=1e-6)
            for vectors, mask in zip(one["context"], one["mask"], strict=True):
                if mask.sum() > 1:
                    read = vectors[: mask.sum()]
                    np.testing.assert_allclose(read, expected[mask.sum()], atol=1e-6)
                assert not np.any(vectors[mask.sum() :])
    batch = next(frozen.batches("dev", None))
    assert context_of(frozen.pipeline.model, batch) is not None


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("name", ["classification", "ner"])
def test_the_models_change_only_if_they_are_tuned(
    name: str, tuned: bool, tmp_path: Path, models: str
) -> None:
    task = build(name, tmp_path, features=models, tune_features=tuned)
    before = jax.tree.map(np.array, task.pipeline.params)
    program = Program(task, optimizers.make(task.config, 10), 10)
    state = program.init_state(jax.tree.map(np.array, before), 0)
    batch = next(iter(program.batches("train", 0)))
    after = program.train_step(state, batch, 0)[0].params
    same = jax.tree.map(np.array_equal, before["context"], dict(after["context"]))
    assert all(jax.tree.leaves(same)) is not tuned
    assert not np.array_equal(before["output"]["W"], after["output"]["W"])
    # The prediction of the trained model, of batches and of texts.
    task.pipeline.params = after
    scored = program.evaluate(after, "dev", keep=True)
    by_length = {}
    for kept, arrays in scored.pairs:
        for mask, p in zip(
            kept["mask"],
            arrays["probabilities" if name == "classification" else "probability"],
            strict=True,
        ):
            by_length[int(mask.sum())] = p
    for text in SENTENCES:
        (result,) = task.pipeline.predict([text])
        p = by_length[len(text.split())]
        values = (
            list(result.probabilities.values())
            if name == "classification"
            else result.probabilities
        )
        np.testing.assert_allclose(values, p[: len(values)], atol=1e-5)


def test_vectors_are_computed_once(
    tmp_path: Path, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    original = entries._write

    def spy(fill: Any, folder: Path, key: str, ending: str) -> Path:
        written.append(ending)
        return original(fill, folder, key, ending)

    monkeypatch.setattr(entries, "_write", spy)
    change(models)  # other tests have a cache in common
    first = build("pos", tmp_path, features=models)
    assert written.count("vectors") == 1  # train, dev and test have one content
    written.clear()
    again = build("pos", tmp_path, features=models, hidden_size=8)
    assert "vectors" not in written
    pairs = zip(first.batches("dev", None), again.batches("dev", None), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one["context"], other["context"])
    change(models)
    third = build("pos", tmp_path, features=models)
    assert written.count("vectors") == 1
    assert not np.array_equal(
        next(third.batches("dev", None))["context"], one["context"]
    )
    name = "the models of --features"
    assert first.digests[name] == again.digests[name] != third.digests[name]


def test_errors(tmp_path: Path, models: str) -> None:
    with pytest.raises(ValueError, match="--tune-features needs --features"):
        build("pos", tmp_path, tune_features=True)
    for flag in ("", " ", f"{tmp_path},", f"{tmp_path},{tmp_path}"):
        with pytest.raises(ValueError, match="--features must name different runs"):
            build("pos", tmp_path, features=flag)
    with pytest.raises(RunError, match="--features: .*nowhere"):
        build("pos", tmp_path, features=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="--features needs --units words"):
        build("classification", tmp_path, features=models, units="chars")
    zoo.save(tmp_path / "tagger", build("pos", tmp_path).pipeline)
    with pytest.raises(ValueError, match="language model of characters.* a tagger"):
        build("pos", tmp_path, features=str(tmp_path / "tagger"))
    words = Text(Vocabulary.build(["dog"]), "words")
    of_words = LanguageModelPipeline({"vocab_size": len(words.vocabulary)}, words)
    zoo.save(tmp_path / "words", of_words)
    with pytest.raises(ValueError, match="got a language model of words"):
        build("pos", tmp_path, features=str(tmp_path / "words"))


def test_a_tagger_starts_from_another_and_its_models(
    tmp_path: Path, models: str
) -> None:
    first = build("pos", tmp_path, features=models)
    # As after --tune-features.
    first.pipeline.model.context.readers[0].embedding.table[...] *= 2
    first.pipeline.bind()
    zoo.save(tmp_path / "first", first.pipeline)
    more = {"init": str(tmp_path / "first"), "seed": 1}
    task = build("pos", tmp_path, features=models, **more)
    assert any("taken: chars" in note and ", context, " in note for note in task.notes)
    old, new = first.pipeline.params, task.pipeline.params
    for part in ("layers", "context"):
        jax.tree.map(np.testing.assert_array_equal, old[part], new[part])
    batch = next(task.batches("dev", None))
    lengths = {len(text.split()): text for text in SENTENCES}
    text = lengths[int(batch["mask"][0].sum())]
    expected = vectors_of(task.pipeline, text)
    np.testing.assert_allclose(
        batch["context"][0][: len(expected)], expected, atol=1e-6
    )


def test_a_tagger_does_not_start_from_one_with_other_models(
    tmp_path: Path, models: str
) -> None:
    zoo.save(tmp_path / "first", build("pos", tmp_path, features=models).pipeline)
    swapped = ",".join(reversed(models.split(",")))
    with pytest.raises(
        ValueError, match="--init .*: the models of --features are othe"
    ):
        build("pos", tmp_path, features=swapped, init=str(tmp_path / "first"))
    (plain,) = (
        note
        for note in build("pos", tmp_path, init=str(tmp_path / "first")).notes
        if "not used" in note
    )
    assert "context" in plain


def test_characters_that_a_model_does_not_know_are_noted(
    tmp_path: Path, models: str
) -> None:
    notes = build("pos", tmp_path, features=models).notes
    # The model lacks l and i; the words of train have 43 characters.
    characters = "".join(SENTENCES).replace(" ", "") + "Oslo"
    unknown = sum(c not in "abcdeghnorstuO" for c in characters) / len(characters)
    expected = f"; {100 * unknown:.2g} % of the characters are unknown to it"
    assert len([note for note in notes if note.endswith(expected)]) == 2


def test_streamed_rows_have_the_vectors_of_their_sentence(
    tmp_path: Path, models: str
) -> None:
    more = {"streaming": True, "shuffle_rows": 2, "vocab_rows": 4, "steps": 8}
    more["eval_every"] = 4
    task = build("pos", tmp_path, features=models, **more)
    expected = {text: vectors_of(task.pipeline, text) for text in SENTENCES}
    assert task.stream is not None
    program = Program(task, optimizers.make(task.config, 8), 8)
    state = program.init_state(task.pipeline.params, 0)  # an update donates them
    seen = set()
    for step, (_, batch) in zip(
        range(8), task.stream.batches(None, program.train_rows), strict=False
    ):
        for row, mask in zip(batch["context"], batch["mask"], strict=True):
            if mask.sum() > 1:
                seen.add(int(mask.sum()))
                text = SENTENCES[[len(s.split()) for s in SENTENCES].index(mask.sum())]
                np.testing.assert_allclose(row[mask], expected[text], atol=1e-6)
        state, _ = program.train_step(state, program.place(batch), step)
    assert seen == {2, 3, 9}


@pytest.mark.parametrize("tuned", [False, True])
def test_words_that_are_cut_off_are_read(
    tuned: bool, tmp_path: Path, models: str
) -> None:
    more = {"pooling": "concat", "max_length": 2, "lowercase": False}
    task = build(
        "classification", tmp_path, features=models, tune_features=tuned, **more
    )
    batch = next(task.batches("dev", None))
    vectors = np.asarray(context_of(task.pipeline.model, batch))
    for row, text in zip(vectors, SENTENCES, strict=False):
        np.testing.assert_allclose(row, vectors_of(task.pipeline, text)[:2], atol=1e-6)
        np.testing.assert_allclose(
            row, task.pipeline.inputs([text])[0]["context"], atol=1e-6
        )


def test_a_chunk_of_rows_has_the_shapes_of_those_before(
    tmp_path: Path, models: str
) -> None:
    task = build("pos", tmp_path, features=models, tune_features=True)
    chunk = arrow_cache.in_memory([{"tokens": ["o" * 90], "tags": ["X"]}], "tagged")
    (long,) = task.of_chunk(chunk).batches("train", None)
    short = next(task.of_chunk(task.splits.rows["train"]).batches("train", None))
    assert long["context_ids_0"].shape[1] == short["context_ids_0"].shape[1] == 128


def test_the_key_of_the_vectors_has_what_they_depend_on(
    tmp_path: Path, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = build("pos", tmp_path, features=models).pipeline
    before = context._conditions(pipeline)
    with jax.default_matmul_precision("bfloat16"):
        assert context._conditions(pipeline) != before
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = []
    for name in ("first_own_cell", "second_own_cell"):
        code = f"import zoo\n\nclass Mine(zoo.cells()['gru']):\n    name = {name!r}\n"
        (tmp_path / f"{name}.py").write_text(code)
        importlib.import_module(name)
        pipeline.options["context"][0]["cell"] = f"{name}:Mine"
        keys.append(context._conditions(pipeline))
    assert keys[0] != keys[1]
