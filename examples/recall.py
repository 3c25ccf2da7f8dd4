"""Train an LSTM to remember: name the first of 10 random numbers at the end."""

from typing import Any

import jax
import optax
from flax import nnx

import zoo

params, apply = zoo.functional(zoo.LSTM(1, 64, proj_size=1, rngs=nnx.Rngs(0)))
optimizer = optax.adam(1e-2)
opt_state = optimizer.init(params)


def loss(params: Any, key: jax.Array) -> jax.Array:
    """Return the mean squared error of the output after the last number."""
    x = jax.random.uniform(key, (64, 10, 1))
    _, y = apply(params, x)
    return ((y[:, -1] - x[:, 0]) ** 2).mean()


@jax.jit
def train_step(params: Any, opt_state: Any, key: jax.Array) -> tuple[Any, Any, Any]:
    """Return the updated parameters and optimiser state, and the loss."""
    value, grads = jax.value_and_grad(loss)(params, key)
    updates, opt_state = optimizer.update(grads, opt_state)
    return optax.apply_updates(params, updates), opt_state, value


for step, key in enumerate(jax.random.split(jax.random.key(0), 1501)):
    params, opt_state, value = train_step(params, opt_state, key)
    if step % 250 == 0:
        print(f"step {step:4d}  loss {value:.4f}  (without a memory: {1 / 12:.4f})")
