"""The authors' programs in JAX; see `author_loading.py`."""

from pathlib import Path

import jax
import jax.numpy as jnp

from tests.golden.author_loading import Params, load, program


@program
def lru(folder: Path, p: Params, x: jax.Array) -> jax.Array:
    """NicolasZucchet/minimal-LRU; its D is a vector."""
    model = load(folder, "lru.model")
    H = p["nu"].shape[0]
    B_re, B_im, D = jnp.split(p["W"], 3, axis=1)
    weights = {"nu_log": p["nu"], "theta_log": p["theta"], "gamma_log": p["gamma"]}
    weights |= {"B_re": B_re.T, "B_im": B_im.T, "D": jnp.diag(D)}
    weights |= {"C_re": p["C"][0].T, "C_im": p["C"][1].T}
    module = model.LRU(d_hidden=H, d_model=x.shape[-1])
    return jax.vmap(lambda row: module.apply({"params": weights}, row))(x)


@program
def s5(folder: Path, p: Params, x: jax.Array) -> jax.Array:
    """lindermanlab/S5; its D is a vector."""
    jax.numpy.DeviceArray = jax.Array  # pyright: ignore[reportAttributeAccessIssue]
    ssm = load(folder, "s5.ssm")
    _, N, H = p["C"].shape
    B_re, B_im, D = jnp.split(p["W"], [N, 2 * N], axis=1)
    weights = {
        "Lambda_re": -jnp.exp(p["decay"]),
        "Lambda_im": p["frequency"],
        "B": jnp.stack([B_re.T, B_im.T], axis=-1),
        "C": jnp.stack([p["C"][0].T, p["C"][1].T], axis=-1),
        "D": jnp.diag(D),
        "log_step": p["log_step"][:, None],
    }
    none = jnp.zeros((N,))
    shape = jnp.zeros((2 * N, N), complex)
    build = ssm.init_S5SSM(
        *(H, N, none, none, shape, shape.T, "lecun_normal", "zoh", 1e-3, 1e-1),
        *(True, False, False),
    )
    return jax.vmap(lambda row: build().apply({"params": weights}, row))(x)
