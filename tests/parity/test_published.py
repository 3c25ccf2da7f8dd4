"""Published models, loaded from files of PyTorch, compute what PyTorch computes."""

import pickle
import string

import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="live comparison needs the extra: pip install -e '.[parity]'"
)

import zoo  # noqa: E402
from tests.golden import published_torch as originals  # noqa: E402
from tests.helpers.tolerances import REFERENCE, assert_close  # noqa: E402
from tests.helpers.typed import untyped  # noqa: E402
from zoo.interop import published  # noqa: E402

B, T, V, D, H = 3, 7, 11, 4, 6
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, V, (B, T))
WORDS = ["a", "b", "<unk>", *"cdefg", "<eos>", "h"]
CHARACTERS = ["<unk>", *"abc\n é", "ß", "x", "y", "z"]


def save(value, path, **options):
    torch.manual_seed(0)
    torch.save(value, path, **options)
    return path


def logits_of(module, *args):
    module.eval()
    with torch.no_grad():
        return module(*args).numpy()


def perplexity(logits, ids):
    """Return the perplexity of the tokens after the first."""
    scores = logits[:, :-1] - np.logaddexp.reduce(logits[:, :-1], axis=-1)[..., None]
    return np.exp(-np.mean(np.take_along_axis(scores, ids[:, 1:, None], -1)))


def assert_equal_model(model, expected):
    """Compare logits, perplexity, and reading in two parts with carried state."""
    state, logits = model(IDS)
    assert_close(logits, expected, REFERENCE)
    np.testing.assert_allclose(
        perplexity(np.asarray(logits), IDS), perplexity(expected, IDS), rtol=1e-5
    )
    first, start = model(IDS[:, :3])
    second, rest = model(IDS[:, 3:], state=first)
    assert_close(np.concatenate([start, rest], 1), expected, REFERENCE)


@pytest.mark.parametrize(
    ("kind", "layers", "tied", "zipped"),
    [
        ("LSTM", 3, True, True),
        ("LSTM", 2, False, False),
        ("GRU", 2, True, False),
        ("QRNN", 3, True, True),
    ],
)
def test_awd_lstm(tmp_path, kind, layers, tied, zipped):
    module = originals.RNNModel(kind, V, D, H, layers, tied)
    expected = logits_of(module, torch.from_numpy(IDS))
    criterion = originals.SplitCrossEntropyLoss([])
    options = {"_use_new_zipfile_serialization": zipped}
    path = save([module, criterion, None], tmp_path / "model.pt", **options)
    assert_equal_model(published.awd_lstm(path), expected)
    state_dict = save(module.state_dict(), tmp_path / "state.pt", **options)
    model = published.awd_lstm(state_dict)
    assert_equal_model(model, expected)
    assert (model.output.W is None) == tied


def test_awd_lstm_with_its_corpus(tmp_path):
    module = originals.RNNModel("LSTM", V, D, H, 2)
    expected = logits_of(module, torch.from_numpy(IDS))
    words = [*WORDS, "i"]
    corpus = save(originals.Corpus(words), tmp_path / "corpus.data")
    model = published.awd_lstm(save([module], tmp_path / "model.pt"), corpus)
    text = model.text.vocabulary
    assert text.tokens == ["<unk>", "a", "b", *"cdefg", "<eos>", "h", "i"]
    assert text.reserved == 1
    order = [words.index(token) for token in text.tokens]
    ids = np.array([[order.index(k) for k in row] for row in IDS])
    assert_close(model.model(ids)[1], expected[..., order], REFERENCE)
    zoo.save(tmp_path / "run", model)
    again = untyped(zoo.load(tmp_path / "run"))
    first = list(model.generate("a b unseen", 5, temperature=0))
    assert list(again.generate("a b unseen", 5, temperature=0)) == first


