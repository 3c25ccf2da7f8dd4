"""Layers in h5 files that Keras writes."""

import os

import numpy as np
import pytest
from flax import nnx

os.environ["KERAS_BACKEND"] = "jax"
h5py = pytest.importorskip("h5py", reason="pip install -e '.[parity]' installs it")
keras = pytest.importorskip("keras", reason="pip install -e '.[parity]' installs it")

import zoo  # noqa: E402
from tests.helpers.tolerances import REFERENCE, assert_close  # noqa: E402
from zoo.interop import published  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword"
)
D, H = 3, 4
X = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)


@pytest.mark.usefixtures("standard_promotion")
def test_layers_of_a_saved_model(tmp_path):
    first = keras.layers.LSTM(H, return_sequences=True, name="first")
    gru = keras.layers.GRU(H, return_sequences=True)
    second = keras.layers.Bidirectional(gru, name="second")
    model = keras.Sequential([keras.Input((None, D)), first, second])
    path = tmp_path / "model.h5"
    model.save(path)
    lower = published.keras_layer(path, "first", "lstm")
    upper = published.keras_layer(path, "second", "gru")
    assert isinstance(upper, zoo.Bidirectional)
    assert_close(upper(lower(X)[1])[1], np.asarray(model(X)), REFERENCE)
    with pytest.raises(ValueError, match="model.h5: no layer 'third', only first"):
        published.keras_layer(path, "third", "lstm")
    with pytest.raises(ValueError, match=r"model.h5, layer 'first': "):
        published.keras_layer(path, "first", "gru")


def test_layers_of_cudnn(tmp_path):
    """As Keras 2 wrote them: two biases, and a group of the name of the layer."""
    rng = np.random.default_rng(0)
    kernels = {"kernel:0": (D, 4 * H), "recurrent_kernel:0": (H, 4 * H)}
    shapes = {**kernels, "bias:0": (8 * H,)}
    path = tmp_path / "weights.hdf5"
    arrays = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    with h5py.File(path, "w") as file:
        group = file.create_group("rnn_1")
        names = [f"rnn_1/{name}".encode() for name in arrays]
        group.attrs["weight_names"] = names
        for name, array in zip(names, arrays.values(), strict=True):
            group[name.decode()] = array
    layer = published.keras_layer(path, "rnn_1", "lstm")
    expected = zoo.interop.from_keras(list(arrays.values()), "lstm")
    assert isinstance(expected, zoo.Recurrent)
    np.testing.assert_array_equal(layer(X)[1], expected(X)[1])


@pytest.mark.parametrize("content", [b"", b"not an h5 file", b"\x89HDF\r\n\x1a\n" * 9])
def test_damaged_and_missing_files(tmp_path, content):
    path = tmp_path / "weights.h5"
    with pytest.raises(FileNotFoundError):
        published.keras_layer(path, "rnn_1", "lstm")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="weights.h5: not an h5 file of Keras"):
        published.keras_layer(path, "rnn_1", "lstm")


def test_every_array_is_in_the_file(tmp_path):
    path, other = tmp_path / "weights.h5", tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((D, 4 * H), np.float32)
    huge = {"shape": (1 << 20, 1 << 20), "dtype": "f4"}
    virtual = h5py.VirtualLayout((D, 4 * H), "f4")
    virtual[:] = h5py.VirtualSource(other, "secret", (D, 4 * H))
    raw = [(str(other), 0, D * 4 * H * 4)]
    writers = {
        "bytes, of which the file stores 0": [
            lambda group: group.create_dataset("W", **huge),
            lambda group: group.create_dataset("W", **huge, compression="gzip"),
        ],
        "is a link": [
            lambda group: group.__setitem__("W", h5py.ExternalLink(other, "secret")),
            lambda group: group.__setitem__("W", h5py.SoftLink("/rnn/x")),
        ],
        "is in another file": [
            lambda group: group.create_virtual_dataset("W", virtual),
            lambda group: group.create_dataset("W", (D, 4 * H), "f4", external=raw),
        ],
        "is no array of floating point": [
            lambda group: group.create_group("W"),
            lambda group: group.create_dataset("W", data=["text"]),
        ],
        "arrays, and a recurrent layer at most 6": [
            lambda group: group.attrs.__setitem__("weight_names", ["W"] * 7)
        ],
        "TypeError": [lambda group: group.attrs.__setitem__("weight_names", 3)],
    }
    for message, some in writers.items():
        for write in some:
            with h5py.File(path, "w") as file:
                group = file.create_group("rnn")
                group.attrs["weight_names"] = ["W"]
                write(group)
            with pytest.raises(ValueError, match=f"weights.h5: .*{message}"):
                published.keras_layer(path, "rnn", "lstm")
    with h5py.File(path, "w") as file:
        file["rnn"] = h5py.ExternalLink(other, "/")
    with pytest.raises(ValueError, match="weights.h5: 'rnn' in / is a link"):
        published.keras_layer(path, "rnn", "lstm")


def test_compressed_arrays(tmp_path):
    arrays = zoo.interop.to_keras(zoo.LSTMCell(D, H, rngs=nnx.Rngs(0)))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        group = file.create_group("rnn")
        group.attrs["weight_names"] = names = ["W", "U", "b"]
        for name, array in zip(names, arrays, strict=True):
            group.create_dataset(name, data=array, compression="gzip")
    layer = published.keras_layer(tmp_path / "weights.h5", "rnn", "lstm")
    np.testing.assert_array_equal(zoo.interop.to_keras(layer)[0], arrays[0])
