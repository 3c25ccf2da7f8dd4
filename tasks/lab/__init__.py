"""Compare cells on a memory problem: ``zoo lab``."""
