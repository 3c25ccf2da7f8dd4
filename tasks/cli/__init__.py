"""The commands that need data: train, evaluate and lab. It imports no JAX."""
