"""PyTorch modules with the structure and the names of published models.

Each has the parameters that its project saves, under the names that the project gives
them, and computes the same in evaluation; none is copied from it. `make_published.py`
stores small checkpoints of them, and `tests/parity/test_published.py` compares more.
"""

import argparse
import collections
from typing import Any

import torch
from torch import nn


class WeightDrop(nn.Module):
    """awd-lstm-lm: the named weight is stored with the suffix ``_raw``."""

    def __init__(self, module: nn.Module, name: str):
        super().__init__()
        self.module = module
        self.name = name
        weight = getattr(module, name)
        del module._parameters[name]
        module.register_parameter(name + "_raw", weight)
        setattr(module, name, weight.detach() * 0)

    def forward(self, *args):
        raw = getattr(self.module, self.name + "_raw")
        setattr(self.module, self.name, raw.detach())
        return self.module(*args)


class QRNNLayer(nn.Module):
    """pytorch-qrnn: a linear layer over x and, with window 2, the x before."""

    def __init__(self, input_size: int, hidden_size: int, window: int):
        super().__init__()
        self.window = window
        self.zoneout = 0
        self.linear: Any = nn.Linear(window * input_size, 3 * hidden_size)

    def forward(self, x, h):
        before = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
        y = self.linear(torch.cat([x, before], 2) if self.window == 2 else x)
        z, f, o = y.chunk(3, dim=2)
        z, f, o = z.tanh(), f.sigmoid(), o.sigmoid()
        states = []
        for z_t, f_t in zip(z, f, strict=True):
            h = f_t * z_t + (1 - f_t) * h
            states.append(h[0])
        c = torch.stack(states)
        return o * c, c[-1:]


class RNNModel(nn.Module):
    """awd-lstm-lm's language model; the last layer has the size of the embedding."""

    def __init__(self, kind: str, V: int, D: int, H: int, layers: int, tied=True):
        super().__init__()
        sizes = [D] + [H] * (layers - 1) + [D if tied else H]
        self.encoder = nn.Embedding(V, D)
        rnns = []
        for k, (below, size) in enumerate(zip(sizes, sizes[1:], strict=False)):
            if kind == "QRNN":
                rnn: Any = QRNNLayer(below, size, 2 if k == 0 else 1)
                rnn.linear = WeightDrop(rnn.linear, "weight")
            else:
                rnn = WeightDrop(getattr(nn, kind)(below, size), "weight_hh_l0")
            rnns.append(rnn)
        self.rnns = nn.ModuleList(rnns)
        self.decoder = nn.Linear(sizes[-1], V)
        self.kind, self.sizes = kind, sizes[1:]
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, ids):
        y = self.encoder(ids.T)
        for rnn, size in zip(self.rnns, self.sizes, strict=True):
            h: Any = torch.zeros(1, ids.shape[0], size)
            y, _ = rnn(y, (h, h) if self.kind == "LSTM" else h)
        return self.decoder(y).transpose(0, 1)


class SplitCrossEntropyLoss(nn.Module):
    """awd-lstm-lm's criterion, which is saved next to the model."""

    def __init__(self, splits: list[int]):
        super().__init__()
        self.splits = [0, *splits, 100_000_000]


class CharRNN(nn.Module):
    """char-rnn.pytorch's model."""

    def __init__(self, kind: str, V: int, H: int, layers: int):
        super().__init__()
        self.encoder = nn.Embedding(V, H)
        self.rnn = getattr(nn, kind)(H, H, layers)
        self.decoder = nn.Linear(H, V)

    def forward(self, ids):
        return self.decoder(self.rnn(self.encoder(ids.T))[0]).transpose(0, 1)


class OneHot(nn.Module):
    """A language model without an embedding, whose layers are named otherwise."""

    def __init__(self, kind: str, V: int, H: int, **options: Any):
        super().__init__()
        self.layers = getattr(nn, kind)(V, H, batch_first=True, **options)
        self.fc = nn.Linear(H, V)

    def forward(self, ids):
        x = nn.functional.one_hot(ids, self.fc.out_features).float()
        return self.fc(self.layers(x)[0])


class Dictionary:
    """Flair's dictionary of characters, and that of awd-lstm-lm."""

    def __init__(self, items: list[str]):
        self.idx2item = [item.encode() for item in items]
        self.item2idx = {item: k for k, item in enumerate(self.idx2item)}
        self.idx2word = items
        self.multi_label = False


class Corpus:
    """awd-lstm-lm's corpus."""

    def __init__(self, words: list[str]):
        self.dictionary = Dictionary(words)
        self.train = torch.arange(5)


class FlairModel(nn.Module):
    """Flair's language model."""

    def __init__(self, V: int, D: int, H: int, layers: int, nout: int | None = None):
        super().__init__()
        self.encoder = nn.Embedding(V, D)
        self.rnn = nn.LSTM(D, H, layers)
        self.proj = None if nout is None else nn.Linear(H, nout)
        self.decoder = nn.Linear(H if nout is None else nout, V)
        self.sizes = {"hidden_size": H, "nlayers": layers, "embedding_size": D}
        self.nout = nout

    def forward(self, ids):
        y = self.rnn(self.encoder(ids.T))[0]
        return self.decoder(y if self.proj is None else self.proj(y)).transpose(0, 1)

    def checkpoint(self, characters: list[str], **changes: Any) -> dict[str, Any]:
        """Return what Flair saves."""
        return {
            "state_dict": self.state_dict(),
            "dictionary": Dictionary(characters),
            "is_forward_lm": True,
            **self.sizes,
            "nout": self.nout,
            "document_delimiter": "\n",
            "dropout": 0.1,
            "recurrent_type": "LSTM",
        } | changes