def test_fastai_names(tmp_path):
    module = originals.RNNModel("LSTM", V, D, H, 2)
    expected = logits_of(module, torch.from_numpy(IDS))
    arrays = {}
    for name, value in module.state_dict().items():
        if name.endswith("_raw"):
            fastai = name.replace(".module.", ".")
            arrays["0." + name.removesuffix("_raw")] = value * 0  # after dropout
            arrays["0." + fastai] = value
        else:
            arrays[("1." if name.startswith("decoder") else "0.") + name] = value
    arrays["0.encoder_dp.emb.weight"] = arrays["0.encoder.weight"]
    path = save({"model": arrays, "opt": {"lr": 1}}, tmp_path / "fastai.pth")
    assert_equal_model(published.awd_lstm(path), expected)
    words = ["xxunk", "xxpad", "xxbos", *"abcdef", "xxfake", "xxfake"]
    itos = tmp_path / "itos.pkl"
    itos.write_bytes(pickle.dumps(words))
    text = published.awd_lstm(path, itos).text
    assert text.encode("xxbos a unseen").tolist() == [2, 3, 0]
    arrays["0.encoder_dp.emb.weight"] = arrays["0.encoder.weight"] + 1
    with pytest.raises(ValueError, match="differs from 'encoder.weight'"):
        published.awd_lstm(save(arrays, path))


@pytest.mark.parametrize(
    ("nout", "forward", "protocol"), [(None, True, 4), (3, True, 2), (None, False, 4)]
)
def test_flair(tmp_path, nout, forward, protocol):
    module = originals.FlairModel(V, D, H, 2, nout)
    expected = logits_of(module, torch.from_numpy(IDS))
    checkpoint = module.checkpoint(CHARACTERS, is_forward_lm=forward)
    path = save(checkpoint, tmp_path / "lm.pt", pickle_protocol=protocol)
    direction = "forward" if forward else "backward"
    model = published.flair(path, direction)
    assert_equal_model(model.model, expected)
    assert model.backward is not forward
    assert model.text.encode("é?").tolist() == [CHARACTERS.index("é"), 0]
    with pytest.raises(ValueError, match=f"this model reads {direction}"):
        published.flair(path, "backward" if forward else "forward")


@pytest.mark.parametrize(("kind", "whole"), [("GRU", True), ("LSTM", False)])
def test_char_rnn(tmp_path, kind, whole):
    module = originals.CharRNN(kind, len(string.printable), H, 2)
    expected = logits_of(module, torch.from_numpy(IDS))
    value = module if whole else {"epoch": 1, "state_dict": module.state_dict()}
    model = published.char_rnn(save(value, tmp_path / "char.pt"))
    assert_equal_model(model.model, expected)
    ids = model.text.encode("Wh")
    assert [string.printable[k] for k in ids] == ["W", "h"]


def test_char_rnn_with_one_hot_inputs(tmp_path):
    module = originals.OneHot("RNN", V, H, nonlinearity="relu")
    expected = logits_of(module, torch.from_numpy(IDS))
    path = save(module, tmp_path / "whole.pt")
    assert_equal_model(published.char_rnn(path, "abcdefghijk").model, expected)
    path = save(module.state_dict(), tmp_path / "state.pt")
    with pytest.raises(ValueError, match="pass nonlinearity="):
        published.char_rnn(path, "abcdefghijk")
    model = published.char_rnn(path, "abcdefghijk", nonlinearity="relu")
    assert_equal_model(model.model, expected)


SOURCE = ["<unk>", "<blank>", *"abcdefghi"]
TARGET = ["<unk>", "<blank>", "<s>", "</s>", *"uvwxyz"]
VOCABULARIES = {
    "0.4": lambda s, t: [("src", originals.Vocab(s)), ("tgt", originals.Vocab(t))],
    "2.0": lambda s, t: {
        "src": originals.TextMultiField("src", s),
        "tgt": originals.TextMultiField("tgt", t),
        "indices": originals.Field([]),
    },
    "3.4": lambda s, t: {"src": s, "tgt": t, "decoder_start_token": "<s>"},
}


