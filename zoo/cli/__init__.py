"""The command line of trained models: ``python -m zoo COMMAND``."""
