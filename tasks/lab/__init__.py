"""Compare cells on a memory problem: ``python -m zoo.tasks.lab``."""
