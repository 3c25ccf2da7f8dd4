"""The cells of the family `oscillator` in NumPy."""

import numpy as np

from tests.helpers.numerics import gates, sigmoid


def cornn(params, state, x):
    """Rusch and Mishra 2020, arXiv:2010.00951, equation 3."""
    h, z = state["h"], state["z"]
    drive = h @ params["U"] + z @ params["U_z"] + x @ params["W"] + params["b"]
    z = z + 0.042 * (np.tanh(drive) - 2.7 * h - 4.7 * z)
    return {"h": h + 0.042 * z, "z": z}


def unicornn(params, state, x):
    """Rusch and Mishra 2021, arXiv:2103.05487, equation 4."""
    h, z = state["h"], state["z"]
    step = 0.2 * (0.5 + 0.5 * np.tanh(params["c"] / 2))
    drive = np.tanh(params["u"] * h + x @ params["W"] + params["b"])
    z = z - step * (drive + 1.0 * h)
    return {"h": h + step * z, "z": z}


def lem(params, state, x):
    """Rusch et al. 2021, arXiv:2110.04744, equation 3, dt = 1."""
    y, z = state["h"], state["z"]
    (W1, U1, b1), (W2, U2, b2), (Wz, Uz, bz), (Wy, Uy, by) = gates(params, 4)
    dt_z = sigmoid(y @ U1 + x @ W1 + b1)
    dt_y = sigmoid(y @ U2 + x @ W2 + b2)
    z = (1 - dt_z) * z + dt_z * np.tanh(y @ Uz + x @ Wz + bz)
    return {"h": (1 - dt_y) * y + dt_y * np.tanh(z @ Uy + x @ Wy + by), "z": z}
