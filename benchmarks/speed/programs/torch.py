"""The same models in plain PyTorch, as a careful user would write them.

Rows are packed, characters of real words only are read, and the optimiser is fused. The
initial weights are those of our model.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout, relu
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import zoo
from benchmarks.speed.programs.base import Program
from zoo.tasks.base import Batch

IGNORED = -100  # label that cross_entropy ignores
Tensor = torch.Tensor


class Tagger(nn.Module):
    """Words, a convolution over characters, shapes; LSTM layers; a score per tag."""

    def __init__(self, model: Any) -> None:
        """Build the layers with the weights of our model.

        Args:
            model: a `zoo.models.Tagger` with ``chars="cnn"`` and no CRF.
        """
        super().__init__()
        self.rate = model.dropout
        self.words = _to_embedding(model.embedding, padding=0)
        self.characters = _to_embedding(model.chars.embedding, padding=0)
        self.shapes = _to_embedding(model.shapes, padding=0)
        (size,) = model.chars.kernel_sizes
        W = np.asarray(model.chars.W[0][...])
        W = W.reshape(size, -1, W.shape[1]).transpose(2, 1, 0)
        self.convolution = nn.Conv1d(W.shape[1], W.shape[0], size, padding=size // 2)
        _copy(self.convolution.weight, W)
        _copy(self.convolution.bias, model.chars.b)
        self.layers = zoo.interop.to_torch(model.layers, "module")
        self.output = _to_linear(model.output)

    def forward(
        self, words: Tensor, chars: Tensor, shapes: Tensor, mask: Tensor
    ) -> tuple[Tensor, PackedSequence]:
        """Return the scores of the real words, packed, and the packed outputs.

        Args:
            words: ints ``[B, T]``.
            chars: ints ``[B, T, C]``.
            shapes: ints ``[B, T]``.
            mask: bool ``[B, T]``.
        """
        chars = chars[mask]
        features = self.convolution(self.characters(chars).transpose(1, 2))
        features = relu(features).masked_fill((chars == 0)[:, None], 0.0).amax(dim=2)
        parts = [self.words(words[mask]), features, self.shapes(shapes[mask])]
        tokens = dropout(torch.cat(parts, dim=1), self.rate, self.training)
        x = tokens.new_zeros(*mask.shape, tokens.shape[1])
        x[mask] = tokens
        packed = pack_padded_sequence(
            x, mask.sum(dim=1), batch_first=True, enforce_sorted=False
        )
        y, _ = self.layers(packed)
        return self.output(dropout(y.data, self.rate, self.training)), y


class CharacterModel(nn.Module):
    """Embedding, LSTM layers, a score per next character."""

    def __init__(self, model: Any) -> None:
        """Build the layers with the weights of our model.

        Args:
            model: a `zoo.models.LanguageModel` whose embeddings are not tied.
        """
        super().__init__()
        self.rate = model.dropout
        self.embedding = _to_embedding(model.embedding)
        self.layers = zoo.interop.to_torch(model.layers, "module")
        self.output = _to_linear(model.output)

    def forward(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the scores ``[B, T, V]`` and the state.

        Args:
            ids: ints ``[B, T]``.
            state: of the previous window, or None.
        """
        y, state = self.layers(self.embedding(ids), state)
        return self.output(dropout(y, self.rate, self.training)), state


