"""The cells of the family `oscillator` in NumPy."""

import numpy as np

from tests.helpers.numerics import gates, sigmoid


def cornn(params, state, x, dt=0.042, gamma=2.7, epsilon=4.7):
    """Rusch and Mishra 2020, arXiv:2010.00951, equation 3."""
    h, z = state["h"], state["z"]
    drive = h @ params["U"] + z @ params["U_z"] + x @ params["W"] + params["b"]
    z = z + dt * (np.tanh(drive) - gamma * h - epsilon * z)
    return {"h": h + dt * z, "z": z}


def unicornn(params, state, x, dt=0.2, alpha=1.0):
    """Rusch and Mishra 2021, arXiv:2103.05487, equation 4."""
    h, z = state["h"], state["z"]
    step = dt * (0.5 + 0.5 * np.tanh(params["c"] / 2))
    drive = np.tanh(params["u"] * h + x @ params["W"] + params["b"])
    z = z - step * (drive + alpha * h)
    return {"h": h + step * z, "z": z}


def lem(params, state, x, dt=1.0):
    """Rusch et al. 2021, arXiv:2110.04744, equation 3."""
    y, z = state["h"], state["z"]
    (W1, U1, b1), (W2, U2, b2), (Wz, Uz, bz), (Wy, Uy, by) = gates(params, 4)
    dt_z = dt * sigmoid(y @ U1 + x @ W1 + b1)
    dt_y = dt * sigmoid(y @ U2 + x @ W2 + b2)
    z = (1 - dt_z) * z + dt_z * np.tanh(y @ Uz + x @ Wz + bz)
    return {"h": (1 - dt_y) * y + dt_y * np.tanh(z @ Uy + x @ Wy + by), "z": z}
