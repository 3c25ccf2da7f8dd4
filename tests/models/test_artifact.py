"""Model folders: saving and loading, checksums, damaged and hostile folders."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

import zoo
from tests.helpers.artifacts import change
from tests.helpers.pipelines import answers, pipelines, reader
from tests.helpers.tolerances import assert_identical
from zoo.artifact import ArtifactError, about
from zoo.models import Classifier

WEIGHTS, CONFIG = "weights.safetensors", "config.json"


@pytest.mark.parametrize("kind", range(5))
def test_saving_and_loading(kind, tmp_path, compiled):
    pipeline = [*pipelines(), reader()][kind]
    zoo.save(tmp_path / "model", pipeline, about={"task": "test"})
    zoo.save(tmp_path / "model", pipeline, about={"task": "test"})
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    compiled.clear()
    loaded = zoo.load(tmp_path)
    assert not compiled
    assert answers(loaded) == answers(pipeline)
    assert zoo.summary(loaded.model) == zoo.summary(pipeline.model)
    assert_identical(loaded.params, pipeline.params)
    assert_identical(zoo.functional(loaded.model)[0], pipeline.params)


@pytest.mark.parametrize("case", [*zoo.cells()])
@pytest.mark.one_of_each_kind
def test_a_model_of_each_cell(case, tmp_path):
    """Constructors compute shapes only when a model is loaded."""
    pipeline = reader(cell=case, hidden_size=4, input_size=3)
    zoo.save(tmp_path / "model", pipeline)
    loaded = zoo.load(tmp_path / "model")
    assert answers(loaded) == answers(pipeline)
    assert_identical(
        nnx.to_pure_dict(nnx.state(loaded.model)),
        nnx.to_pure_dict(nnx.state(pipeline.model)),
    )


OF_EACH_KIND = ["lmu", "esn", "urnn"]  # matrices, random matrices, integers


def test_a_model_with_a_stream_is_saved_without_it(tmp_path):
    pipeline = pipelines()[0]
    pipeline.model = Classifier(
        **pipeline.options, dropout=0.5, rngs=nnx.Rngs(params=2, dropout=3)
    )
    pipeline.bind()
    pipeline.options["dropout"] = 0.5
    assert jax.tree.leaves(nnx.state(pipeline.model, nnx.RngState))
    zoo.save(tmp_path / "model", pipeline)
    loaded = zoo.load(tmp_path / "model")
    assert_identical(loaded.params, pipeline.params)
    assert answers(loaded) == answers(pipeline)


def test_dtypes_and_memory_orders_of_parameters(tmp_path):
    pipeline = reader(param_dtype="bfloat16", dtype="bfloat16")
    cell = pipeline.params["layers"]["layers"]["0"]["cell"]
    assert cell["U"].dtype == jnp.bfloat16
    # The transpose of a transpose has the axes of a Fortran array.
    cell["W"] = np.asfortranarray(np.asarray(cell["W"]))
    assert not cell["W"].flags.c_contiguous
    pipeline.params["output"] = jax.tree.map(
        lambda a: a.astype(jnp.float16), pipeline.params["output"]
    )
    zoo.save(tmp_path / "model", pipeline)
    loaded = zoo.load(tmp_path / "model")
    assert_identical(loaded.params, jax.tree.map(jnp.asarray, pipeline.params))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The files of a saved model."""
    path = tmp_path_factory.mktemp("saved") / "model"
    zoo.save(path, pipelines()[0], about={"task": "test"})
    return {entry.name: entry.read_bytes() for entry in path.iterdir()}


@pytest.fixture
def model(saved, tmp_path):
    """A new copy of the saved model."""
    path = tmp_path / "model"
    path.mkdir()
    for name, content in saved.items():
        (path / name).write_bytes(content)
    return path


def flip(path: Path, position: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_is_found(model, saved):
    flip(model / WEIGHTS, -3)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS} does not match its checksum"):
        zoo.load(model)
    (model / WEIGHTS).write_bytes(saved[WEIGHTS])
    flip(model / CONFIG, saved[CONFIG].index(b'"cat"') + 2)
    with pytest.raises(ArtifactError, match=f"{CONFIG}: it does not match its check"):
        zoo.load(model)
    with pytest.raises(ArtifactError, match=f"{CONFIG}: it does not match its check"):
        about(model)


