"""Write published.npz, and the small checkpoints in published/.

::

    python -m tests.golden.make_published PACKAGES

PACKAGES has the unpacked packages of `published.toml`: the folders ``resemblyzer`` and
``g2p_en``. Their programs compute what their weights give; the small checkpoints are
those of the modules in `published_torch.py`. Needs the extra ``[parity]``.
"""

import string
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

from tests.golden import published_torch as originals
from tests.golden.author_loading import load

HERE = Path(__file__).parent
FOLDER = HERE / "published"
B, T, V, D, H = 2, 6, 11, 3, 4
WORDS = ["a", "b", "<unk>", *"cdefg", "<eos>", "h", "i"]
CHARACTERS = ["<unk>", *"abc\n é", "ß", "x", "y", "z"]
SOURCE = ["<unk>", "<blank>", *"abcdefghi"]
TARGET = ["<unk>", "<blank>", "<s>", "</s>", *"uvwxyz"]
IDS = np.random.RandomState(0).randint(0, V, (B, T))


def logits(module: Any, *args: Any) -> np.ndarray:
    """Return what a module computes in evaluation."""
    module.eval()
    with torch.no_grad():
        return module(*args).numpy()


def checkpoints() -> dict[str, np.ndarray]:
    """Write the small checkpoints, and return what their modules compute."""
    values = {"ids": IDS}
    ids = torch.from_numpy(IDS)

    def store(name: str, value: Any, **options: Any) -> None:
        torch.save(value, FOLDER / f"{name}.pt", **options)

    old: dict[str, Any] = {"_use_new_zipfile_serialization": False}
    lstm = originals.RNNModel("LSTM", V, D, H, 2)
    store("awd_lstm", [lstm, originals.SplitCrossEntropyLoss([]), None])
    store("corpus", originals.Corpus(WORDS), **old)
    qrnn = originals.RNNModel("QRNN", V, D, H, 2)
    store("awd_qrnn", qrnn.state_dict(), **old)
    char_rnn = originals.CharRNN("GRU", len(string.printable), H, 2)
    store("char_rnn", char_rnn)
    flair = originals.FlairModel(V, D, H, 1, 2)
    store("flair", flair.checkpoint(CHARACTERS), pickle_protocol=4)
    models = {"awd_lstm": lstm, "awd_qrnn": qrnn, "char_rnn": char_rnn, "flair": flair}
    values |= {name: logits(module, ids) for name, module in models.items()}
    translator = originals.OpenNMT(
        "LSTM",
        (len(SOURCE), len(TARGET)),
        D,
        H,
        1,
        brnn=True,
        attention="general",
        fed=True,
    )
    vocab = [("src", originals.Vocab(SOURCE)), ("tgt", originals.Vocab(TARGET))]
    store("opennmt", translator.checkpoint(vocab))
    lengths, target = torch.tensor([T, 3]), ids[:, :4] % len(TARGET)
    values["opennmt"] = logits(translator, ids, lengths, target)
    return values


def resemblyzer(packages: Path) -> dict[str, np.ndarray]:
    """Return inputs of the voice encoder and its embeddings."""
    module = load(
        packages, "resemblyzer.voice_encoder", ["resemblyzer", "resemblyzer.audio"]
    )
    encoder = module.VoiceEncoder("cpu", verbose=False)
    mels = np.random.RandomState(0).exponential(0.1, (1, 8, 40)).astype(np.float32)
    return {"mels": mels, "embeddings": logits(encoder, torch.from_numpy(mels))}


def g2p_en(packages: Path) -> dict[str, np.ndarray]:
    """Return a word that is in no dictionary, and its phonemes."""
    for name in ("nltk", "nltk.corpus", "nltk.tokenize", "inflect"):
        sys.modules[name] = MagicMock()  # dictionaries and taggers, which it loads
    converter = load(packages, "g2p_en.g2p").G2p()
    word = "activationist"
    inputs = [converter.g2idx[c] for c in [*word, "</s>"]]
    phonemes = [converter.p2idx[p] for p in converter.predict(word)]
    return {"word": np.array(inputs), "phonemes": np.array(phonemes)}


def main() -> None:
    """Write all files."""
    torch.manual_seed(0)
    FOLDER.mkdir(exist_ok=True)
    packages = Path(sys.argv[1])
    values = checkpoints()
    for function in (resemblyzer, g2p_en):
        made = function(packages)
        values |= {f"{function.__name__}/{k}": v for k, v in made.items()}
    np.savez_compressed(HERE / "published.npz", allow_pickle=False, **values)
    print({name: array.shape for name, array in values.items()})


if __name__ == "__main__":
    main()
