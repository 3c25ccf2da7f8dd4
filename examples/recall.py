"""Train an LSTM on a recall task: output the first of 10 random numbers at the end."""

import jax
import optax
from flax import nnx

import zoo

params, apply = zoo.functional(zoo.LSTM(1, 64, proj_size=1, rngs=nnx.Rngs(0)))
optimizer = optax.adam(1e-2)
state = optimizer.init(params)


def loss(params: optax.Params, key: jax.Array) -> jax.Array:
    x = jax.random.uniform(key, (64, 10, 1))
    _, y = apply(params, x)
    return ((y[:, -1] - x[:, 0]) ** 2).mean()


@jax.jit
def train_step(params: optax.Params, state: optax.OptState, key: jax.Array) -> tuple:
    value, grads = jax.value_and_grad(loss)(params, key)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state, value


for step, key in enumerate(jax.random.split(jax.random.key(0), 1501)):
    params, state, value = train_step(params, state, key)
    if step % 250 == 0:
        print(f"step {step:4d}  loss {value:.4f}  (without memory: {1 / 12:.4f})")
