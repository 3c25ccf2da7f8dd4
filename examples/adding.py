"""Train an LSTM to remember: add the two marked numbers of a sequence of 50."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import zoo


class Adder(nnx.Module):
    def __init__(self, rngs):
        self.lstm = zoo.LSTM(2, 64, rngs=rngs)
        self.head = nnx.Linear(64, 1, rngs=rngs)

    def __call__(self, x):
        state, _ = self.lstm(x)
        return self.head(state[-1].h)[:, 0]


def batch(key, size=64, T=50):
    values, first, second = jax.random.split(key, 3)
    numbers = jax.random.uniform(values, (size, T))
    a = jax.nn.one_hot(jax.random.randint(first, (size,), 0, T // 2), T)
    b = jax.nn.one_hot(jax.random.randint(second, (size,), T // 2, T), T)
    return jnp.stack([numbers, a + b], axis=-1), (numbers * (a + b)).sum(axis=1)


params, apply = zoo.functional(Adder(nnx.Rngs(0)))
optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(3e-3))
opt_state = optimizer.init(params)


@jax.jit
def train_step(params, opt_state, key):
    x, y = batch(key)
    loss, grads = jax.value_and_grad(lambda p: ((apply(p, x) - y) ** 2).mean())(params)
    updates, opt_state = optimizer.update(grads, opt_state)
    return optax.apply_updates(params, updates), opt_state, loss


for step, key in enumerate(jax.random.split(jax.random.key(0), 2001)):
    params, opt_state, loss = train_step(params, opt_state, key)
    if step % 250 == 0:
        print(f"step {step:4d}  loss {loss:.4f}  (always guessing 1: 0.167)")
