"""PyTorch: its fused layers, over padded and over packed rows."""

from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.speed.cases import Case, Weights, flat
from benchmarks.speed.peers.base import Runner

DEVICES = {"cpu": "cpu", "gpu": "cuda"}  # as PyTorch calls them


class Padded(Runner):
    """``torch.nn.RNN``, ``LSTM`` and ``GRU`` over whole rows."""

    def build(self, case: Case) -> None:
        """Make the module and load the weights.

        Args:
            case: what is measured.
        """
        made = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
        self.case = case
        self.module = made[case.cell](
            case.D, case.H, case.layers, batch_first=True, bidirectional=case.both
        )
        state = {
            name + f"_l{level}" + "_reverse" * direction: torch.from_numpy(value)
            for level, pair in enumerate(case.weights())
            for direction, cell in enumerate(pair)
            for name, value in _as_torch(cell).items()
        }
        self.module.load_state_dict(state)
        place = {"device": DEVICES[case.device], "dtype": getattr(torch, case.dtype)}
        self.module.to(**place)
        self.x = torch.from_numpy(case.x()).to(**place).requires_grad_()
        # Packing wants the lengths on the CPU.
        self.lengths = torch.from_numpy(case.lengths()).long()
        self.named = dict(self.module.named_parameters())

    def run(self) -> torch.Tensor:
        """Return the outputs."""
        return self.module(self.x)[0]

    def forward(self) -> Any:
        """Run the network without gradients and wait for the outputs."""
        # cuDNN keeps what the gradients would need as long as the module trains.
        self.module.eval()
        with torch.no_grad():
            return self._wait(self.run())

    def step(self) -> Any:
        """Return the gradients by the inputs and by all parameters; wait for them."""
        self.module.train()
        # Where rows are packed, the outputs at padding are zero.
        loss = (self.run() ** 2).sum() / self.case.entries()
        found = torch.autograd.grad(loss, [self.x, *self.named.values()])
        return self._wait(found)

    def _wait(self, found: Any) -> Any:
        """Return it when it is computed."""
        if self.x.is_cuda:
            torch.cuda.synchronize()
        return found

    def outputs(self, found: Any) -> dict[str, np.ndarray]:
        """Return the outputs under our name.

        Args:
            found: of `forward`.
        """
        return {"y": _array(found)}

    def gradients(self, found: Any) -> dict[str, np.ndarray]:
        """Return the gradients under our names.

        Args:
            found: of `step`.
        """
        by_x, *rest = map(_array, found)
        by = dict(zip(self.named, rest, strict=True))

        def cell(level: int, direction: int) -> dict[str, np.ndarray]:
            suffix = f"_l{level}" + "_reverse" * direction
            gradients = {
                "W": by["weight_ih" + suffix].T,
                "U": by["weight_hh" + suffix].T,
                "b": by["bias_ih" + suffix],
            }
            if self.case.cell == "gru":
                gradients["b_hn"] = by["bias_hh" + suffix][2 * self.case.H :]
            return gradients

        weights: Weights = [
            [cell(level, direction) for direction in range(self.case.directions)]
            for level in range(self.case.layers)
        ]
        return {"x": by_x, **flat(weights)}


class Packed(Padded):
    """The same over rows that are packed and padded again within the measurement."""

    def run(self) -> torch.Tensor:
        """Return the outputs, zero at padding."""
        packed = pack_padded_sequence(
            self.x, self.lengths, batch_first=True, enforce_sorted=False
        )
        y, _ = self.module(packed)
        return pad_packed_sequence(y, batch_first=True, total_length=self.case.T)[0]


def _array(found: torch.Tensor) -> np.ndarray:
    """Return a tensor as an array, which knows no bfloat16."""
    return found.float().cpu().numpy()


def _as_torch(cell: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of a cell as PyTorch keeps them."""
    second = np.zeros_like(cell["b"])
    if "b_hn" in cell:
        second[-len(cell["b_hn"]) :] = cell["b_hn"]
    return {
        "weight_ih": np.ascontiguousarray(cell["W"].T),
        "weight_hh": np.ascontiguousarray(cell["U"].T),
        "bias_ih": cell["b"],
        "bias_hh": second,
    }