class Torch(Program):
    """Either model, trained by Adam or AdamW with clipping and a cosine schedule."""

    def build(self) -> int:
        """Build the model and the optimiser; return the number of parameters."""
        torch.manual_seed(0)
        config: Any = self.task.config
        model = {"pos": Tagger, "charlm": CharacterModel}[self.name]
        self.model = model(self.task.pipeline.model)
        optimizers = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        self.optimizer = optimizers[config.optimizer](
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
        self.eval_state: Any = None
        # Our gates have one bias: the second is not counted.
        named = self.model.named_parameters()
        return sum(p.numel() for name, p in named if "bias_hh" not in name)

    def train_batch(self, batch: Batch, reset: bool) -> float:
        """Train on a batch and return its loss per token.

        Args:
            batch: NumPy arrays.
            reset: whether a carried state starts at zero.
        """
        self.model.train()
        loss, self.state = self._loss(batch, None if reset else self.state)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.task.config.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def evaluate_batch(self, batch: Batch, reset: bool) -> float:
        """Predict a batch and return its loss per token.

        Args:
            batch: NumPy arrays.
            reset: whether a carried state starts at zero.
        """
        self.model.eval()
        with torch.inference_mode():
            state = None if reset else self.eval_state
            loss, self.eval_state = self._loss(batch, state)
        return loss.item()

    def _autocast(self) -> torch.autocast:
        """Return the context of the matrix products."""
        enabled = self.task.config.dtype == "bfloat16"
        return torch.autocast("cpu", torch.bfloat16, enabled=enabled)

    def _loss(self, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Return the mean cross-entropy over real tokens, and the state."""
        tensors = {name: torch.from_numpy(value) for name, value in batch.items()}
        tensors["labels"] = tensors["labels"].long()
        if self.name == "charlm":
            return self._character_loss(tensors, state)
        real_rows = tensors["mask"].any(dim=1)  # the last batch may have empty rows
        if not real_rows.all():
            tensors = {name: value[real_rows] for name, value in tensors.items()}
        return self._tagger_loss(tensors), None

    def _character_loss(
        self, tensors: dict[str, Tensor], state: Any
    ) -> tuple[Tensor, Any]:
        """Return the loss of the character model, and the state."""
        mask, labels = tensors["mask"], tensors["labels"]
        with self._autocast():
            logits, state = self.model(tensors["ids"].long(), state)
        logits = logits.float()
        state = tuple(part.detach() for part in state)
        if not self.model.training:
            log_probabilities = logits.log_softmax(dim=2)
            scores = log_probabilities.gather(2, labels[..., None])[..., 0]
            # Our evaluation also returns the probability of the label, and the most
            # likely character with its probability.
            _ = scores.exp(), log_probabilities.max(dim=2).values.exp()
            return -scores[mask].mean(), state
        labels = labels.masked_fill(~mask, IGNORED)
        loss = cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED
        )
        return loss, state

    def _tagger_loss(self, tensors: dict[str, Tensor]) -> Tensor:
        """Return the loss of the tagger; words are replaced at random in training."""
        words = tensors["words"].long()
        if self.model.training:
            task: Any = self.task
            rates = torch.from_numpy(task.rates)[words]
            unknown = task.pipeline.words.words.unknown
            words = words.masked_fill(torch.rand(words.shape) < rates, unknown)
        with self._autocast():
            logits, packed = self.model(
                words,
                tensors["chars"].long(),
                tensors["shapes"].long(),
                tensors["mask"],
            )
        logits = logits.float()
        if not self.model.training:
            logits.argmax(dim=1)  # our evaluation also returns the tags
        return cross_entropy(logits, _pack_like(tensors["labels"], packed))


def _pack_like(labels: Tensor, packed: PackedSequence) -> Tensor:
    """Return the labels of the tokens in the order of a packed sequence."""
    rows = labels if packed.sorted_indices is None else labels[packed.sorted_indices]
    sizes = packed.batch_sizes.tolist()
    return torch.cat([rows[:size, t] for t, size in enumerate(sizes)])


def _copy(parameter: Any, value: Any) -> None:
    """Set a parameter to the value of an array."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(value)))


def _to_embedding(ours: Any, padding: int | None = None) -> nn.Embedding:
    """Return an embedding with our table."""
    table = torch.from_numpy(np.array(ours.table[...]))
    embedding = nn.Embedding(*table.shape, padding_idx=padding)
    _copy(embedding.weight, table)
    if padding is not None:
        with torch.no_grad():
            embedding.weight[padding] = 0.0
    return embedding


def _to_linear(ours: Any) -> nn.Linear:
    """Return a linear layer with our weights."""
    W = np.asarray(ours.W[...])
    linear = nn.Linear(*W.shape)
    _copy(linear.weight, W.T)
    _copy(linear.bias, ours.b[...])
    return linear
