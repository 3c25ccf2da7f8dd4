"""The cells in NumPy, written from the papers: a module for each family.

These functions share no code with the library. Each has the name of a cell and computes
one step, ``(params, state, x) -> new state``. Vectors are rows, ``x[B, D]`` and ``h[B,
H]``. Parameters have the names of the library, and the gates are concatenated in one
matrix. States are dicts of float64 arrays. If the output is not ``h``, the new state
also has it, as ``y``.
"""
