"""PyTorch: its fused layers, over padded and over packed rows."""

from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.speed.cases import Case, Device, Weights, flatten_weights
from benchmarks.speed.peers.base import Runner

DEVICES: dict[Device, str] = {"cpu": "cpu", "gpu": "cuda"}  # PyTorch's names
_MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class Padded(Runner):
    """``torch.nn.RNN``, ``LSTM`` and ``GRU`` over padded rows."""

    def build(self, case: Case) -> None:
        """Build the module and load the weights.

        Args:
            case: the network and the batch.
        """
        self.case = case
        self.module = _MODULES[case.cell](
            case.D,
            case.H,
            case.layers,
            batch_first=True,
            bidirectional=case.bidirectional,
        )
        state = {
            name + _suffix(layer, direction): torch.from_numpy(value)
            for layer, cells in enumerate(case.weights())
            for direction, cell in enumerate(cells)
            for name, value in _to_torch(cell).items()
        }
        self.module.load_state_dict(state)
        device, dtype = DEVICES[case.device], getattr(torch, case.dtype)
        self.module.to(device=device, dtype=dtype)
        self.x = torch.from_numpy(case.x()).to(device=device, dtype=dtype)
        self.x.requires_grad_()
        # Packing needs the lengths on the CPU.
        self.lengths = torch.from_numpy(case.lengths()).long()
        self.parameters = dict(self.module.named_parameters())

    def compute(self) -> torch.Tensor:
        """Return the outputs."""
        return self.module(self.x)[0]

    def forward(self) -> Any:
        """Run the network without gradients and wait for the outputs."""
        # In training mode cuDNN would store what the gradients need.
        self.module.eval()
        with torch.no_grad():
            return self._wait(self.compute())

    def step(self) -> Any:
        """Compute the gradients of the inputs and the parameters; wait for them."""
        self.module.train()
        # If rows are packed, the outputs at the padding are zero.
        loss = (self.compute() ** 2).sum() / self.case.num_outputs()
        gradients = torch.autograd.grad(loss, [self.x, *self.parameters.values()])
        return self._wait(gradients)

    def _wait(self, result: Any) -> Any:
        """Return a result when it is computed."""
        if self.x.is_cuda:
            torch.cuda.synchronize()
        return result

    def outputs(self, result: Any) -> dict[str, np.ndarray]:
        """Return the outputs by our name.

        Args:
            result: of `forward`.
        """
        return {"y": _to_numpy(result)}

    def gradients(self, result: Any) -> dict[str, np.ndarray]:
        """Return the gradients under our names.

        Args:
            result: of `step`.
        """
        d_x, *rest = map(_to_numpy, result)
        d_params = dict(zip(self.parameters, rest, strict=True))

        def cell_weights(layer: int, direction: int) -> dict[str, np.ndarray]:
            suffix = _suffix(layer, direction)
            arrays = {
                "W": d_params["weight_ih" + suffix].T,
                "U": d_params["weight_hh" + suffix].T,
                "b": d_params["bias_ih" + suffix],
            }
            if self.case.cell == "gru":
                arrays["b_hn"] = d_params["bias_hh" + suffix][2 * self.case.H :]
            return arrays

        weights: Weights = [
            [
                cell_weights(layer, direction)
                for direction in range(self.case.directions)
            ]
            for layer in range(self.case.layers)
        ]
        return {"x": d_x, **flatten_weights(weights)}


class Packed(Padded):
    """The same over packed rows; packing and padding are part of the measurement."""

    def compute(self) -> torch.Tensor:
        """Return the outputs, zero at the padding."""
        packed = pack_padded_sequence(
            self.x, self.lengths, batch_first=True, enforce_sorted=False
        )
        y, _ = self.module(packed)
        return pad_packed_sequence(y, batch_first=True, total_length=self.case.T)[0]


def _suffix(layer: int, direction: int) -> str:
    """Return the end of the names of a cell's parameters."""
    return f"_l{layer}" + "_reverse" * direction


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as a float32 array; NumPy has no bfloat16."""
    return tensor.float().cpu().numpy()


def _to_torch(cell: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of a cell of ours in PyTorch's layout."""
    state_bias = np.zeros_like(cell["b"])
    if "b_hn" in cell:
        state_bias[-len(cell["b_hn"]) :] = cell["b_hn"]
    return {
        "weight_ih": np.ascontiguousarray(cell["W"].T),
        "weight_hh": np.ascontiguousarray(cell["U"].T),
        "bias_ih": cell["b"],
        "bias_hh": state_bias,
    }
