"""Parity with PyTorch, from recorded values: runs without PyTorch."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.torch_grid import GRID, check, part

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "torch.npz")
RECORDS = {name: {} for name in GRID}
for full in GOLDEN.files:
    name, key = full.split("/")
    RECORDS[name][key] = GOLDEN[full]


@pytest.mark.parametrize("name", GRID)
def test_layer_equals_torch(name):
    """Outputs, final states, and gradients of inputs, states and every weight."""
    check(RECORDS[name], GRID[name])
    assert part(RECORDS[name], "by.")
