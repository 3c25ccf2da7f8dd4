"""Files of published models: recorded values, and damaged or hostile files."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close
from tests.helpers.typed import untyped
from zoo.cli import commands
from zoo.interop import published
from zoo.interop.published.weights import Weights

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDER = GOLDEN / "published"
VALUES = np.load(GOLDEN / "published.npz")
IDS = VALUES["ids"]


@pytest.mark.parametrize("name", ["awd_lstm", "awd_qrnn"])
def test_awd_lstm(name):
    model = published.awd_lstm(FOLDER / f"{name}.pt")
    assert_close(model(IDS)[1], VALUES[name], REFERENCE)


def test_awd_lstm_with_its_corpus_generates_and_is_saved(tmp_path, capsys):
    model = published.awd_lstm(FOLDER / "awd_lstm.pt", FOLDER / "corpus.pt")
    assert model.text.vocabulary.tokens[:3] == ["<unk>", "a", "b"]
    ids = model.text.encode("b unseen <eos>")[None]
    theirs = np.array([[1, 2, 8]])  # the IDs of the corpus
    expected = published.awd_lstm(FOLDER / "awd_lstm.pt")(theirs)[1]
    logits = np.asarray(model.model(ids)[1])
    order = [2, 0, 1, *range(3, 11)]
    assert_close(logits, np.asarray(expected)[..., order], REFERENCE)
    zoo.save(tmp_path / "run", model)
    words = "".join(model.generate("a b", 4, temperature=0))
    arguments = ["--prompt", "a b", "--length", "4", "--temperature", "0"]
    commands.run("generate", [str(tmp_path / "run"), *arguments], "zoo generate")
    assert words.strip() in capsys.readouterr().out


def test_char_rnn():
    pipeline = published.char_rnn(FOLDER / "char_rnn.pt")
    assert_close(pipeline.model(IDS)[1], VALUES["char_rnn"], REFERENCE)
    with pytest.raises(ValueError, match="'é' is not in the vocabulary"):
        pipeline.text.encode("é")
    with pytest.raises(ValueError, match="has 2 tokens, and the embedding 100 rows"):
        published.char_rnn(FOLDER / "char_rnn.pt", "ab")


def test_flair():
    pipeline = published.flair(FOLDER / "flair.pt")
    assert_close(pipeline.model(IDS)[1], VALUES["flair"], REFERENCE)
    assert pipeline.text.encode("aé").tolist() == [1, 6]
    assert not pipeline.backward
    with pytest.raises(ValueError, match="this model reads forward"):
        published.flair(FOLDER / "flair.pt", "backward")


def test_opennmt(tmp_path):
    pipeline = published.opennmt(FOLDER / "opennmt.pt", max_length=5)
    # OpenNMT-py has the reserved tokens in another order: <unk> <blank> <s> </s>.
    swap = np.array([1, 0, *range(2, 11)])
    mask = zoo.mask_from_lengths(np.array([6, 3]), 6)
    target = swap[IDS[:, :4] % 10]
    logits = np.asarray(pipeline.model(swap[IDS], mask, target))[..., swap[:10]]
    logits -= np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    assert_close(logits, VALUES["opennmt"], REFERENCE)
    zoo.save(tmp_path, pipeline)
    (writing,) = untyped(zoo.load(tmp_path)).predict(["a unseen b"])
    assert writing.source == ["a", "unseen", "b"]
    assert set(writing.outputs[0].tokens) <= set("uvwxyz")


LOADERS = [
    published.awd_lstm,
    published.char_rnn,
    published.flair,
    published.opennmt,
]


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
def test_a_file_of_another_project_is_rejected(load):
    for path in sorted(FOLDER.iterdir()):
        prefix = "awd" if load is published.awd_lstm else load.__name__
        # char_rnn reads any model with an embedding, an LSTM and a linear layer.
        if path.name.startswith(prefix) or load is published.char_rnn:
            continue
        with pytest.raises(ValueError, match=path.name):
            load(path)


class Hostile:
    """An object whose pickle calls a function with an argument."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def zipped(content, compression=zipfile.ZIP_STORED):
    """Return a file of torch with this pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
    return file.getvalue()


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
@pytest.mark.parametrize("wrap", [bytes, zipped])
def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch, load, wrap):
    monkeypatch.chdir(tmp_path)
    hostile = [Hostile(os.mkdir, "made"), Hostile(eval, "open('made', 'w')")]
    hostile.append(Hostile(__import__, "this_module_is_not_imported"))
    values = [*hostile, [*hostile], {"model": hostile[0], "state_dict": hostile[1]}]
    for protocol in (0, 2, 4):
        for value in values:
            path = tmp_path / "model.pt"
            path.write_bytes(wrap(pickle.dumps(value, protocol)))
            with pytest.raises(ValueError, match="model.pt"):
                load(path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_classes_and_functions_are_records_that_do_nothing(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"f": os.system, "x": Hostile(os.mkdir, "made")}))
    read = published.read_checkpoint(path)
    assert read["f"].class_name == "posix.system"
    assert read["x"].class_name == "posix.mkdir" and read["x"].args == ("made",)


STORAGE = b"".join(
    [
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n",
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ",
    ]
)


def tensor(offset, shape, stride):
    """Return a file with a tensor of a storage of two numbers."""
    numbers = b"".join(
        b"(" + b"".join(b"K%c" % n for n in s) + b"t" for s in (shape, stride)
    )
    content = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE
    content += b"K%c" % offset + numbers + b"\x89NtR."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", np.array([1.5, 2.5], np.float32).tobytes())
    return file.getvalue()


def test_a_tensor_lies_in_its_storage(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(tensor(0, (2,), (1,)))
    assert np.asarray(published.read_checkpoint(path)).tolist() == [1.5, 2.5]
    for outside in [(1, (2,), (1,)), (0, (2,), (9,)), (0, (200,), (0,))]:
        path.write_bytes(tensor(*outside))
        with pytest.raises(ValueError, match="outside its 2 numbers"):
            published.read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "another format, or the file is damaged"),
        (b"not a checkpoint", "another format, or the file is damaged"),
        (zipped(b"\x80\x02N.", zipfile.ZIP_DEFLATED), "is compressed"),
        (zipped(b"\x80\x02}r\xff\xff\xff\x7f\x8a"), "damaged"),
        (zipped(b"\x80\x05\x96" + b"\xff" * 8), "damaged"),
        (zipped(b"\x80\x02(]l" * 9), "damaged"),
        ((FOLDER / "flair.pt").read_bytes()[:-90], "damaged"),
        ((FOLDER / "awd_qrnn.pt").read_bytes()[:-9], "damaged"),
    ],
    # An archive has the time of its writing, which must not be in the name of a test.
    ids="empty text compressed memo frame marks zip old".split(),
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.pt: .*{message}"):
        published.read_checkpoint(path)


def changed(content, rng):
    """Return bytes of which one differs."""
    content = bytearray(content)
    content[rng.integers(len(content))] = rng.integers(256)
    return bytes(content)


def changed_pickle(path, rng):
    """Return a zip file of torch with another pickle, and checksums that match."""
    file = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            is_pickle = name.endswith("data.pkl")
            new.writestr(name, changed(content, rng) if is_pickle else content)
    return file.getvalue()


def test_changed_bytes_are_an_error_or_another_model(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "model.pt"
    errors = 0
    old = (FOLDER / "awd_qrnn.pt").read_bytes()
    for k in range(120):
        load = LOADERS[k % len(LOADERS)]
        if load is published.awd_lstm:
            path.write_bytes(changed(old, rng))
        else:
            path.write_bytes(changed_pickle(FOLDER / f"{load.__name__}.pt", rng))
        try:
            load(path)
        except ValueError as error:
            assert "model.pt" in str(error)
            errors += 1
    assert errors > 60


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    for load in (*LOADERS, published.read_checkpoint):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "missing.pt")


def test_safetensors(tmp_path):
    model = published.awd_lstm(FOLDER / "awd_lstm.pt")
    arrays = zoo.interop.to_torch(model.layers.layers[0], "arrays")
    state = {f"rnns.0.module.{name}": array for name, array in arrays.items()}
    raw = state.pop("rnns.0.module.weight_hh_l0")
    state["rnns.0.module.weight_hh_l0_raw"] = raw
    state["encoder.weight"] = np.asarray(model.embedding.table[...])
    state["decoder.weight"] = np.ones((11, 4), np.float32)
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(state, path)
    loaded = published.awd_lstm(path)
    _, y = model.layers.layers[0](model.embedding(IDS))
    expected = np.repeat(np.asarray(y).sum(-1, keepdims=True), 11, -1)
    assert_close(loaded(IDS)[1], expected, REFERENCE)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="model.safetensors"):
        published.awd_lstm(path)


class Module:
    """A saved module."""

    def __init__(self, **parts):
        self._parameters, self._modules = {}, parts


def nested(value, join, levels=60):
    """Return a value in which each level has the one below it twice."""
    for _ in range(levels):
        value = join(value)
    return value


def modules(levels):
    """Return modules whose parts are shared."""
    module = nested(Module(), lambda part: Module(a=part, b=part), levels)
    return pickle.dumps(module)


# The key of a dict: an empty tuple, doubled 60 times.
KEY = b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s."
CLASSES = b"\x80\x02" + b"".join(b"cm\nc%d\n0" % k for k in range(10_001)) + b"N."
LIST = nested([1], lambda value: [value, value])
OPTION = {"model": {}, "generator": {}, "vocab": {}, "opt": {"rnn_type": LIST}}
ENUM = {**OPTION, "opt": {"rnn_type": Module()}}
LONG_NAME = Module(**{"a" * 2000: Module()})


@pytest.mark.parametrize(
    ("load", "content", "message"),
    [
        (published.awd_lstm, KEY, "nested tuples have more than 1,000,000 items"),
        (published.awd_lstm, CLASSES, "more than 10,000 classes"),
        (published.awd_lstm, modules(60), "more than 50 levels"),
        (published.char_rnn, modules(20), "the modules have more than 100,000 parts"),
        (published.awd_lstm, pickle.dumps(LONG_NAME), "a name has more than 1,000"),
        (published.opennmt, pickle.dumps(OPTION), r"rnn_type=\[list, list\] of Open"),
        (published.opennmt, pickle.dumps(ENUM), r"rnn_type=[\w.]*Module of Open"),
        (published.flair, pickle.dumps(LIST)[:-1] + b"Q.", r"ID \[list, list\]"),
    ],
)
def test_small_files_without_end(tmp_path, load, content, message):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.pt: .*{message}"):
        load(path)


def test_weights_do_not_share_numbers_without_end(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(tensor(0, (2,), (1,)))
    value = published.read_checkpoint(path)
    Weights({"a": value, "b": value}, path)
    with pytest.raises(ValueError, match="model.pt: the weights have 80,000 bytes"):
        Weights({str(k): value for k in range(10_000)}, path)


def test_errors_of_any_kind_name_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    names = ["encoder.weight", "rnns.0.linear.weight"]
    arrays = {name: np.zeros((0, 4), np.float32) for name in names}
    safetensors.numpy.save_file(arrays, path)
    with pytest.raises(ValueError, match=r"model\.safetensors: IndexError: "):
        published.awd_lstm(path)