class Embeddings(nn.Module):
    """OpenNMT-py's embedding."""

    def __init__(self, V: int, D: int):
        super().__init__()
        self.make_embedding: Any = nn.Sequential()
        luts = nn.ModuleList([nn.Embedding(V, D, padding_idx=1)])
        self.make_embedding.add_module("emb_luts", luts)

    def forward(self, ids):
        return self.make_embedding.emb_luts[0](ids)


class Stacked(nn.Module):
    """OpenNMT-py's decoder layers with input feeding: a cell each."""

    def __init__(self, kind: str, D: int, H: int, layers: int):
        super().__init__()
        cell = getattr(nn, kind + "Cell")
        self.layers = nn.ModuleList([cell(H if k else D, H) for k in range(layers)])


class Attention(nn.Module):
    """OpenNMT-py's attention: general or dot."""

    def __init__(self, H: int, kind: str):
        super().__init__()
        if kind == "general":
            self.linear_in = nn.Linear(H, H, bias=False)
        self.linear_out = nn.Linear(2 * H, H, bias=False)
        self.kind = kind

    def forward(self, query, memory, mask):
        q = self.linear_in(query) if self.kind == "general" else query
        e = torch.einsum("bh,bsh->bs", q, memory).masked_fill(~mask, -torch.inf)
        c = torch.einsum("bs,bsh->bh", e.softmax(-1), memory)
        return self.linear_out(torch.cat([c, query], -1)).tanh()


class OpenNMT(nn.Module):
    """OpenNMT-py's recurrent encoder-decoder model."""

    def __init__(
        self,
        kind: str,
        V: tuple[int, int],
        D: int,
        H: int,
        layers: int,
        *,
        brnn: bool,
        attention: str | None,
        fed: bool,
    ):
        super().__init__()
        size = H // 2 if brnn else H
        rnn = getattr(nn, kind)
        self.encoder: Any = nn.Module()
        self.encoder.embeddings = Embeddings(V[0], D)
        self.encoder.rnn = rnn(D, size, layers, bidirectional=brnn)
        self.decoder: Any = nn.Module()
        self.decoder.embeddings = Embeddings(V[1], D)
        if fed:
            self.decoder.rnn = Stacked(kind, D + H, H, layers)
        else:
            self.decoder.rnn = rnn(D, H, layers)
        if attention:
            self.decoder.attn = Attention(H, attention)
        self.generator = nn.Sequential(nn.Linear(H, V[1]), nn.LogSoftmax(-1))
        self.options = {
            "model_type": "text",
            "encoder_type": "brnn" if brnn else "rnn",
            "decoder_type": "rnn",
            "rnn_type": kind,
            "global_attention": attention or "none",
            "global_attention_function": "softmax",
            "input_feed": int(fed),
            "bridge": False,
            "context_gate": None,
            "copy_attn": False,
            "dropout": [0.3],
        }
        self.fed, self.layers, self.H, self.brnn = fed, layers, H, brnn

    def forward(self, source: Any, lengths: Any, target: Any) -> torch.Tensor:
        """Return log-probabilities ``[B, T, V]``."""
        encoder, decoder = self.encoder, self.decoder
        packed = nn.utils.rnn.pack_padded_sequence(
            encoder.embeddings(source), lengths, batch_first=True, enforce_sorted=False
        )
        encoder.rnn.batch_first = True
        memory, state = encoder.rnn(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True)
        mask = torch.arange(memory.shape[1]) < lengths[:, None]
        states = state if isinstance(state, tuple) else (state,)
        if self.brnn:
            states = tuple(torch.cat([s[::2], s[1::2]], 2) for s in states)
        hidden = [tuple(s[k] for s in states) for k in range(self.layers)]
        fed = torch.zeros(len(source), self.H)
        outputs = []
        for x in decoder.embeddings(target).unbind(1):
            x = torch.cat([x, fed], 1) if self.fed else x
            for k in range(self.layers):
                x, hidden[k] = self._step(k, x, hidden[k])
            if hasattr(decoder, "attn"):
                x = decoder.attn(x, memory, mask)
            fed = x
            outputs.append(self.generator(x))
        return torch.stack(outputs, 1)

    def _step(self, k: int, x: Any, hidden: Any) -> Any:
        """Run one step of one layer of the decoder."""
        rnn = self.decoder.rnn
        if self.fed:
            cell = rnn.layers[k]
            new = cell(x, hidden if isinstance(cell, nn.LSTMCell) else hidden[0])
            new = new if isinstance(new, tuple) else (new,)
            return new[0], new
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(rnn, f"{name}_l{k}") for name in names]
        if isinstance(rnn, nn.LSTM):
            new = torch._VF.lstm_cell(x, hidden, *weights)
        else:
            new = (torch._VF.gru_cell(x, hidden[0], *weights),)
        return new[0], new

    def checkpoint(self, vocab: Any, **changes: Any) -> dict[str, Any]:
        """Return what OpenNMT-py saves."""
        state = self.state_dict()
        return {
            "model": {k: v for k, v in state.items() if "generator" not in k},
            "generator": self.generator.state_dict(),
            "vocab": vocab,
            "opt": argparse.Namespace(**self.options | changes),
        }


class Vocab:
    """torchtext's vocabulary."""

    def __init__(self, tokens: list[str]):
        self.freqs = collections.Counter(tokens)
        self.itos = tokens
        self.stoi = collections.defaultdict(int, {t: k for k, t in enumerate(tokens)})


class Field:
    """torchtext's field."""

    def __init__(self, tokens: list[str]):
        self.vocab = Vocab(tokens)
        self.dtype = torch.int64


class TextMultiField:
    """OpenNMT-py's field of a text and of features."""

    def __init__(self, name: str, tokens: list[str]):
        self.fields = [(name, Field(tokens))]
