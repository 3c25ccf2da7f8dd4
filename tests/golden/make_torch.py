"""Write torch.npz: what torch 2.13.0 makes of every layer of the grid.

pip install -e ".[test,parity]"
PYTHONPATH=tests python tests/golden/make_torch.py
"""

from pathlib import Path

import numpy as np
from torch_grid import GRID, record_torch

if __name__ == "__main__":
    arrays = {
        f"{name}/{key}": value
        for seed, (name, config) in enumerate(GRID.items())
        for key, value in record_torch(config, seed).items()
    }
    np.savez_compressed(Path(__file__).with_name("torch.npz"), **arrays)
