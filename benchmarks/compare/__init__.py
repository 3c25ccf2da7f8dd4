"""Cells at the same number of parameters, each with its own learning rate."""
