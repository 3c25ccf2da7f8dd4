"""The cells in numpy, from the equations of the papers, with a module for each family.

These functions share no code with the library. Each has the name of a cell and computes
one step, ``(params, state, x) -> new state``. Vectors are rows, ``x[B, D]`` and ``h[B,
H]``. Parameters are named as in the library, and the gates are concatenated in one
matrix. States are dicts of float64 arrays. The new state also has the output as ``y``
where that is not ``h``.
"""
