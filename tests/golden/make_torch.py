"""Write torch.npz: what torch 2.13.0 makes of every layer of the grid.

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
    np.savez_compressed(Path(__file__).with_name("torch.npz"), **arrays)
