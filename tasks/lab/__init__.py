"""Compare cells on a memory problem: ``python -m tasks.lab``."""