def test_files_of_two_models_do_not_match(model, tmp_path):
    other = pipelines()[0]
    other.params["output"]["b"] += 1
    zoo.save(tmp_path / "other", other)
    (tmp_path / "other" / WEIGHTS).replace(model / WEIGHTS)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS} does not match its checksum"):
        zoo.load(model)


def test_about_and_the_card_may_be_edited(model):
    config = json.loads((model / CONFIG).read_text())
    config["about"] = {"task": "mine", "kind": "a", "note": "§"}
    (model / CONFIG).write_text(json.dumps(config, indent=4, sort_keys=True))
    (model / "README.md").write_text("mine")
    assert answers(zoo.load(model)) == answers(pipelines()[0])
    assert about(model) == {
        "kind": "classifier",
        "path": str(model),
        "task": "mine",
        "note": "§",
    }


@pytest.mark.parametrize("version", [1, 2])
def test_models_of_older_versions(version, model):
    def edit(config):
        config["format_version"] = version
        del config["sha256"]
        if version == 1:
            del config["pipeline"]["text"]["tokenizer"]
            for part in (config["pipeline"]["text"]["vocabulary"],):
                del part["reserved"]

    change(model, edit)
    loaded: Any = zoo.load(model)
    assert answers(loaded) == answers(pipelines()[0])
    assert loaded.text.tokenizer == ("words-1" if version == 1 else "words-2")


def test_tokens_that_utf8_lacks(tmp_path):
    pipeline = pipelines()[2]
    tokens = pipeline.text.vocabulary.tokens
    tokens[-2:] = ["\ud800", "\\"]
    zoo.save(tmp_path / "model", pipeline, about={"note": "\udfff"})
    loaded: Any = zoo.load(tmp_path / "model")
    assert loaded.text.vocabulary.tokens == tokens
    assert about(tmp_path / "model")["note"] == "\udfff"


def test_parameters_that_are_not_finite(tmp_path, model):
    pipeline = pipelines()[0]
    pipeline.params["output"]["b"] = jnp.array([0.0, jnp.nan])
    with pytest.raises(ValueError, match="params/output/b has NaN or infinite values"):
        zoo.save(tmp_path / "new", pipeline)
    assert not (tmp_path / "new").exists()
    rewrite(model, lambda arrays: arrays["params/output/b"].fill(np.inf))
    with pytest.raises(ArtifactError, match="params/output/b has NaN or infinite"):
        zoo.load(model)


