"""The same models in plain PyTorch, as a careful user would write them.

Rows are packed, characters are read of real words only, and the optimiser is PyTorch's
own with its fused loops where it has them. The first weights are ours.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout, relu
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import zoo
from benchmarks.speed.programs.base import Program

IGNORED = -100  # of cross_entropy


class Tagger(nn.Module):
    """Words, characters by convolution, shapes; LSTM layers; a score for each tag."""

    def __init__(self, model: Any) -> None:
        """Make the layers with the weights of ours.

        Args:
            model: a `zoo.models.Tagger` with ``chars="cnn"`` and no CRF.
        """
        super().__init__()
        self.rate = model.dropout
        self.words = _embedding(model.embedding, padding=0)
        self.characters = _embedding(model.chars.embedding, padding=0)
        self.shapes = _embedding(model.shapes, padding=0)
        (size,) = model.chars.kernel_sizes
        W = np.asarray(model.chars.W[0][...])
        W = W.reshape(size, -1, W.shape[1]).transpose(2, 1, 0)
        self.convolution = nn.Conv1d(W.shape[1], W.shape[0], size, padding=size // 2)
        _set(self.convolution.weight, W)
        _set(self.convolution.bias, model.chars.b)
        self.layers = _lstm(model.layers)
        self.output = _linear(model.output)

    def forward(self, words: Any, chars: Any, shapes: Any, mask: Any) -> Any:
        """Return the scores of the real words, packed, and how they were packed.

        Args:
            words: ints ``[B, T]``.
            chars: ints ``[B, T, C]``.
            shapes: ints ``[B, T]``.
            mask: bool ``[B, T]``.
        """
        letters = chars[mask]
        found = self.convolution(self.characters(letters).transpose(1, 2))
        found = relu(found).masked_fill((letters == 0)[:, None], 0.0).amax(dim=2)
        parts = [self.words(words[mask]), found, self.shapes(shapes[mask])]
        tokens = dropout(torch.cat(parts, dim=1), self.rate, self.training)
        x = tokens.new_zeros(*mask.shape, tokens.shape[1])
        x[mask] = tokens
        packed = pack_padded_sequence(
            x, mask.sum(dim=1), batch_first=True, enforce_sorted=False
        )
        y, _ = self.layers(packed)
        return self.output(dropout(y.data, self.rate, self.training)), y


class CharacterModel(nn.Module):
    """Embedding, LSTM layers, a score for each character that may come next."""

    def __init__(self, model: Any) -> None:
        """Make the layers with the weights of ours.

        Args:
            model: a `zoo.models.LanguageModel` whose embeddings are not tied.
        """
        super().__init__()
        self.rate = model.dropout
        self.embedding = _embedding(model.embedding)
        self.layers = _lstm(model.layers)
        self.output = _linear(model.output)

    def forward(self, ids: Any, state: Any) -> Any:
        """Return the scores ``[B, T, V]`` and the state.

        Args:
            ids: ints ``[B, T]``.
            state: of the window before, or None.
        """
        y, state = self.layers(self.embedding(ids), state)
        return self.output(dropout(y, self.rate, self.training)), state


class Torch(Program):
    """Either model, trained by Adam or AdamW with clipping and a cosine schedule."""

    def make(self) -> int:
        """Make the model and the optimiser; return the number of parameters."""
        torch.manual_seed(0)
        config: Any = self.task.config
        made = {"pos": Tagger, "charlm": CharacterModel}[self.name]
        self.model = made(self.task.pipeline.model)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
        self.optimizer = kind(
            self.model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        steps = self.task.num_batches("train") * self.task.epochs()
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, steps
        )
        self.state: Any = None
        self.judged: Any = None
        # The second bias of each gate, which ours has not, is no parameter to count.
        named = self.model.named_parameters()
        return sum(p.numel() for name, p in named if "bias_hh" not in name)

    def learn(self, batch: Any, fresh: bool) -> float:
        """Train on a batch.

        Args:
            batch: numpy arrays.
            fresh: whether a carried state begins anew.
        """
        self.model.train()
        loss, self.state = self._loss(batch, None if fresh else self.state)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.task.config.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def judge(self, batch: Any, fresh: bool) -> float:
        """Predict a batch.

        Args:
            batch: numpy arrays.
            fresh: whether a carried state begins anew.
        """
        self.model.eval()
        with torch.inference_mode():
            loss, self.judged = self._loss(batch, None if fresh else self.judged)
        return loss.item()

    def _lower(self) -> torch.autocast:
        """Return where PyTorch multiplies what is asked for."""
        lower = self.task.config.dtype == "bfloat16"
        return torch.autocast("cpu", torch.bfloat16, enabled=lower)

    def _loss(self, batch: Any, state: Any) -> tuple[torch.Tensor, Any]:
        """Return the mean of the cross-entropy over real tokens, and the state."""
        some = batch["mask"].any(axis=1)  # the last batch of an epoch may lack rows
        given = {name: torch.from_numpy(value) for name, value in batch.items()}
        mask, labels = given["mask"], given["labels"].long()
        if self.name == "charlm":
            with self._lower():
                logits, state = self.model(given["ids"].long(), state)
            logits = logits.float()
            state = tuple(part.detach() for part in state)
            if not self.model.training:
                scores = logits.log_softmax(dim=2)
                came = scores.gather(2, labels[..., None])[..., 0]
                # What ours tells too: how likely that was, what was expected, how sure.
                came.exp(), scores.max(dim=2).values.exp()
                return -came[mask].mean(), state
            labels = labels.masked_fill(~mask, IGNORED)
            loss = cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED
            )
            return loss, state
        if not some.all():
            rows = torch.from_numpy(some)
            given = {name: value[rows] for name, value in given.items()}
            mask, labels = given["mask"], labels[rows]
        words = given["words"].long()
        if self.model.training:
            task: Any = self.task
            rates = torch.from_numpy(task.rates)[words]
            unknown = task.pipeline.words.words.unknown
            words = words.masked_fill(torch.rand(words.shape) < rates, unknown)
        with self._lower():
            logits, packed = self.model(
                words, given["chars"].long(), given["shapes"].long(), mask
            )
        logits = logits.float()
        if not self.model.training:
            logits.argmax(dim=1)  # the tags, which ours gives too
        return cross_entropy(logits, _packed_like(labels, packed)), None


def _packed_like(labels: torch.Tensor, packed: PackedSequence) -> torch.Tensor:
    """Return the labels of the tokens in the order in which they are packed."""
    rows = labels if packed.sorted_indices is None else labels[packed.sorted_indices]
    sizes = packed.batch_sizes.tolist()
    return torch.cat([rows[:size, t] for t, size in enumerate(sizes)])


def _set(parameter: Any, value: Any) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(value)))


def _embedding(ours: Any, padding: int | None = None) -> nn.Embedding:
    table = torch.from_numpy(np.array(ours.table[...]))
    made = nn.Embedding(*table.shape, padding_idx=padding)
    _set(made.weight, table)
    if padding is not None:
        with torch.no_grad():
            made.weight[padding] = 0.0
    return made


def _linear(ours: Any) -> nn.Linear:
    W = np.asarray(ours.W[...])
    made = nn.Linear(*W.shape)
    _set(made.weight, W.T)
    _set(made.bias, ours.b[...])
    return made


def _lstm(ours: Any) -> nn.LSTM:
    arrays = zoo.interop.to_torch(ours)
    width = arrays["weight_ih_l0"].shape[1]
    levels = [name for name in arrays if name.startswith("weight_hh_l")]
    both = any(name.endswith("_reverse") for name in levels)
    num_layers = len(levels) // (1 + both)
    made = nn.LSTM(
        width,
        arrays["weight_hh_l0"].shape[1],
        num_layers,
        batch_first=True,
        bidirectional=both,
        dropout=ours.dropout if num_layers > 1 else 0.0,
    )
    made.load_state_dict(arrays)
    return made
