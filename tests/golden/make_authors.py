"""Write authors.npz: what the programs of `authors.toml` compute, and its gradients.

::

    python -m tests.golden.make_authors CHECKOUTS [NAME...]

CHECKOUTS has a folder OWNER/NAME for each repository of `authors.toml`, at the commit
that it names. Needs the extras ``[test,parity]``, and einops, TensorFlow 2, six,
typeguard and lupa. With names, only those are made again.
"""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

import zoo
from tests.golden import (  # noqa: F401
    author_jax,
    author_lua,
    author_numpy,
    author_theano,
    author_torch,
    author_torch_linear,
)
from tests.golden.author_loading import PROGRAMS, Params
from tests.golden.author_tensorflow import tf
from tests.helpers.typed import present

HERE = Path(__file__).parent
SOURCES = tomllib.loads((HERE / "authors.toml").read_text())
FILE = HERE / "authors.npz"
B, T, H = 2, 5, 4
Run = Callable[[Params, Any], Any]
Draw = Callable[[Any], np.ndarray]


def with_jax(run: Run, params: Params, x: np.ndarray, draw: Draw) -> tuple[Any, ...]:
    """Return y, w and the gradients with respect to params and x, from JAX.

    Args:
        run: a program, ``(params, x) -> y``.
        params: arrays by name.
        x: the inputs.
        draw: returns w for the shape of y.
    """
    y = run(params, jnp.asarray(x))
    w = draw(y.shape)
    loss = lambda p, x: (run(p, x) * w).sum()  # noqa: E731
    return y, w, *jax.grad(loss, argnums=(0, 1))(params, jnp.asarray(x))


def with_torch(run: Run, params: Params, x: np.ndarray, draw: Draw) -> tuple[Any, ...]:
    """Return y, w and the gradients, from PyTorch; see `with_jax`."""
    tensors = {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}
    inputs = torch.tensor(x, requires_grad=True)
    y = run(tensors, inputs)
    w = draw(y.shape)
    (y * torch.tensor(w)).sum().backward()
    d_params = {k: present(v.grad).numpy() for k, v in tensors.items()}
    return y.detach().numpy(), w, d_params, present(inputs.grad).numpy()


def with_tensorflow(
    run: Run, params: Params, x: np.ndarray, draw: Draw
) -> tuple[Any, ...]:
    """Return y, w and the gradients, from TensorFlow; see `with_jax`."""
    tensors, inputs = {k: tf.constant(v) for k, v in params.items()}, tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch((tensors, inputs))
        y = run(tensors, inputs)
        w = draw(tuple(y.numpy().shape))
        loss = tf.reduce_sum(y * w)
    return y, w, *tape.gradient(loss, (tensors, inputs))


LIBRARIES = {"jax": with_jax, "torch": with_torch, "tensorflow": with_tensorflow}


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
    for key, value in source.get("constants", {}).items():
        constants[key] = np.full_like(constants[key], value)
    run = lambda params, x: PROGRAMS[name](folder, params | constants, x)  # noqa: E731
    differentiate = LIBRARIES[source.get("library", "torch")]
    y, w, d_params, d_x = differentiate(run, params, x, lambda s: rng.randn(*s))
    d_params = {k: np.array(v) for k, v in d_params.items()}
    if vector:
        d_params[vector][:, -H:][~np.eye(H, dtype=bool)] = np.nan
    values = {"x": x, "y": np.asarray(y), "w": w, "d_x": np.asarray(d_x)}
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