def rewrite(model: Path, edit: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Change the arrays of a model, with checksums that match."""
    arrays = safetensors.numpy.load_file(model / WEIGHTS)
    edit(arrays)
    safetensors.numpy.save_file(arrays, model / WEIGHTS)
    change(model, lambda config: None)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda a: a.pop("params/output/b"), r"output/b should be \(2,\), got nothing"),
        (lambda a: a.update(x=np.zeros(2)), r"x should be no such array, got \(2,\)"),
        (
            lambda a: a.update({"params/output/b": np.zeros(3, np.float32)}),
            r"params/output/b should be \(2,\), got \(3,\)",
        ),
        (
            lambda a: a.update({"params/output/b": np.zeros(2, np.int32)}),
            "params/output/b should be float32, got int32",
        ),
    ],
)
def test_arrays_of_another_model(edit, message, model):
    rewrite(model, edit)
    with pytest.raises(ArtifactError, match=message):
        zoo.load(model)


def options(**values: Any) -> Callable[[dict[str, Any]], None]:
    """Return a function that changes options of a configuration."""
    return lambda config: config["pipeline"]["options"].update(values)


def vocabulary(**values: Any) -> Callable[[dict[str, Any]], None]:
    """Return a function that changes a vocabulary of a configuration."""
    return lambda config: config["pipeline"]["text"]["vocabulary"].update(values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(format_version=None), "an int of 1 or more, got None"),
        (lambda c: c.update(format_version=True), "an int of 1 or more, got True"),
        (lambda c: c.update(format_version="3"), "an int of 1 or more, got '3'"),
        (lambda c: c.update(format_version=0), "an int of 1 or more, got 0"),
        (lambda c: c.update(format_version=99), "newer version of zoo: it has form"),
        (lambda c: c.update(format_version=2), "one of .*, got 'sha256'"),
        (lambda c: c.pop("sha256"), "has no sha256"),
        (lambda c: c.pop("about"), "has no about"),
        (lambda c: c.update(about=[]), "about must be dict, got "),
        (lambda c: c.update(kind=["a"]), "kind must be str"),
        (lambda c: c.update(kind="clasifier"), "did you mean 'classifier'"),
        (lambda c: c.update(more=1), "must be one of .*, got 'more'"),
        (lambda c: c.update(pipeline=None), "pipeline must be dict, got None"),
        (lambda c: c["pipeline"].pop("labels"), "pipeline has no labels"),
        (lambda c: c["pipeline"].update(labels="no"), "labels must be dict, got 'no'"),
        (lambda c: c["pipeline"].update(labels={}), "labels has no tokens"),
        (options(hidden_size=10**9), f"hidden_size = {10**9} does not match {WEIGHTS}"),
        (options(hidden_size=[10**9]), f"hidden_size = .* does not match {WEIGHTS}"),
        (options(hidden_size=64), r"should be \(.*\), got \("),
        (options(embedding_dim=10**9), r"should be \(.*\), got \("),
        (options(embedding_dim=10**30), r"should be \(.*\), got \("),
        (options(cell="lmu", order=50_000), "order = 50000 does not match"),
        (options(cell="rhn", depth=10**9), "depth = 1000000000 does not match"),
        (options(hidden_size=-1), "hidden_size must be an int of 1 or more, got -1"),
        (options(hidden_size=5.0), "hidden_size must be int, got 5.0"),
        (options(hidden_size=6), r"should be \(.*\), got \("),
        (options(num_layers=10**9), "num_layers = 1000000000 does not match"),
        (options(bidirectional="no"), "bidirectional must be bool, got 'no'"),
        (options(dropout=True), "dropout must be float, got True"),
        (options(zoneout={"h": "a"}), "zoneout must be .*, got {'h': 'a'}"),
        (options(unroll="all"), "unroll must be .*, got 'all'"),
        (options(dtype="int8"), "dtype must be one of bfloat16, .*, got 'int8'"),
        (options(W_init=1), "W_init must be .*, got 1"),
        (options(vocab_size=9), "vocab_size must be 8, the number of tokens, got 9"),
        (options(num_labels=3), "num_labels must be 2, the number of labels, got 3"),
        (options(rngs=0), "does not describe a model"),
        (options(cell="os:system"), "is not a class|expected a class"),
        (options(cell="antigravity:fly"), "import antigravity first"),
        (options(cell="a\nb" * 999), "no cell"),
        (vocabulary(tokens=["a"] * 8), "tokens must be distinct, got 'a' twice"),
        (vocabulary(tokens="abcdefgh"), "vocabulary.tokens must be list"),
        (vocabulary(tokens=[[]] * 8), "vocabulary.tokens must have items of type str"),
        (vocabulary(counts=[None] * 8), "counts must have items of type int"),
        (vocabulary(counts=[1]), "counts must have 8 entries"),
        (vocabulary(reserved=9), r"reserved must lie in \[0, 8\]"),
        (vocabulary(more=1), "must be one of .*, got 'more'"),
    ],
)
def test_odd_configurations(edit, message, model):
    change(model, edit)
    with pytest.raises(ArtifactError, match=message) as caught:
        zoo.load(model)
    assert str(caught.value).startswith(str(model / CONFIG)) or "should be" in message
    assert len(str(caught.value)) <= 500 and str(caught.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"format_version"',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"format_version": ' + b"[" * 100_000,
        b'{"format_version": ' + b"9" * 10_000 + b"}",
        b'{"format_version": "' + b"\\u001b[2J" * 999 + b'"}',
        b'{"format_version": 1e999}',
    ],
    ids=range(11),
)
def test_files_that_are_no_configuration(content, model):
    (model / CONFIG).write_bytes(content)
    for read in (zoo.load, about):
        with pytest.raises(ArtifactError, match=CONFIG) as caught:
            read(model)
        assert len(str(caught.value)) <= 500 and str(caught.value).isprintable()


def test_a_configuration_that_is_too_large(model, tmp_path, monkeypatch):
    os.truncate(model / CONFIG, 2**40)  # sparse
    for read in (zoo.load, about):
        with pytest.raises(
            ArtifactError, match="has 1,099,511,627,776 bytes, expected"
        ):
            read(model)
    monkeypatch.setattr("zoo.artifact.config.LARGEST", 100)
    with pytest.raises(ValueError, match="take .* bytes in config.json, at most 100 "):
        zoo.save(tmp_path / "new", pipelines()[0])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 8, b"\xff" * 99, b"\2\0\0\0\0\0\0\0{}"], ids=range(4)
)
def test_files_that_are_no_weights(content, model):
    (model / WEIGHTS).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS} does not match its checksum"):
        zoo.load(model)
    change(model, lambda config: None)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS}"):
        zoo.load(model)


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_special_files(name, model, saved):
    path = model / name
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no model in"):
        zoo.load(model)
    path.mkdir()
    with pytest.raises(ArtifactError, match="cannot be read: .*Is a directory"):
        zoo.load(model)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ArtifactError, match="cannot be read: .*not a regular file"):
        zoo.load(model)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match="cannot be read: .*not a regular file"):
        zoo.load(model)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(ArtifactError, match=name) as caught:
        zoo.load(model)
    assert "root" not in str(caught.value).removeprefix(str(model))
    path.unlink()
    # The cache of huggingface_hub keeps the files of a model in this way.
    (model.parent / "blob").write_bytes(saved[name])
    path.symlink_to("../blob")
    assert answers(zoo.load(model)) == answers(pipelines()[0])


@pytest.mark.parametrize("path", ["", "nothing", "a\0b", "config.json", "/", ".."])
def test_where_there_is_no_model(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(CONFIG).write_text("{}")  # as a run folder has
    for read in (zoo.load, about):
        with pytest.raises(FileNotFoundError, match="no model in"):
            read(path)


def test_a_model_in_the_current_folder(model, monkeypatch):
    monkeypatch.chdir(model)
    assert answers(zoo.load(".")) == answers(pipelines()[0])
    zoo.save(".", pipelines()[2])
    monkeypatch.chdir(model)  # of the new folder
    assert zoo.load("").kind == "language_model"


def test_modes_are_those_of_the_user(tmp_path):
    before = os.umask(0o027)
    try:
        zoo.save(tmp_path / "model", reader())
    finally:
        os.umask(before)
    modes = {
        entry.name: stat.S_IMODE(entry.stat().st_mode)
        for entry in [tmp_path / "model", *(tmp_path / "model").iterdir()]
    }
    assert modes == {"model": 0o750} | dict.fromkeys(
        (WEIGHTS, CONFIG, "README.md"), 0o640
    )


def test_subwords_that_contradict_each_other(tmp_path):
    zoo.save(tmp_path / "model", pipelines()[3])
    original = (tmp_path / "model" / CONFIG).read_bytes()
    for values, message in [
        ({"merges": [["a", "dog"]]}, "pairs of subwords that join to a subword"),
        ({"merges": [["a"]]}, "pairs of subwords that join to a subword"),
        ({"merges": {}}, "a list merges"),
        ({"vocab": {"a": 0}}, "has no ' unknown '"),
        ({"vocab": {"a": 0, "b": 0}}, "the IDs from 0, each once"),
        ({"vocab": {"a": "0"}}, "items of type int"),
    ]:
        (tmp_path / "model" / CONFIG).write_bytes(original)

        def edit(config, values=values):
            config["pipeline"]["source"]["subwords"]["model"].update(values)

        change(tmp_path / "model", edit)
        with pytest.raises(ArtifactError, match=message):
            zoo.load(tmp_path / "model")