@pytest.mark.parametrize(
    ("version", "kind", "brnn", "attention", "fed"),
    [
        ("0.4", "LSTM", True, "general", True),
        ("2.0", "GRU", False, "dot", True),
        ("3.4", "LSTM", False, "general", False),
        ("3.4", "GRU", True, None, False),
    ],
)
def test_opennmt(tmp_path, version, kind, brnn, attention, fed):
    torch.manual_seed(1)
    sizes = len(SOURCE), len(TARGET)
    module = originals.OpenNMT(
        kind, sizes, D, H, 2, brnn=brnn, attention=attention, fed=fed
    )
    source = torch.from_numpy(RNG.integers(2, sizes[0], (B, T)))
    target = torch.from_numpy(RNG.integers(2, sizes[1], (B, 5)))
    lengths = np.array([T, 4, 1])
    expected = logits_of(module, source, torch.from_numpy(lengths), target)
    vocab = VOCABULARIES[version](SOURCE, TARGET)
    path = save(module.checkpoint(vocab), tmp_path / "model_step_1.pt")
    pipeline = published.opennmt(path, max_length=10)
    mask = zoo.mask_from_lengths(lengths, T)
    # Reserved tokens come in the order of zoo.
    order = [(pipeline.source, SOURCE), (pipeline.target, TARGET)]
    names = {"<blank>": "<pad>"}
    to_ours = [
        np.array([text.vocabulary.number(names.get(t, t)) for t in tokens])
        for text, tokens in order
    ]
    logits = pipeline.model(to_ours[0][source], mask, to_ours[1][target])
    logits = np.asarray(logits)[..., to_ours[1]]
    logits -= np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    assert_close(logits, expected, REFERENCE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bridge": True}, "option bridge=True"),
        ({"global_attention": "mlp"}, "option global_attention='mlp'"),
        ({"copy_attn": True}, "option copy_attn=True"),
        ({"decoder_type": "transformer"}, "option decoder_type='transformer'"),
    ],
)
def test_options_of_opennmt_without_an_equivalent(tmp_path, changes, message):
    module = originals.OpenNMT(
        "GRU", (11, 10), D, H, 1, brnn=False, attention="dot", fed=True
    )
    vocab = VOCABULARIES["3.4"](SOURCE, TARGET)
    path = save(module.checkpoint(vocab, **changes), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=message):
        published.opennmt(path)


def test_splits_zoneout_and_sizes_are_rejected(tmp_path):
    module = untyped(originals.RNNModel("QRNN", V, D, H, 2))
    criterion = originals.SplitCrossEntropyLoss([2, 5])
    path = save([module, criterion], tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"divides the vocabulary at \[2, 5\]"):
        published.awd_lstm(path)
    module.rnns[0].zoneout = 0.1
    with pytest.raises(ValueError, match=r"zoneout=0.1"):
        published.awd_lstm(save([module], path))
    module.rnns[0].zoneout = 0
    with pytest.raises(ValueError, match="3 tokens, and the embedding 11 rows"):
        published.awd_lstm(save([module], path), ["a", "b", "c"])
    arrays = module.state_dict() | {"decoder.extra": torch.ones(2)}
    with pytest.raises(ValueError, match="no such weights: decoder.extra"):
        published.awd_lstm(save(arrays, path))


def test_a_file_of_torch_has_the_values_of_torch(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    value = {
        "part": base[1:, ::2],
        "transposed": base.T,
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "ints": torch.arange(3),
        "empty": torch.ones(0, 3),
        "scalar": torch.tensor(2.5),
        "parameter": torch.nn.Parameter(base),
        "bytes": b"\xff\x00",
        "shape": base.shape,
    }
    for zipped in (True, False):
        path = save(
            value, tmp_path / "values.pt", _use_new_zipfile_serialization=zipped
        )
        read = published.read_checkpoint(path)
        assert read.keys() == value.keys()
        assert read["bytes"] == value["bytes"] and read["shape"] == (4, 6)
        for name in ("bytes", "shape"):
            del read[name]
        for name, tensor in read.items():
            expected = value[name].detach()
            assert tensor.shape == tuple(expected.shape)
            actual = np.asarray(tensor).astype(np.float64)
            np.testing.assert_array_equal(actual, expected.double().numpy())
