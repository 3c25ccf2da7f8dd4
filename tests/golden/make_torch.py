"""Write torch.npz: the results of PyTorch 2.13.0 for every configuration of the grid.

pip install -e ".[test,parity]"
python -m tests.golden.make_torch
"""

from pathlib import Path

import numpy as np

from tests.helpers.torch_grid import GRID, record_torch

if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": value
        for seed, (name, config) in enumerate(GRID.items())
        for key, value in record_torch(config, seed).items()
    }
    path = Path(__file__).with_name("torch.npz")
    np.savez_compressed(path, allow_pickle=False, **arrays)
