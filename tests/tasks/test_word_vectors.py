"""--vectors: pretrained word vectors in the embedding of each task that has words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers import vector_files
from tests.helpers.training import TASKS
from zoo.tasks import optimizers
from zoo.tasks.configs import CONFIGS
from zoo.tasks.evaluate import TASKS as TASK_CLASSES
from zoo.tasks.freezing import Trainable
from zoo.tasks.program import Program

WORDS = "the dog runs Oslo 1984 cat".split()  # cat is in no training text
TABLE = np.random.default_rng(0).normal(2.0, 0.3, (6, 5)).astype(np.float32)
TOKENS = "the the the dog runs oslo 2001 the zzz the dog runs oslo 2001 the zzz".split()
KINDS = [task for task in TASKS if task != "memory"]
pytestmark = pytest.mark.usefixtures("data_cache", "standard_promotion")


def flags(task: str, folder: Path, **more: Any) -> dict[str, Any]:
    """Write the data of a task and the vectors, and return its flags."""
    vectors = folder / "vectors"
    vector_files.glove(vectors, WORDS, TABLE)
    sizes: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "batch_size": 4}
    text = " ".join(TOKENS)
    if task == "classification":
        ending, content = "csv", f"text,label\n{text},x\n{text} dog,y\n"
    elif task == "charlm":
        ending, content, sizes["units"] = "txt", f"{text}\n" * 9, "words"
        sizes["max_length"] = 5
    elif task == "seq2seq":
        ending, content = "tsv", f"{text}\tx y\n{text} dog\ty x\n"
        sizes |= {"source_tokens": "symbols", "target_tokens": "symbols"}
    else:
        tags = {"pos": "X", "ner": "O"}
        ending = "conll"
        content = "".join(f"{w} {tags[task]}\n" for w in TOKENS) + "\noslo B-LOC\n"
        sizes |= {"char_size": 2, "char_dim": 2, "digits": True}
    data = folder / f"{task}.{ending}"
    data.write_text(content)
    files = {f"{split}_file": (str(data),) for split in ("train", "dev", "test")}
    return {**sizes, **files, "vectors": str(vectors), "dropout": 0.0, **more}


def build(task: str, folder: Path, **more: Any) -> Any:
    """Return a task whose embedding has vectors."""
    return TASK_CLASSES[task](CONFIGS[task](**flags(task, folder, **more)))


def vocabulary(task: Any) -> Any:
    """Return the vocabulary of ``model.embedding``."""
    pipeline = task.pipeline
    if task.name == "seq2seq":
        return pipeline.source.vocabulary
    return (
        pipeline.words.words
        if task.name in ("pos", "ner")
        else pipeline.text.vocabulary
    )


def step(task: Any) -> tuple[Program, Any]:
    """Return the program of a task, and the state after a training step."""
    program = Program(task, optimizers.make(task.config, 10), 10)
    params = jax.tree.map(np.array, task.pipeline.params)  # an update donates them
    state = program.init_state(params, 0)
    batch = next(iter(program.batches("train", 0)))
    return program, program.train_step(state, batch, 0)[0]


@pytest.mark.parametrize("name", KINDS)
def test_each_task(name: str, tmp_path: Path) -> None:
    task = build(
        name, tmp_path, freeze_vectors=True, weight_decay=0.1, optimizer="adamw"
    )
    words, table = (
        vocabulary(task),
        np.asarray(task.pipeline.params["embedding"]["table"]),
    )
    assert table.shape == (len(words), 5) and not table[0].any()
    expected = {"the": 0, "dog": 1, "runs": 2, "oslo": 3, "cat": 5}
    if name in ("pos", "ner"):
        expected["0000"] = 4
    for word, row in expected.items():
        if word == "oslo" and word not in words:  # not normalised
            word = "Oslo"
        np.testing.assert_array_equal(table[words.number(word)], TABLE[row], word)
    # A word without a vector has the distribution of those in the file.
    other = table[words.number("zzz")]
    assert np.abs(other - TABLE.mean(0)).max() < 4 * TABLE.std(0).max()
    assert words.counts[words.number("cat")] == 0 < words.counts[words.number("zzz")]
    assert task.coverage["words"] == 6 and task.coverage["format"] == "text"
    covered = 5 if name in ("pos", "ner") else 4
    assert task.coverage["covered_words"] == covered
    assert f"vectors: {covered} of 6 words of train" in " ".join(task.notes)
    assert "the words and vectors of --vectors" in task.digests
    # A step trains all but the frozen table, which has no moments.
    program, state = step(task)
    params = jax.device_get(state.params)
    np.testing.assert_array_equal(params["embedding"].pop("table"), table)
    before = jax.device_get(task.pipeline.params)
    for old, new in zip(
        jax.tree.leaves({**before, "embedding": {}}),
        jax.tree.leaves({**params, "embedding": {}}),
        strict=True,
    ):
        assert not old.any() or not np.array_equal(old, new)
    assert table.shape not in {np.shape(a) for a in jax.tree.leaves(state.opt_state)}
    # A saved model needs no file, and looks up a word that train lacks.
    (tmp_path / "vectors").unlink()
    zoo.save(tmp_path / "model", task.pipeline)
    loaded: Any = zoo.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.params["embedding"]["table"], table)
    encoded = {
        "charlm": lambda text: loaded.text.encode(text),
        "seq2seq": lambda text: loaded.encode(text)["source"],
        "pos": lambda text: loaded.encode(text.split())["words"],
        "ner": lambda text: loaded.encode(text.split())["words"],
        "classification": lambda text: loaded.encode(text)["words"],
    }[name]
    ids = encoded("the cat unheard")
    x = loaded.model.embedding(ids[None])[0]
    np.testing.assert_array_equal(x[:2], TABLE[[0, 5]])
    assert ids[2] == words.unknown
    evaluation = program.evaluate(state.params, "test")
    assert np.isfinite(evaluation.loss)


@pytest.mark.parametrize("name", ["pos", "seq2seq", "charlm"])
def test_a_projection_to_another_size(name: str, tmp_path: Path) -> None:
    task = build(name, tmp_path, embedding_dim=3, vectors_dtype="float16")
    options, embedding = task.pipeline.options, task.pipeline.params["embedding"]
    assert (options["vector_dim"], options["embedding_dim"]) == (5, 3)
    assert embedding["table"].shape == (len(vocabulary(task)), 5)
    assert embedding["projection"]["W"].shape == (5, 3)
    _, state = step(task)
    new = jax.device_get(state.params["embedding"])
    assert np.abs(new["table"] - embedding["table"]).max() > 0
    assert np.abs(new["projection"]["W"] - embedding["projection"]["W"]).max() > 0
    # Stored in half precision, computed in float32.
    zoo.save(tmp_path / "model", task.pipeline)
    loaded: Any = zoo.load(tmp_path / "model")
    table = loaded.params["embedding"]["table"]
    assert table.dtype == np.float16
    # A frozen table is trained with the stored numbers.
    frozen = build(name, tmp_path, vectors_dtype="float16", freeze_vectors=True)
    Trainable.of(frozen).round_stored(frozen.pipeline)
    rounded = np.asarray(frozen.pipeline.params["embedding"]["table"])
    assert rounded.dtype == np.float32 and np.isin(TABLE[0], rounded).sum() == 0
    assert np.isin(TABLE[0].astype(np.float16).astype(np.float32), rounded).all()
    np.testing.assert_array_equal(
        table, np.asarray(embedding["table"]).astype(np.float16)
    )
    ids = np.array([[vocabulary(task).number("the")]])
    y, mask = loaded.model.embedding(ids), np.zeros((1, 1), bool)
    assert y.dtype == np.float32
    W, b = (np.asarray(embedding["projection"][k]) for k in "Wb")
    expected = TABLE[0].astype(np.float16).astype(np.float32) @ W + b
    np.testing.assert_allclose(y[0, 0], expected, rtol=1e-5)
    assert not np.asarray(loaded.model.embedding(ids, mask)).any()
    zoo.save(tmp_path / "again", loaded)
    again: Any = zoo.load(tmp_path / "again")
    assert again.params["embedding"]["table"].dtype == np.float16


def test_the_words_of_a_language_model_that_it_only_reads(tmp_path: Path) -> None:
    task = build("charlm", tmp_path, vocab_size=3, hidden_size=5, tied=True)
    words = vocabulary(task)
    K = task.pipeline.options["num_outputs"]
    # The three most frequent words of train are predicted. Rarer ones with a vector and
    # those of the file are only read.
    assert (K, words.counts[K - 1]) == (5, 18)
    assert words.tokens[K:] == ["oslo", "runs", "Oslo", "1984", "cat"]
    assert task.pipeline.params["output"]["b"].shape == (K,)
    batches = list(task.batches("train", 0))
    assert max(batch["labels"].max() for batch in batches) < K
    assert max(batch["ids"].max() for batch in batches) >= K
    _, state = step(task)
    assert np.isfinite(np.asarray(state.params["embedding"]["table"])).all()
    token = next(task.pipeline.generate("the cat", 1, temperature=0))
    assert token.removeprefix(" ") in words.tokens[2:K]


def test_rare_words_of_the_file_are_kept(tmp_path: Path) -> None:
    def tokens(**more: Any) -> list[str]:
        return vocabulary(build("pos", tmp_path, **more)).tokens[2:]

    assert tokens() == ["the", "oslo", "0000", "dog", "runs", "zzz", "cat"]
    assert tokens(vector_words=0) == ["the", "oslo", "0000", "dog", "runs", "zzz"]
    # Those that are too rare follow, if they have a vector.
    assert tokens(min_count=3) == ["the", "oslo", "0000", "dog", "runs", "cat"]
    # A limit counts all words but --vector-words.
    assert tokens(min_count=3, vocab_size=3, vector_words=0) == ["the", "oslo", "0000"]
    assert tokens(vocab_size=2, vector_words=2) == ["the", "oslo", "0000", "dog"]
    task = build("pos", tmp_path, min_count=3)
    words = vocabulary(task)
    assert words.counts[words.number("dog")] == 2
    # Word dropout: a / (a + n), and no word is rarer than one that occurs once.
    rates = task.rates[[words.number(w) for w in ("the", "dog", "cat")]]
    np.testing.assert_allclose(rates, [0.25 / 6.25, 0.25 / 2.25, 0.2], rtol=1e-6)


@pytest.mark.parametrize(
    "more, expected",
    [
        ({}, "1 more words of the file are kept"),
        ({"vector_words": 0}, "0 more words of the file are kept (--vector-words 0)"),
        ({"vector_words": 1}, "1 more words of the file are kept (--vector-words 1)"),
        (
            {"vocab_size": 2, "vector_words": 2},
            "0 more words of the file are kept (--vocab-size 2, --vector-words 2)",
        ),
        ({"vocab_size": 20}, "1 more words of the file are kept"),
    ],
)
def test_the_note_names_the_flags_that_limit_the_words(
    more: dict[str, int], expected: str, tmp_path: Path
) -> None:
    task = build("pos", tmp_path, **more)
    assert any(note.endswith(f"; {expected}") for note in task.notes)


def test_the_digest_is_of_what_is_used(tmp_path: Path) -> None:
    def digest(**more: Any) -> str:
        task = build("classification", tmp_path, **more)
        return task.digests["the words and vectors of --vectors"]

    first = digest()
    other = tmp_path / "other"
    vector_files.word2vec_binary(other, WORDS, TABLE)
    assert digest(vectors=str(other)) == first  # the same vectors in another format
    vector_files.word2vec_binary(other, WORDS, TABLE + 1)
    assert digest(vectors=str(other)) != first
    assert digest(vector_words=0) != first


def test_resuming_needs_the_same_vectors(
    tmp_path: Path, output_of: Callable[..., str], error_of: Callable[..., str]
) -> None:
    values = flags("classification", tmp_path)
    args = ["classification", "--out", tmp_path / "run", "--epochs", 1]
    args += ["--freeze-vectors", "--ema", 0.9, "--learning-rate", 0.01]
    for name in ("hidden_size", "batch_size", "vectors"):
        args += [f"--{name.replace('_', '-')}", values[name]]
    for name in ("train_file", "dev_file", "test_file"):
        args += [f"--{name.replace('_', '-')}", *values[name]]
    output = output_of(*args, command="train")
    assert "note: vectors: 4 of 6 words of train (66.7 %)" in output
    metrics = (tmp_path / "run" / "metrics.json").read_text()
    assert '"covered_words": 4' in metrics
    assert "vectors: 4 of 6 words" in (tmp_path / "run" / "report.html").read_text()
    vector_files.glove(tmp_path / "vectors", WORDS, TABLE + 1)
    error = error_of(*args, "--resume")
    assert "the words and vectors of --vectors changed since the run" in error
    trained: Any = zoo.load(tmp_path / "run")
    row = trained.params["embedding"]["table"][trained.text.vocabulary.number("cat")]
    np.testing.assert_allclose(row, TABLE[5], rtol=1e-6)
    (tmp_path / "vectors").unlink()
    assert "accuracy" in output_of(tmp_path / "run", command="evaluate")


@pytest.mark.parametrize(
    "name, more, message",
    [
        ("pos", {"vectors": "/no/file"}, "/no/file: cannot be read: No such file"),
        (
            "pos",
            {"vectors": None, "freeze_vectors": True},
            "--freeze-vectors needs --v",
        ),
        (
            "pos",
            {"vectors": None, "vectors_dtype": "float16"},
            "float16 needs --vectors",
        ),
        (
            "pos",
            {"vectors": None, "vector_words": 0},
            "--vector-words needs --vectors",
        ),
        (
            "classification",
            {"units": "chars"},
            "--vectors needs --units words, .* chars",
        ),
        ("charlm", {"units": "chars"}, "--vectors needs --units words"),
        (
            "seq2seq",
            {"source_tokens": "chars"},
            "needs --source-tokens symbols, .* chars",
        ),
        ("charlm", {"tied": True, "hidden_size": 4}, "tied needs embedding_dim = 4"),
    ],
)
def test_errors(name: str, more: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, tmp_path, **more)


def test_a_file_of_other_words_or_of_large_numbers(tmp_path: Path) -> None:
    config: dict[str, Any] = flags("pos", tmp_path)
    vector_files.glove(Path(config["vectors"]), ["слово", "дом"], TABLE[:2])
    kind = TASK_CLASSES["pos"]
    with pytest.raises(ValueError, match="has none of the 6 words of train"):
        kind(CONFIGS["pos"](**config))
    vector_files.glove(Path(config["vectors"]), ["the", "dog"], TABLE[:2] * 1e6)
    config["vectors_dtype"] = "float16"
    with pytest.raises(ValueError, match="numbers of more than 65,504; use float32"):
        kind(CONFIGS["pos"](**config))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "adadelta"])
def test_vectors_have_no_weight_decay(optimizer: str, tmp_path: Path) -> None:
    task = build("pos", tmp_path, optimizer=optimizer, weight_decay=0.5)
    params = jax.tree.map(np.array, task.pipeline.params)
    tx = optimizers.make(task.config, 10)
    zeros = jax.tree.map(np.zeros_like, params)
    updates: Any = tx.update(zeros, tx.init(params), params)[0]
    assert not np.asarray(updates["embedding"]["table"]).any()
    assert np.asarray(updates["output"]["W"]).any()
    with pytest.raises(ValueError, match="novograd with --weight-decay would also"):
        config = {**flags("pos", tmp_path), "optimizer": "novograd"}
        optimizers.check(CONFIGS["pos"](**config, weight_decay=0.1))


def test_lazy_updates_of_projected_vectors(tmp_path: Path) -> None:
    task = build("pos", tmp_path, lazy_embedding=True, embedding_dim=3)
    _, state = step(task)
    before, after = task.pipeline.params["embedding"], state.params["embedding"]
    changed = np.abs(np.asarray(after["table"]) - before["table"]).max(axis=1) > 0
    words = vocabulary(task)
    assert changed[words.number("the")] and not changed[words.number("cat")]


def test_streaming(tmp_path: Path) -> None:
    task = build("pos", tmp_path, streaming=True, steps=2, eval_every=1)
    batch = next(
        task.stream.batches(
            None, Program(task, optimizers.make(task.config, 2)).train_rows
        )
    )[1]
    assert batch["words"].max() < len(vocabulary(task))
    assert "cat" in vocabulary(task)


def test_an_embedding_with_a_projection() -> None:
    embedding = zoo.Embedding(4, 3, projection=2, padding_idx=0, rngs=nnx.Rngs(0))
    embedding.projection.b[...] = np.ones(2, np.float32)  # pyright: ignore
    y = np.asarray(embedding(np.array([[1, 0, 9]])))
    W = np.asarray(embedding.projection.W[...])  # pyright: ignore
    np.testing.assert_allclose(y[0, 0], embedding.table[...][1] @ W + 1, rtol=1e-6)
    assert not y[0, 1].any() and np.isnan(y[0, 2]).all()
    assert embedding.output_size == 2
