"""Write authors.npz: what the authors' programs compute, and its gradients.

::

    python -m tests.golden.make_authors CHECKOUTS [NAME...]

CHECKOUTS has a folder OWNER/NAME for each repository of `authors.toml`, at the commit
that it names. Needs the extras ``[test,parity]`` and einops. With names, only those are
made again.
"""

import sys
import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

import zoo
from tests.golden import author_other_libraries, author_programs  # noqa: F401
from tests.golden.author_loading import PROGRAMS
from tests.helpers.typed import present

HERE = Path(__file__).parent
SOURCES = tomllib.loads((HERE / "authors.toml").read_text())
FILE = HERE / "authors.npz"
B, T, H = 2, 5, 4


def record(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Return parameters, inputs, outputs and gradients of one cell, by name.

    The gradients are those of ``(y * w).sum()``. NaN marks an entry of a parameter that
    the authors' program does not have.
    """
    source = SOURCES[name]
    options = source.get("options", {})
    rng = np.random.RandomState(list(SOURCES).index(name))
    cell = zoo.cells()[name](H, H, param_dtype=jnp.float64, rngs=nnx.Rngs(0), **options)
    params, _ = zoo.functional(cell)
    params = {k: np.asarray(v) + 0.3 * rng.randn(*v.shape) for k, v in params.items()}
    x = rng.randn(B, T, H)
    vector = source.get("vector", "")  # a block of W that is a vector there
    if vector:
        block = params[vector][:, -H:]
        block *= np.eye(H)
    constants = nnx.to_pure_dict(nnx.state(cell, zoo.Constant))
    constants = {k: np.asarray(v) for k, v in constants.items()}

    def run(folder, params, x):
        return PROGRAMS[name](folder, {**params, **constants}, x)

    if source.get("library") == "jax":
        y = np.asarray(run(folder, params, x))
        w = rng.randn(*y.shape)
        loss = lambda p, x: (run(folder, p, x) * w).sum()  # noqa: E731
        d_params, d_x = jax.grad(loss, argnums=(0, 1))(params, jnp.asarray(x))
    else:
        tensors = {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}
        inputs = torch.tensor(x, requires_grad=True)
        result = run(folder, tensors, inputs)
        y = result.detach().numpy()
        w = rng.randn(*y.shape)
        (result * torch.tensor(w)).sum().backward()
        d_params = {k: present(v.grad).numpy() for k, v in tensors.items()}
        d_x = present(inputs.grad).numpy()
    d_params = {k: np.array(v) for k, v in d_params.items()}
    if vector:
        d_params[vector][:, -H:][~np.eye(H, dtype=bool)] = np.nan
    values = {"x": x, "y": y, "w": w, "d_x": np.asarray(d_x)}
    values |= {f"params/{k}": v for k, v in params.items()}
    values |= {f"constants/{k}": v for k, v in constants.items()}
    return values | {f"d_params/{k}": v for k, v in d_params.items()}


def main() -> None:
    """Run the programs and write the file."""
    torch.set_default_dtype(torch.float64)
    jax.config.update("jax_enable_x64", True)
    checkouts, names = Path(sys.argv[1]), sys.argv[2:]
    values = dict(np.load(FILE)) if FILE.exists() and names else {}
    for name in names or SOURCES:
        values = {k: v for k, v in values.items() if not k.startswith(name + "/")}
        made = record(name, checkouts / SOURCES[name]["repository"])
        values |= {f"{name}/{k}": v for k, v in made.items()}
        print(name, len(made))
    np.savez_compressed(FILE, allow_pickle=False, **values)


if __name__ == "__main__":
    main()
